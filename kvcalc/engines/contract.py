"""What an engine is: a settings class, and a function from a model and settings to a cost."""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field

from kvcalc.costs import Cost
from kvcalc.dtypes import dtype
from kvcalc.errors import KvcalcError, shown
from kvcalc.frozen import Frozen
from kvcalc.model import Model


def whole(value: object) -> object:
    """Let an int or its text through, and no number that only equals one (True, 2.0)."""
    if type(value) is int or isinstance(value, str):
        return value
    raise ValueError(f"found {shown(value)}, expected a whole number")


class Settings(Frozen):
    """The settings that every engine has.

    `kv_cache_dtype` is the element type of the cache, the model's own unless given;
    `tensor_parallel_size` is in ranks.
    """

    kv_cache_dtype: Annotated[str, AfterValidator(lambda name: dtype(name).name)] | None = None
    tensor_parallel_size: Annotated[int, BeforeValidator(whole), Field(ge=1, le=2**20)] = 1

    def changed(self) -> dict[str, Any]:
        """Those that differ from the engine's defaults, besides the element type."""
        return self.model_dump(exclude_defaults=True, exclude={"kv_cache_dtype"})


class Engine(NamedTuple):
    """An engine by its name, with its settings class and its arithmetic."""

    name: str
    settings: type[Settings]
    cost: Callable[[Model, Any], Cost]


def heads_per_rank(kv_heads: int, tensor_parallel_size: int) -> int:
    """KV heads of a layer on one rank; where ranks outnumber heads, each holds a copy of one.

    Raises:
        KvcalcError: the heads can be neither divided evenly nor copied evenly.
    """
    if kv_heads % tensor_parallel_size and tensor_parallel_size % kv_heads:
        raise KvcalcError(
            f"tensor_parallel_size: found {tensor_parallel_size}, expected a divisor or a "
            f"multiple of the {kv_heads} KV heads"
        )
    return max(1, kv_heads // tensor_parallel_size)


def share_per_rank(elements: int, tensor_parallel_size: int) -> int:
    """Elements of a state on one rank.

    Raises:
        KvcalcError: the ranks cannot share them evenly.
    """
    if elements % tensor_parallel_size:
        raise KvcalcError(
            f"tensor_parallel_size: found {tensor_parallel_size}, expected a divisor of the "
            f"{elements} elements of a layer's state"
        )
    return elements // tensor_parallel_size

"""What an engine is: a settings class, and a function from a model and settings to a cost."""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    NamedTuple,
    get_args,
    get_origin,
)

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from kvcalc.costs import Cost
from kvcalc.dtypes import dtype
from kvcalc.engines.parts import part
from kvcalc.errors import RequestError, UnsupportedError
from kvcalc.frozen import Frozen, unexpected
from kvcalc.model import Model
from kvcalc.spelling import spelled
from kvcalc.units import parse_memory, parse_tokens

if TYPE_CHECKING:
    from kvcalc.engines.memory import Card, Memory
    from kvcalc.engines.releases import Standing
    from kvcalc.engines.replay import Replay
    from kvcalc.engines.server import Server
    from kvcalc.engines.traffic import Sum
    from kvcalc.engines.weights import Weigh
    from kvcalc.pools import Pool


def whole(value: object) -> object:
    """Let an int or its text through, but not what only equals an int (True, 2.0)."""
    if type(value) is int or isinstance(value, str):
        return value
    raise unexpected("a whole number")


def alone(reason: str) -> BeforeValidator:
    """Take one rank alone, for an engine whose ranks are not counted; `reason` says why.

    Raises, where it is used:
        RequestError: more than one.
    """

    def one(ranks: object) -> object:
        if whole(ranks) not in (1, "1"):
            raise RequestError.of("tensor_parallel_size", ranks, f"1: {reason}")
        return ranks

    return BeforeValidator(one)


class About(NamedTuple):
    """What is known of a setting, beside its type: its unit, and where the engine defines it."""

    unit: str
    source: str


def _count(value: object, info: ValidationInfo) -> object:
    suffixed = isinstance(value, str) and value[:1].isdigit() and not value.isdecimal()
    return parse_tokens(str(value), info.field_name or "setting") if suffixed else whole(value)


def _bytes(value: object, info: ValidationInfo) -> object:
    suffixed = isinstance(value, str) and value[:1].isdigit() and not value.isdecimal()
    return parse_memory(str(value), info.field_name or "setting") if suffixed else whole(value)


Count = Annotated[int, BeforeValidator(_count), Field(ge=1, le=2**40)]
"""A setting that is a positive whole number; its text will do too, as 8192 or 8K."""

Bytes = Annotated[int, BeforeValidator(_bytes), Field(ge=1, le=2**40)]
"""A setting that is a size in bytes; its text will do too, as 20GiB."""


def _element_type(name: str, info: ValidationInfo) -> str:
    return dtype(name, info.field_name or "dtype").name


def _words(annotation: Any) -> tuple[str, ...]:
    """The words that a type lists."""
    if get_origin(annotation) is Literal:
        return tuple(word for word in get_args(annotation) if isinstance(word, str))
    return tuple(word for inner in get_args(annotation) for word in _words(inner))


@cache
def _words_of(settings: "type[Settings]", field: str) -> tuple[str, ...]:
    return _words(settings.model_fields[field].annotation)


class Settings(Frozen):
    """The settings that every engine has.

    `kv_cache_dtype` is the element type of the cache, the model's own unless given;
    `tensor_parallel_size` is in ranks.
    """

    @field_validator("*", mode="before")
    @classmethod
    def _in_any_case(cls, value: object, info: ValidationInfo) -> object:
        """Take a word of a list of words in any case."""
        if not isinstance(value, str):
            return value
        return spelled(value, _words_of(cls, info.field_name or "")) or value

    BESIDE: ClassVar[tuple[str, ...]] = ("kv_cache_dtype",)
    """Settings that answers name by themselves."""

    kv_cache_dtype: Annotated[
        Annotated[str, AfterValidator(_element_type)] | None,
        About("element type; not given: the model's own", "kvcalc"),
    ] = None
    tensor_parallel_size: Annotated[
        int,
        BeforeValidator(whole),
        Field(ge=1, le=2**20),
        About("ranks that share each layer", "kvcalc"),
    ] = 1

    def changed(self) -> dict[str, Any]:
        """Those that differ from the engine's defaults, but for what answers name themselves."""
        return {
            name: value
            for name, field in type(self).model_fields.items()
            if (value := getattr(self, name)) != field.default and name not in self.BESIDE
        }

    @property
    def standing(self) -> "Standing | None":
        """What holds at the release; None for an engine with a single release."""
        return None

    def engine_version(self, own: str) -> str:
        """The release that an answer holds for: `own`, the one that was read."""
        return own

    def require_model(self, model: Model) -> None:
        """Refuse a model that the release has no code for; of one release alone nothing is known.

        Raises:
            UnsupportedError: it has none; the sentence names the model's type.
        """


class Engine(NamedTuple):
    """An engine by its name, with its settings class and its arithmetic.

    What else it says stands in files of its `folder`, which are imported where they are needed.
    """

    name: str

    version: str
    """The release of the code that was read."""

    source: str
    """The file of that code in which the cache is laid out."""

    settings: type[Settings]

    kinds: tuple[str, ...]
    """The kinds of layers that it runs."""

    dtypes: tuple[str, ...]
    """All that `kv_cache_dtype` may name; if there are none, none is refused."""

    cost: Callable[[Model, Any], Cost]

    folder: str
    """The package that defines it."""

    pool: "Callable[[Model, Any, int | tuple[int, ...], int], Pool] | None" = None
    """Cuts up a memory: from the model, the settings, bytes on each rank and the tokens of one
    sequence to a pool."""

    levers: Mapping[str, tuple[Any, ...]] = MappingProxyType({})
    """Settings that change how much is held, not what, each with values worth trying."""

    note: str = ""
    """A sentence that people need beside its figures."""

    @property
    def memory(self) -> "Memory | None":
        """Its rule for a GPU's memory, without which `fit` refuses it."""
        found: Memory | None = part(self.folder, "memory")
        return found

    @property
    def weights(self) -> "Weigh | None":
        """What it loads on each rank; without it a rank has an even share of the weights."""
        found: Weigh | None = part(self.folder, "weights")
        return found

    @property
    def traffic(self) -> "tuple[Sum, ...] | None":
        """The sums over a trace's requests, without which `trace` refuses it."""
        found: tuple[Sum, ...] | None = part(self.folder, "traffic")
        return found

    @property
    def replay(self) -> "Replay | None":
        """Its prefix cache over a trace, without which `replay` refuses it."""
        found: Replay | None = part(self.folder, "replay")
        return found

    @property
    def server(self) -> "Server | None":
        """The command line that starts it, read and written."""
        found: Server | None = part(self.folder, "server")
        return found

    @property
    def lines(self) -> "Mapping[str, Server]":
        """The command lines of other programs that run it, which are read."""
        return part(self.folder, "lines") or {}

    def on_card(self, card: "Card", settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings on a card: what the engine takes by a known GPU follows it, unless given."""
        from kvcalc.catalogue.gpus import names

        follow = "gpu" in self.settings.model_fields and card.name in names()
        return {"gpu": card.name, **settings} if follow else dict(settings)


def names(text: str) -> frozenset[str]:
    """Take the names of a table's text, which spaces part."""
    return frozenset(text.split())


def heads_per_rank(kv_heads: int, tensor_parallel_size: int) -> int:
    """KV heads of a layer on one rank; where ranks outnumber heads, each holds a copy of one.

    Raises:
        UnsupportedError: the heads can be neither divided evenly nor copied evenly.
    """
    if kv_heads % tensor_parallel_size and tensor_parallel_size % kv_heads:
        raise UnsupportedError.of(
            "tensor_parallel_size",
            f"found {tensor_parallel_size}, expected a divisor or a multiple of the "
            f"{kv_heads} KV heads",
        )
    return max(1, kv_heads // tensor_parallel_size)


def share_per_rank(elements: int, tensor_parallel_size: int) -> int:
    """Elements of a state on one rank.

    Raises:
        UnsupportedError: the ranks cannot share them evenly.
    """
    if elements % tensor_parallel_size:
        raise UnsupportedError.of(
            "tensor_parallel_size",
            f"found {tensor_parallel_size}, expected a divisor of the {elements} elements "
            "of a layer's state",
        )
    return elements // tensor_parallel_size

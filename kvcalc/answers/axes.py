"""What is compared in one table: models, engines, element types and ranks, one or several each."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from kvcalc import engines
from kvcalc.answers.own_settings import own_settings, refuse_unknown
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.errors import RequestError
from kvcalc.model import Model

AXES = ("kv_cache_dtype", "tensor_parallel_size")
"""Settings of which several values are asked about at once; lists of others are one value."""


class RefusedWarning(UserWarning):
    """One of several combinations has no answer; the text says which, and why."""


class Combination(NamedTuple):
    """A model on an engine with its settings."""

    model: Model
    engine: str
    settings: Mapping[str, Any]

    def __str__(self) -> str:
        """Name the parts that distinguish it."""
        said = [f"{name} {self.settings[name]}" for name in AXES if name in self.settings]
        return ", ".join([f"{self.model.name} on {self.engine}", *said])


def combinations(
    model: Model | Iterable[Model],
    engine: str | Iterable[str],
    settings: Settings | None,
    given: Mapping[str, Any],
    *,
    share: bool = False,
) -> list[Combination]:
    """Combine all models, engines, element types and ranks, in this order.

    Of several engines each takes the settings that it has; with `share`, that of a GPU's memory
    too.

    Raises:
        RequestError: something else than a model, an unknown engine, a setting that no engine has,
            or an empty list.
    """
    models = [model] if isinstance(model, Model) else several(model, "model")
    for one in models:
        request.require_model(one)
    names = [engines.full_name(name) for name in several(engine, "engine")]
    asked = request.named(settings, given)
    if len(names) > 1:
        refuse_unknown(asked, names, share=share)
    return [
        Combination(
            one, name, own_settings(name, chosen, share=share) if len(names) > 1 else chosen
        )
        for one, name in product(models, names)
        for chosen in _chosen(asked)
    ]


def several(value: Any, name: str) -> list[Any]:
    """Take one value or several as a list without repeats.

    Raises:
        RequestError: the list is empty.
    """
    many = isinstance(value, Iterable) and not isinstance(value, str | bytes)
    found = list(dict.fromkeys(value if many else [value]))
    if not found:
        raise RequestError.about(name, "found an empty list", found=[], expected="at least one")
    return found


def _chosen(asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Go through the values of each axis."""
    axes = {name: several(asked[name], name) for name in AXES if name in asked}
    for values in product(*axes.values()):
        yield {**asked, **dict(zip(axes, values, strict=True))}

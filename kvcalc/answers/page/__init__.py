"""What a page that answers by itself holds: each model on each engine, as formulas."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kvcalc import engines
from kvcalc.answers.axes import AXES, several
from kvcalc.answers.listed import Listed, named
from kvcalc.answers.own_settings import own_settings, refuse_unknown
from kvcalc.answers.page.combinations import PagedCombination, combination
from kvcalc.errors import RequestError
from kvcalc.readers.reading import Reading

USUAL_DTYPES = ("fp8", "int8", "int4", "q8_0", "q4_0")
"""Element types that engines store instead of the models' own."""

USUAL_RANKS = (1, 2, 4, 8)

LEAST = "ideal"
"""The engine of every page, with which the others are compared."""

MAX_COMBINATIONS = 50_000


@dataclass(frozen=True)
class PagedEngine:
    """An engine of a page: its name, its release, and the file that was read.

    `settings` are those that it has beside the axes of the page.
    """

    name: str
    version: str
    source: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class PagePlan:
    """What a page is made from; it starts with `context`, `sequences` and `window`.

    A context or a window of None is the model's own, an element type of None the engine's default
    for it. On `gpu` the engines' defaults are taken.
    """

    models: tuple[Listed, ...]
    engines: tuple[PagedEngine, ...]
    dtypes: tuple[str | None, ...]
    ranks: tuple[int, ...]
    combinations: tuple[PagedCombination, ...]
    context: int | None
    sequences: int
    window: int | None
    gpu: str | None
    command: str
    version: str


def plan(
    readings: Sequence[tuple[str, Reading]],
    *,
    engine: Iterable[str] = (),
    context: int | None = None,
    sequences: int = 1,
    window: int | None = None,
    command: str,
    version: str,
    **given: Any,
) -> PagePlan:
    """Plan a page of models, each with the text that named it.

    It starts with the first of each list; the engine `ideal` and the models' own element types are
    always there, and these it starts with unless one alone is asked for. Settings are given as to
    `kvcalc.compare`, several of an axis as to `sweep`.

    Raises:
        RequestError: an engine, a GPU or a setting is not known, an amount is less than 1, no model
            has the window, or there are too many combinations.
        KvcalcError: none of the engines accepts a model.
    """
    names = tuple(dict.fromkeys(map(engines.full_name, engine))) or tuple(engines.ENGINES)
    refuse_unknown(given, names)
    gpu = _gpu(given.get("gpu"))
    if gpu is not None:
        given["gpu"] = gpu
    for name, amount in (("context", context), ("sequences", sequences), ("window", window)):
        if amount is not None and amount < 1:
            raise RequestError.of(name, amount, "at least 1")
    held = names if LEAST in names else (*names, LEAST)
    on = {name: _beside_axes(name, given) for name in held}
    dtypes, ranks = _dtypes(given.get("kv_cache_dtype")), _ranks(given.get("tensor_parallel_size"))
    listed = named(readings)
    if window is not None:
        sliding = [one.model for one in listed if one.model.sliding_windows]
        (sliding or [listed[0].model])[0].with_window(window)
    _refuse_many(len(listed) * len(held) * len(dtypes) * len(ranks))
    combinations = tuple(
        combination(one, name, dtype, size, on[name])
        for one in listed
        for name in held
        for dtype in dtypes
        for size in ranks
    )
    asked = [one for one in combinations if one.engine in names]
    first = asked[0]
    if first.own.error is not None and all(one.own.cost is None for one in asked):
        raise first.own.error.within(f"{first.listed.name} on {first.engine}")
    return PagePlan(
        models=listed,
        engines=tuple(_engine(name, on[name]) for name in held),
        dtypes=dtypes,
        ranks=ranks,
        combinations=combinations,
        context=context,
        sequences=sequences,
        window=window,
        gpu=gpu,
        command=command,
        version=version,
    )


def _gpu(name: Any) -> str | None:
    """The name of the GPU that is asked for, as the catalogue has it."""
    if name is None:
        return None
    from kvcalc.catalogue.gpus import find

    return find(name).name


def _dtypes(given: Any) -> tuple[str | None, ...]:
    """The element types: the models' own, then those that are asked for; one alone comes first."""
    if isinstance(given, str):
        return given, None
    asked = USUAL_DTYPES if given is None else map(str, several(given, "kv_cache_dtype"))
    return tuple(dict.fromkeys((None, *asked)))


def _ranks(given: Any) -> tuple[int, ...]:
    if given is None:
        return USUAL_RANKS
    return tuple(dict.fromkeys(map(_rank, several(given, "tensor_parallel_size"))))


def _rank(size: Any) -> int:
    """A number of ranks, or its text.

    Raises:
        RequestError: it is no positive whole number.
    """
    text = str(size)
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 8 and int(text)):
        raise RequestError.of("tensor_parallel_size", size, "a whole number of at least 1")
    return int(text)


def _beside_axes(engine: str, given: Mapping[str, Any]) -> dict[str, Any]:
    own = own_settings(engine, given)
    return {name: value for name, value in own.items() if name not in AXES}


def _engine(name: str, settings: Mapping[str, Any]) -> PagedEngine:
    from kvcalc.engines.request import release_of

    return PagedEngine(name, release_of(name, settings)[1], engines.find(name).source, settings)


def _refuse_many(count: int) -> None:
    if count > MAX_COMBINATIONS:
        raise RequestError.about(
            "page",
            f"found {count:,} combinations of model, engine, element type and GPUs",
            found=count,
            expected=f"at most {MAX_COMBINATIONS:,}",
        )

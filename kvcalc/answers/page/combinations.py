"""A model on an engine as a page holds it: its cost, with whatever window, or why it has none."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from kvcalc.answers.listed import Listed
from kvcalc.costs import Cost
from kvcalc.engines import request
from kvcalc.errors import KvcalcError
from kvcalc.model import Model

LEAST_WINDOWS = (1, 2)
"""The windows that are tried, whether an engine takes them; it takes all above."""


@dataclass(frozen=True)
class PagedCost:
    """What an engine needs for a model, or the error that says why there is no answer.

    `full` is the same with every layer full, None where that is no other or is refused.
    `refused_window` is the sentence for a window below `least_window`; where that is None, for any
    window but the model's own. `sliding` are the places of the groups whose window is the one that
    is asked for; that of others is a number of the engine's.
    """

    cost: Cost | None = None
    full: Cost | None = None
    error: KvcalcError | None = None
    least_window: int | None = 1
    refused_window: str = ""
    sliding: tuple[int, ...] = ()


@dataclass(frozen=True)
class PagedCombination:
    """A model on an engine with an element type (None: the engine's default) and ranks.

    `one_window` is the answer with one window for all sliding layers, of a model with several.
    """

    listed: Listed
    engine: str
    kv_cache_dtype: str | None
    tensor_parallel_size: int
    own: PagedCost
    one_window: PagedCost | None


def combination(
    one: Listed, engine: str, dtype: str | None, ranks: int, settings: Mapping[str, Any]
) -> PagedCombination:
    """Work out a combination, with an engine's settings beside its element type and ranks."""
    asked = {**settings, "tensor_parallel_size": ranks}
    if dtype is not None:
        asked["kv_cache_dtype"] = dtype
    windows = one.model.sliding_windows
    several = _windowed(one.model, windows[0]) if len(windows) > 1 else None
    return PagedCombination(
        one,
        engine,
        dtype,
        ranks,
        _paged(one.model, engine, asked),
        None if several is None else _paged(several, engine, asked),
    )


def _paged(model: Model, engine: str, asked: Mapping[str, Any]) -> PagedCost:
    cost = _cost(model, engine, asked)
    if isinstance(cost, KvcalcError):
        return PagedCost(error=cost)
    full = _full(model)
    found = None if full == model else _cost(full, engine, asked)
    own = PagedCost(cost, found if isinstance(found, Cost) else None)
    return own if model.window is None else _of_windows(own, cost, engine, asked)


def _of_windows(own: PagedCost, cost: Cost, engine: str, asked: Mapping[str, Any]) -> PagedCost:
    """Say which windows an engine takes, whose formula is that of the model's own window."""
    try:
        cost.formula(1, window=cost.model.window)
    except KvcalcError as error:
        return replace(own, least_window=None, refused_window=str(error))
    sentence = ""
    for least in LEAST_WINDOWS:
        found = _cost(_windowed(cost.model, least), engine, asked)
        if isinstance(found, Cost):
            windows = (cost.model.window, least)
            pairs = enumerate(zip(cost.groups, found.groups, strict=True))
            sliding = (at for at, pair in pairs if tuple(one.window for one in pair) == windows)
            return replace(own, least_window=least, refused_window=sentence, sliding=(*sliding,))
        sentence = str(found)
    return replace(own, least_window=None, refused_window=sentence)


def _cost(model: Model, engine: str, asked: Mapping[str, Any]) -> Cost | KvcalcError:
    """A cost, or the error that says why there is none."""
    try:
        return request.cost(model, engine, **asked)
    except KvcalcError as error:
        return error.with_traceback(None)  # thousands are kept, and a traceback keeps its frames


@cache
def _windowed(model: Model, window: int) -> Model:
    return model.with_window(window)


@cache
def _full(model: Model) -> Model:
    return model.with_full_attention()

"""Bytes against context: a curve for whatever varies, and where each meets the memory it has."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kvcalc.answers import varying
from kvcalc.answers.axes import Combination, RefusedWarning, combinations
from kvcalc.answers.plotted import Curve, Plot
from kvcalc.answers.sweep import listed
from kvcalc.charts.line_chart import EXACT, MOST_LINES
from kvcalc.charts.sampling import FIRST, POINTS, spaced
from kvcalc.costs import Cost
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.errors import KvcalcError, RequestError
from kvcalc.model import Model
from kvcalc.readers.weights import Weights
from kvcalc.warned import warn

if TYPE_CHECKING:
    from kvcalc.engines.memory import Card

MOST_POINTS = 2_000
"""Points of a curve: more than a screen has columns."""


def plot(
    model: Model | Iterable[Model],
    *,
    context: Iterable[int] | int | None = None,
    window: Iterable[int] | int | None = None,
    sequences: Iterable[int] | int = 1,
    engine: Iterable[str] | str = "ideal",
    gpu: str | None = None,
    gpus: int | None = None,
    weights: Weights | int | None = None,
    reserve: int | None = None,
    linear: bool = False,
    points: int = POINTS,
    settings: Settings | None = None,
    **given: Any,
) -> Plot:
    """Draw bytes against context: one curve for each model, engine, window or setting asked for.

    The axis goes from the smallest to the largest `context`, or from 1K to a single one, which by
    default is each model's maximum; of so many `points`, with those contexts among them. Both axes
    are logarithmic unless `linear`. With a `gpu`, each curve has the budget that so many `gpus`
    (1 by default) leave its cache, as `kvcalc.fit` promises it beside `weights` and `reserve`.
    Several models, engines, windows, sequences and settings are given as to `kvcalc.sweep`.

    Raises:
        KvcalcError: as `kvcalc.sweep`; with a GPU as `kvcalc.fit`.
    """
    if type(points) is not int or not 2 <= points <= MOST_POINTS:
        raise RequestError.of("points", points, f"2 to {MOST_POINTS:,}")
    counts = listed(sequences, "sequences")
    windows = None if window is None else listed(window, "window")
    ends = _ends(context)
    on = _Card.of(gpu, gpus, weights, reserve)
    asked: list[_Asked] = []
    refused: list[tuple[Combination, KvcalcError]] = []
    for one in combinations(model, engine, settings, given, share=on is not None):
        try:
            asked += _asked(one, windows, counts, ends, on)
        except KvcalcError as error:
            refused.append((one, error))
    if not asked:
        raise refused[0][1]
    for which, why in refused:
        warn(f"{which}: {why}", RefusedWarning)
    if len(asked) > MOST_LINES:
        curves = len(asked)
        raise RequestError.about(
            "plot", f"found {curves} curves", found=curves, expected=f"up to {MOST_LINES}"
        )
    return _drawn(asked, ends, on, linear, points)


class _Asked(NamedTuple):
    """A curve before its points: a cost, of so many sequences, and up to where it goes."""

    cost: Cost
    sequences: int
    longest: int
    copies: int = 1
    budget: int | None = None
    ends: int | None = None

    def curve(self, **drawn: Any) -> Curve:
        """Make the curve, of its labels, contexts and bytes."""
        cost = self.cost
        return Curve(
            model=cost.model.name,
            engine=cost.engine,
            engine_version=cost.engine_version,
            window=cost.model.window,
            kv_cache_dtype=cost.kv_cache_dtype,
            sequences=self.sequences,
            settings=cost.settings,
            copies=self.copies,
            budget=self.budget,
            ends=self.ends,
            **drawn,
        )


class _Card(NamedTuple):
    """So many GPUs of a kind, and what takes their memory beside the cache."""

    card: "Card"
    gpus: int
    weights: Weights | int | None
    reserve: int | None

    @classmethod
    def of(
        cls, gpu: str | None, gpus: int | None, weights: Weights | int | None, reserve: int | None
    ) -> "_Card | None":
        """Find the GPU; None without one.

        Raises:
            RequestError: it is not known, or something of it is given without one.
        """
        if gpu is None:
            beside = {"gpus": gpus, "weights": weights, "reserve": reserve}
            alone = next((name for name, value in beside.items() if value is not None), None)
            if alone is not None:
                raise RequestError.about(alone, "found without a gpu")
            return None
        from kvcalc.answers.fit.card import card

        count = 1 if gpus is None else gpus
        if type(count) is not int or count < 1:
            raise RequestError.of("gpus", gpus, "at least 1")
        return cls(card(gpu), count, weights, reserve)


def _ends(context: Iterable[int] | int | None) -> tuple[int, ...]:
    """The contexts that are asked for, from the smallest on; none where models say their own."""
    found = () if context is None else listed(context, "context")
    for tokens in found:
        if type(tokens) is not int or not 1 <= tokens < EXACT:
            raise RequestError.of("context", tokens, "a positive int below 2^53")
    return tuple(sorted(found))


def _asked(
    one: Combination,
    windows: Sequence[int] | None,
    counts: Sequence[int],
    ends: Sequence[int],
    on: _Card | None,
) -> list[_Asked]:
    """The curves of one model on one engine, without their points."""
    model, engine, given = one
    longest = ends[-1] if ends else model.longest_context
    models = [
        model.with_window(tokens) for tokens in (model.windows if windows is None else windows)
    ]
    return [
        _Asked(request.cost(windowed, engine, **given), count, longest)
        if on is None
        else _placed(windowed, engine, given, count, longest, on)
        for windowed in models or [model]
        for count in counts
    ]


def _placed(
    model: Model, engine: str, given: Mapping[str, Any], sequences: int, longest: int, on: _Card
) -> _Asked:
    """One curve on GPUs, with what their memory leaves its cache."""
    from kvcalc.answers.fit import warn_untested
    from kvcalc.answers.fit.placing import Placing
    from kvcalc.answers.fit.question import question

    asked = question(
        model, on=on.card, engine=engine, weights=on.weights, reserve=on.reserve, **given
    )
    promised = Placing(asked).on(on.gpus).promised
    warn_untested(promised)
    copies = on.gpus // promised.ranks
    budget = max(0, promised.budget.cache if asked.memory.several_pools else promised.cache)
    ends = promised.longest_context(-(-sequences // copies), longest)
    return _Asked(promised.cost, sequences, longest, copies, budget, ends)


def _drawn(
    asked: Sequence[_Asked], ends: Sequence[int], on: _Card | None, linear: bool, points: int
) -> Plot:
    """Name the curves by what varies, and work out their points."""
    bare = [one.curve(labels=(), contexts=(), bytes=()) for one in asked]
    names = varying.distinguishing(bare)
    also = {*ends, *(one.window for one in bare if one.window), *(one.ends or 0 for one in bare)}
    on_one = on is not None or "ranks" in names
    curves = []
    for one, plain in zip(asked, bare, strict=True):
        low = ends[0] if len(ends) > 1 else min(FIRST, one.longest)
        contexts = spaced(low, one.longest, points=points, linear=linear, also=also)
        bytes_of = one.cost.per_gpu if on_one else one.cost.formula
        share = -(-one.sequences // one.copies)
        sizes = tuple(bytes_of(tokens, sequences=share) for tokens in contexts)
        curves.append(
            one.curve(labels=varying.labels(plain, names), contexts=contexts, bytes=sizes)
        )
    return Plot(
        title=varying.title(bare, names),
        measure="KV cache on the fullest GPU" if on_one else "KV cache",
        gpu=None if on is None else on.card.name,
        gpus=None if on is None else on.gpus,
        linear=linear,
        curves=tuple(curves),
        saved=varying.saved(curves),
    )

"""Cache memory across contexts and windows, beside that of full attention."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kvcalc.answers.axes import Combination, RefusedWarning, combinations, several
from kvcalc.answers.estimate import Estimate, answer
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.errors import KvcalcError, UnsupportedError
from kvcalc.formula.amounts import element, single
from kvcalc.model import Model
from kvcalc.records import Records
from kvcalc.warned import warn

if TYPE_CHECKING:
    from kvcalc.charts.chart import Chart

USUAL_CONTEXTS = (8_192, 32_768, 131_072, 262_144)


class SweepRow(Estimate):
    """An estimate, and the `full_attention_bytes` needed if all layers saw all tokens.

    They are None where the engine cannot run such a model, as a `RefusedWarning` says.
    """

    full_attention_bytes: int | None

    @staticmethod
    def _drawn(rows: "Sequence[SweepRow]") -> "Chart":
        """Draw the rows of a sweep: a curve for whatever varies beside the context."""
        from kvcalc.answers import varying
        from kvcalc.charts.line_chart import chart
        from kvcalc.charts.lines import Line, Lines

        names = varying.distinguishing(rows)
        curves: dict[tuple[str, ...], list[SweepRow]] = {}
        for row in sorted(rows, key=lambda row: row.context):
            curves.setdefault(varying.labels(row, names), []).append(row)
        ranks = "ranks" in names
        lines = [
            Line(
                labels,
                [row.context for row in own],
                [row.bytes_per_gpu if ranks else row.bytes for row in own],
            )
            for labels, own in curves.items()
        ]
        saved = varying.saved([own[0] for own in curves.values()])
        measure = "KV cache on the fullest GPU" if ranks else "KV cache"
        return chart(Lines(varying.title(rows, names), lines, saved, measure=measure))


def sweep(
    model: Model | Iterable[Model],
    *,
    context: Iterable[int] | int | None = None,
    window: Iterable[int] | int | None = None,
    sequences: Iterable[int] | int = 1,
    engine: Iterable[str] | str = "ideal",
    settings: Settings | None = None,
    **given: Any,
) -> Records[SweepRow]:
    """Answer every context with every window, in tokens: one row per pair, contexts outermost.

    By default contexts are the model's own, else 8K, 32K, 128K and 256K up to its maximum, and
    windows are the model's own. Settings are given as to `kvcalc.cost`. Models, engines,
    sequences, `kv_cache_dtype` and `tensor_parallel_size` may be several, too: what one of them
    refuses is left out, with a `RefusedWarning`.

    Raises:
        KvcalcError: as `kvcalc.cost`; or a window for a model without sliding layers; of several,
            where none has an answer.
    """
    combined = combinations(model, engine, settings, given)
    rows: list[SweepRow] = []
    refused: list[tuple[Combination, KvcalcError]] = []
    for one in combined:
        try:
            rows += _rows(one, context, window, listed(sequences, "sequences"))
        except KvcalcError as error:
            refused.append((one, error))
    if not rows:
        raise refused[0][1]
    for one, why in refused:
        warn(f"{one}: {why}", RefusedWarning)
    return Records(rows)


def _rows(
    one: Combination,
    context: Iterable[int] | int | None,
    window: Iterable[int] | int | None,
    sequences: Iterable[int],
) -> list[SweepRow]:
    """The rows of one model on one engine."""
    model, engine, given = one
    contexts = _contexts(model) if context is None else listed(context, "context")
    windows = model.windows if window is None else listed(window, "window")
    models = [model.with_window(tokens) for tokens in windows] or [model]
    costs = [request.cost(windowed, engine, **given) for windowed in models]
    try:
        full = request.cost(model.with_full_attention(), engine, **given)
    except UnsupportedError as error:  # the model's own layers have an answer, and only they exist
        warn(f"{one}, with all layers full: {error}", RefusedWarning)
        full = None
    return [
        SweepRow(
            **answer(cost, tokens, at_once),
            full_attention_bytes=None if full is None else full(tokens, sequences=at_once),
        )
        for tokens in contexts
        for at_once in sequences
        for cost in costs
    ]


def listed(amounts: Iterable[int] | int, name: str) -> tuple[int, ...]:
    """Take one amount or several as a tuple without repeats."""
    found = map(element, amounts) if isinstance(amounts, Iterable) else [single(amounts)]
    return tuple(several(found, name))


def _contexts(model: Model) -> tuple[int, ...]:
    if model.contexts:
        return model.contexts
    longest = model.longest_context
    return tuple(tokens for tokens in USUAL_CONTEXTS if tokens <= longest) or (longest,)

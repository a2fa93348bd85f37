"""Cache memory across contexts and windows, beside that of full attention."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kvcalc.answers.estimate import Estimate, answer
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.errors import RequestError
from kvcalc.formula.amounts import element, single
from kvcalc.model import Model
from kvcalc.records import Records

USUAL_CONTEXTS = (8_192, 32_768, 131_072, 262_144)


@dataclass(frozen=True)
class SweepRow(Estimate):
    """An estimate, and the `full_attention_bytes` needed if all layers saw all tokens."""

    full_attention_bytes: int


def sweep(
    model: Model,
    *,
    context: Iterable[int] | int | None = None,
    window: Iterable[int] | int | None = None,
    sequences: int = 1,
    engine: str = "ideal",
    settings: Settings | None = None,
    **given: Any,
) -> Records[SweepRow]:
    """Answer every context with every window, in tokens: one row per pair, contexts outermost.

    By default contexts are the model's own, else 8K, 32K, 128K and 256K up to its maximum, and
    windows are the model's own. Settings are given as to `kvcalc.cost`.

    Raises:
        KvcalcError: as `kvcalc.cost`; or a window for a model without sliding layers.
    """
    request.require_model(model)
    contexts = _contexts(model) if context is None else _listed(context, "context")
    windows = model.windows if window is None else _listed(window, "window")
    models = [model.with_window(tokens) for tokens in windows] or [model]
    costs = [request.cost(one, engine, settings=settings, **given) for one in models]
    full = request.cost(model.with_full_attention(), engine, settings=settings, **given)
    return Records(
        SweepRow(
            **answer(cost, tokens, sequences),
            full_attention_bytes=full(tokens, sequences=sequences),
        )
        for tokens in contexts
        for cost in costs
    )


def _listed(amounts: Iterable[int] | int, name: str) -> tuple[int, ...]:
    """Take one amount or several as a tuple without repeats."""
    several = map(element, amounts) if isinstance(amounts, Iterable) else [single(amounts)]
    listed = tuple(dict.fromkeys(several))
    if not listed:
        raise RequestError.about(name, "found an empty list, expected at least one")
    return listed


def _contexts(model: Model) -> tuple[int, ...]:
    if model.contexts:
        return model.contexts
    longest = model.longest_context
    return tuple(tokens for tokens in USUAL_CONTEXTS if tokens <= longest) or (longest,)

"""What MLX-LM's caches hold at the end of a context, and at the peak while its prompt is read."""

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce

from kvcalc.costs import CONTEXT, SEQUENCES, Cost, Step, formula
from kvcalc.dtypes import dtype
from kvcalc.engines.additive import additive_cost
from kvcalc.engines.mlx import models
from kvcalc.engines.mlx.layer_rules import LayerRules
from kvcalc.engines.mlx.prefill import AfterSingles, AfterSteps, CallEnd, after_prompt, even
from kvcalc.engines.mlx.settings import MlxSettings
from kvcalc.formula.expression import Value, maximum, minimum, substituted
from kvcalc.formula.formula import Formula
from kvcalc.model import Model


def cost(model: Model, settings: MlxSettings) -> Cost:
    """Work out what MLX-LM's caches hold at the end of a context, and at their peak.

    Raises:
        UnsupportedError: Macs that cannot share it, a type or kind without a cache, or `kv_bits` on
            layers where the engine stops.
    """
    element = dtype(settings.kv_cache_dtype or model.dtype)
    models.require(model)
    models.require_shared(model, settings.tensor_parallel_size)

    def at(moment: CallEnd, passed: Value, why: str = "") -> Cost:
        kinds = LayerRules(model, element, settings, moment, passed).kinds()
        return additive_cost("mlx", model, settings, element.name, kinds, why)

    last, *others = _moments(model, settings)
    cost = at(last, last.end, _why(model, settings))
    if not _can_exceed_its_end(model, settings):
        return cost
    costs = [cost, *(at(moment, moment.start) for moment in (last, *others))]
    peak = _most(one.per_request for one in costs)
    working = (
        f"the most that a call leaves, the prompt read in steps of {settings.prefill_step_size:,}"
    )
    return replace(
        cost,
        peak_formula=formula(model, peak),
        peak_per_gpu_formula=formula(model, _most(one.per_gpu for one in costs)),
        steps=(Step("at the peak", working, peak, "bytes"),),
    )


def _most(formulas: Iterable[Formula]) -> Value:
    """The most of what one sequence takes by any of these formulas, times the sequences."""
    of_one = (substituted(one.expression, {SEQUENCES.name: 1}) for one in formulas)
    return reduce(maximum, of_one) * SEQUENCES


def _moments(model: Model, settings: MlxSettings) -> list[CallEnd]:
    """The end of the context, then other ends of calls among which is the peak.

    Between two of them what is held only grows.
    """
    step, generated = settings.prefill_step_size, settings.generated_tokens
    rest = after_prompt(step, singles=generated + 1)
    steps = rest.steps
    others: list[CallEnd] = [steps, rest]
    if settings.kv_bits is not None:
        # The last call of either kind that finds the caches not packed yet.
        start = max(1, settings.quantized_kv_start)
        first = maximum(CONTEXT - generated, 1)
        others.append(AfterSteps(steps.step, minimum(steps.calls, -(-start // step))))
        others.append(AfterSingles(rest, maximum(first, minimum(CONTEXT, start))))
    if not even(step):
        # The last call before a chunk is dropped may have left more room than any after it.
        others += [
            AfterSteps(steps.step, minimum(steps.calls, chunk // step + 1))
            for chunk in models.chunks(model)
        ]
    return [AfterSingles(rest, CONTEXT), *others]


def _can_exceed_its_end(model: Model, settings: MlxSettings) -> bool:
    slides = models.rotates(model) and bool(model.sliding_windows)
    bounded = settings.max_kv_size is not None and models.bounded(model)
    return slides or bounded or bool(models.chunks(model)) or settings.kv_bits is not None


def _why(model: Model, settings: MlxSettings) -> str:
    more = settings.prefill_step_size - 1
    if settings.max_kv_size is not None:
        if models.bounded(model):
            return (
                f"max_kv_size keeps {settings.max_kv_size:,} tokens, and while the prompt is read "
                f"up to {more:,} on top (the peak)"
            )
        return "its class makes its own caches, which max_kv_size leaves as they are"
    if model.sliding_windows and not models.rotates(model):
        return "its class ignores the window: every layer keeps all tokens"
    if model.sliding_windows:
        return f"while the prompt is read, up to {more:,} tokens on top of the window (the peak)"
    if models.chunks(model):
        return f"while the prompt is read, up to {more + 1:,} tokens on top of the chunk (the peak)"
    if settings.kv_bits is not None:
        return f"packed only from {settings.quantized_kv_start:,} tokens on"
    return "room for a multiple of 256 tokens"

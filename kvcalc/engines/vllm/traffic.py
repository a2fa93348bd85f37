"""What a trace's requests hold on vLLM: what it plans by, and what is held while they decode."""

from dataclasses import replace

from kvcalc.costs import Cost, Split
from kvcalc.engines.traffic import FAR, Sum
from kvcalc.engines.vllm.cost import cost
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.formula.formula import Formula
from kvcalc.model import Model


def held(model: Model, settings: VllmSettings) -> Cost:
    """What decoding requests hold: a token of each in flight, and one step's tokens once in all.

    Not measured: vLLM's own figures are those it plans by.
    """
    alone = settings.model_copy(update={"async_scheduling": False})
    step = cost(model, alone)
    one = cost(model, alone.model_copy(update={"max_num_batched_tokens": 1}))

    def with_a_step(own: Formula, of_step: Formula) -> Formula:
        return Formula(own.expression + (of_step(FAR) - own(FAR)), own.variables)

    batch = step.per_request(FAR) - one.per_request(FAR)
    return replace(
        one,
        formula=with_a_step(one.formula, step.formula),
        per_gpu=with_a_step(one.per_gpu, step.per_gpu),
        split=Split(one.per_request, one.fixed + batch),
    )


TRAFFIC = (Sum("planned"), Sum("held (not measured)", cost=held))

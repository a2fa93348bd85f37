"""What is summed over the requests that live at once: one rule for what an engine's cost is.

A cost that is fixed + sequences * per request is a sum over a trace; one that is not is a pool,
which is sized for the longest request and the most sequences at once.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from kvcalc.costs import Cost
from kvcalc.engines import request
from kvcalc.errors import KvcalcError
from kvcalc.formula.formula import Formula
from kvcalc.model import Model

FAR = 2**30
"""A context past every window and batch, where what a request adds grows by the token alone."""
STEP = 2**20


class Rule(NamedTuple):
    """What each request adds, by its tokens or its prompt's, and what is there once.

    `request` is None for a pool: then `cost` is asked for the longest request and the most
    sequences.
    """

    name: str
    cost: Cost
    request: Formula | None
    fixed: int = 0
    of: str = "tokens"

    @property
    def bytes_of_a_token(self) -> int:
        """What one more token of a long request adds, in bytes.

        Raises:
            KvcalcError: it is not the same for each, so that blocks of prompts cannot be shared.
        """
        assert self.request is not None
        grown = self.request(FAR + STEP) - self.request(FAR)
        if grown % STEP:
            raise KvcalcError(
                f"prefix: on {self.cost.engine} a token of a long request is no whole number of "
                "bytes"
            )
        return int(grown // STEP)


def rules(model: Model, engine: str, settings: dict[str, Any]) -> Iterator[Rule]:
    """Give the rules by which an engine's cache is summed over a trace.

    Raises:
        KvcalcError: as `kvcalc.cost`.
    """
    cost = request.cost(model, engine, **settings)
    if isinstance(cost.split, str):
        yield Rule("pool for the longest request and the most sequences", cost, None)
        return
    if engine == "vllm":
        yield Rule("planned", cost, cost.per_request, cost.fixed)
        yield _held(model, settings)
        return
    yield Rule("full length", cost, cost.per_request, cost.fixed)
    yield Rule("prompt alone", cost, cost.per_request, cost.fixed, "prompt")


def _held(model: Model, settings: dict[str, Any]) -> Rule:
    """What decoding requests hold: a token of each in flight, and one step's tokens once in all.

    Not measured: vLLM's own figures are those it plans by.
    """
    alone = {**settings, "async_scheduling": False}
    one = request.cost(model, "vllm", **{**alone, "max_num_batched_tokens": 1})
    step = request.cost(model, "vllm", **alone)
    batch = step.per_request(FAR) - one.per_request(FAR)
    return Rule("held (not measured)", one, one.per_request, one.fixed + batch)

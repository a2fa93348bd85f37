"""Laws of SGLang: what is said to run fits, and more never costs less."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.model import Model
from tests.engines.sglang_models import EXAONE, GIB, SPARSE, STATES, WHAT_IF, cost, pool, typed
from tests.shapes import full

ONE_POOL = [
    EXAONE,
    kvcalc.load("deepseek-v3"),
    typed("deepseek_v32", SPARSE, max_context=4096),
]

MODELS = st.sampled_from(
    [
        *ONE_POOL,
        WHAT_IF,
        kvcalc.load("gpt-oss-20b"),
        kvcalc.load("llama-4-scout"),
        typed("qwen3_next", STATES[0][0], full(), max_context=4096),
    ]
)

CUT = {
    "memory": st.integers(10 * GIB, 400 * GIB),
    "context": st.integers(1, 300_000),
    "groups": st.sampled_from([1, 2]),
    "radix": st.booleans(),
}


def in_groups(groups: int, radix: bool) -> dict[str, Any]:
    return {
        "tensor_parallel_size": 4 * groups,
        "attn_dp_size": groups,
        "disable_radix_cache": not radix,
    }


@given(model=st.sampled_from(ONE_POOL), **CUT)
def test_what_is_said_to_run_fits_and_one_more_does_not(
    model: Model, memory: int, context: int, groups: int, radix: bool
) -> None:
    settings = in_groups(groups, radix)
    cut, held = pool(model, memory, context=context, **settings), cost(model, **settings)
    page = cut.figures["page_size"]
    usable = cut.bytes - held.per_gpu(page)
    assert usable <= memory < cut.bytes + held.per_gpu(page)
    if cut.max_sequences:
        assert held.per_gpu(context, sequences=cut.max_sequences) <= usable
    if cut.max_sequences < groups * cut.figures["max_running_requests"]:
        assert held.per_gpu(context, sequences=cut.max_sequences + 1) > usable


@given(model=MODELS, **CUT)
def test_what_is_said_to_run_fits_in_every_pool(
    model: Model, memory: int, context: int, groups: int, radix: bool
) -> None:
    settings = in_groups(groups, radix)
    cut, held = pool(model, memory, context=context, **settings), cost(model, **settings)
    assert cut.max_sequences <= groups * cut.figures["max_running_requests"]
    if cut.max_sequences:
        assert held.per_gpu(context, sequences=cut.max_sequences) <= cut.bytes


@given(model=MODELS, context=st.integers(1, 300_000), sequences=st.integers(1, 64))
def test_more_context_and_more_sequences_never_cost_less(
    model: Model, context: int, sequences: int
) -> None:
    for settings in ({}, {"tensor_parallel_size": 4, "attn_dp_size": 2, "page_size": 16}):
        held = cost(model, **settings)
        here = held(context, sequences=sequences)
        assert here <= held(context + 1, sequences=sequences)
        assert here <= held(context, sequences=sequences + 1)
        assert here == sum(group.formula(context, sequences=sequences) for group in held.groups)
        assert here <= held.per_gpu(context, sequences=sequences) * (4 if settings else 1)
        assert kvcalc.cost(model)(context, sequences=sequences) <= here

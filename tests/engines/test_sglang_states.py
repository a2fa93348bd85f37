"""The slots of recurrent states on SGLang, worked by hand."""

import pytest

from kvcalc.layers.composed import Combined
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import (
    Convolved,
    KimiDeltaAttention,
    Mamba2,
)
from tests.each import each
from tests.engines.sglang_models import GIB, STATES, cost, pool, typed
from tests.shapes import full


@pytest.mark.parametrize(("layer", "columns", "state"), STATES, ids=lambda one: type(one).__name__)
def test_a_slot_of_state(layer: Layer, columns: int, state: int) -> None:
    slot = 2 * columns + 4 * state
    model = typed(None, layer, full())
    assert cost(model, disable_radix_cache=True)(10) == slot + 10 * 4096
    # Three slots, and two that follow a state while the next step is scheduled.
    assert cost(model)(10) == 5 * slot + 10 * 4096
    assert cost(model, disable_overlap_schedule=True, page_size=2)(10) == 4 * slot + 10 * 4096
    halves = cost(model, disable_radix_cache=True, tensor_parallel_size=2)
    assert halves.per_gpu(10) == slot // 2 + 10 * 2048


@pytest.mark.parametrize("topk", [None, 1, 2, 3])
@pytest.mark.parametrize(("layer", "columns", "state"), STATES, ids=lambda one: type(one).__name__)
def test_a_request_that_drafts_keeps_the_states_of_its_drafts_beside_its_slots(
    layer: Layer, columns: int, state: int, topk: int | None
) -> None:
    """srt/mem_cache/memory_pool.py: each drafted state whole, and columns of a chain overlap.

    Those of several branches, and Kimi's, are stored apart.
    """
    channels = layer.channels if isinstance(layer, Convolved) else 0
    apart = (topk or 1) > 1 or isinstance(layer, KimiDeltaAttention)
    between = 3 * columns if apart or not columns else columns + 2 * channels
    drafted = 2 * between + 3 * 4 * state
    asked = {"speculative_num_draft_tokens": 3, "speculative_eagle_topk": topk}
    held = cost(typed(None, layer, full()), **asked)
    assert held(10, sequences=2) == 2 * (5 * (2 * columns + 4 * state) + drafted + 10 * 4096)


def test_a_mamba_group_is_copied_where_ranks_do_not_divide_groups() -> None:
    layer = Mamba2(kernel=4, heads=8, head_dim=4, groups=1, state=16)
    held = cost(typed("nemotron_h", layer), tensor_parallel_size=4, disable_radix_cache=True)
    assert held.per_gpu(1) == 2 * 3 * (32 + 2 * 4 * 16) // 4 + 4 * 8 * 4 * 16 // 4


def test_attention_beside_a_state_is_both() -> None:
    layer = Combined(parts=(full(), Mamba2(kernel=4, heads=8, head_dim=4, groups=2, state=16)))
    held = cost(typed("falcon_h1", layer), disable_radix_cache=True)
    assert held(10) == 10 * 4096 + 2 * 3 * 96 + 4 * 512


def test_a_model_of_states_alone_has_a_token_for_each_of_its_context() -> None:
    cut = pool(typed("mamba2", STATES[0][0], max_context=4096), memory=2**22)
    assert cut.capacity_tokens == 4096
    assert cut.max_sequences == cut.figures["mamba_slots"] // 3


@each(
    ("slots", "groups", "requests"),
    [(5, 1, 1), (9, 1, 1), (10, 1, 2), (19, 2, 1), (20, 2, 2), (40, 4, 2)],
)
def test_a_request_runs_where_it_has_all_its_slots(slots: int, groups: int, requests: int) -> None:
    """Five slots a request; the groups of the attention share the slots that are asked for."""
    model = typed(None, STATES[0][0], full())
    asked = {"tensor_parallel_size": groups, "attn_dp_size": groups, "max_mamba_cache_size": slots}
    figures = pool(model, GIB, context=8, **asked).figures
    assert figures["max_running_requests"] == requests

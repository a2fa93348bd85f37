"""`ideal`: the least that attention itself needs, and the laws that hold for it."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import kvcalc
from kvcalc.engines import ENGINES
from tests.each import each
from tests.shapes import (
    Model,
    chunked,
    contexts,
    full,
    latent,
    layers,
    model,
    models,
    sliding,
    windowed_models,
)

more = st.integers(0, 10**6)


# design.md, "K-EXAONE, worked": bf16, one sequence.
KEXAONE_TABLE = {
    8_192: (1_006_632_960, 421_527_552, 1_610_612_736),
    32_768: (2_214_592_512, 1_629_487_104, 6_442_450_944),
    131_072: (7_046_430_720, 6_461_325_312, 25_769_803_776),
    262_144: (13_488_881_664, 12_903_776_256, 51_539_607_552),
}


@each("context", KEXAONE_TABLE)
def test_k_exaone_costs_what_the_worked_table_says(context: int) -> None:
    kexaone = kvcalc.load("k-exaone-236b-a23b")
    cost = kvcalc.cost(kexaone, engine="ideal")
    whole = kvcalc.cost(kexaone.with_full_attention(), engine="ideal")
    assert (cost(context, window=4096), cost(context, window=128), whole(context)) == (
        KEXAONE_TABLE[context]
    )


@pytest.mark.parametrize(
    ("layer", "context", "kept"),
    [
        pytest.param(full(), 100_000, 100_000 * 4096, id="full keeps the context"),
        pytest.param(sliding(128), 100_000, 128 * 4096, id="sliding keeps its window"),
        pytest.param(sliding(128), 128, 128 * 4096, id="a window just filled"),
        pytest.param(sliding(128), 100, 100 * 4096, id="a window not yet filled"),
        pytest.param(chunked(8192), 100_000, 8192 * 4096, id="chunked keeps its chunk"),
        pytest.param(chunked(8192), 100, 100 * 4096, id="a chunk not yet filled"),
        pytest.param(latent(), 100_000, 100_000 * 1152, id="latent keeps a row for all heads"),
        pytest.param(full(v_head_dim=64), 10, 10 * 3072, id="a value narrower than its key"),
        pytest.param(full(kv_heads=1), 10, 10 * 512, id="one head for all queries"),
        pytest.param(full(query_heads=64), 10, 10 * 4096, id="query heads keep nothing"),
    ],
)
def test_a_layer_keeps(layer: Any, context: int, kept: int) -> None:
    assert kvcalc.cost(model(layer))(context) == kept


@pytest.mark.parametrize(
    ("kv_cache_dtype", "head_dim", "row"),
    [
        ("float32", 128, 1024),
        ("bf16", 128, 512),
        ("fp8", 128, 256),
        ("fp8_e5m2", 128, 256),
        ("int8", 128, 256),
        ("int4", 128, 128),
        pytest.param("int4", 5, 6, id="int4: each odd row rounds up"),
    ],
)
def test_the_cache_is_of_the_element_type_asked_for(
    kv_cache_dtype: str, head_dim: int, row: int
) -> None:
    one_head = model(full(kv_heads=1, head_dim=head_dim))
    assert kvcalc.cost(one_head, kv_cache_dtype=kv_cache_dtype)(1) == row


def test_the_cache_is_of_the_models_own_element_type_unless_asked_otherwise() -> None:
    cost = kvcalc.cost(model(full(), dtype="fp8"))
    assert cost.kv_cache_dtype == "fp8"
    assert cost(1) == 2048


@pytest.mark.parametrize(
    ("ranks", "per_gpu", "over_all"),
    [
        pytest.param(1, 4096, 4096, id="1: all heads"),
        pytest.param(2, 2048, 4096, id="2: half of them"),
        pytest.param(8, 512, 4096, id="8: one each"),
        pytest.param(16, 512, 8192, id="16: each head twice"),
    ],
)
def test_ranks_share_kv_heads_and_copy_them_where_there_are_too_few(
    ranks: int, per_gpu: int, over_all: int
) -> None:
    cost = kvcalc.cost(model(full()), tensor_parallel_size=ranks)
    assert (cost.per_gpu(1), cost(1)) == (per_gpu, over_all)


def test_every_rank_holds_the_whole_latent_row() -> None:
    cost = kvcalc.cost(model(latent()), tensor_parallel_size=8)
    assert (cost.per_gpu(1), cost(1)) == (1152, 8 * 1152)


def test_kv_heads_that_ranks_can_neither_share_nor_copy_evenly_are_refused() -> None:
    with pytest.raises(kvcalc.KvcalcError, match=r"^tensor_parallel_size: found 3, .* 8 KV heads$"):
        kvcalc.cost(model(full()), tensor_parallel_size=3)


@each(
    ("settings", "sentence"),
    [
        ({"tensor_parallel_size": 0}, r"tensor_parallel_size: found 0, expected "),
        ({"tensor_parallel_size": "two"}, r"tensor_parallel_size: found 'two', expected "),
        ({"kv_cache_dtype": "bf12"}, r"element type 'bf12' is unknown; did you mean bf16"),
        ({"block_size": 16}, r"ideal has no setting 'block_size'; it has kv_cache_dtype, "),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(
    settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=f"^{sentence}"):
        kvcalc.cost(model(full()), **settings)


def test_an_unknown_engine_is_answered_with_those_known() -> None:
    with pytest.raises(kvcalc.KvcalcError, match=r"^engine 'abacus' is unknown; known ") as refused:
        kvcalc.cost(model(full()), engine="abacus")
    assert str(refused.value).partition("known are ")[2].split(", ") == list(ENGINES)


def test_settings_are_told_where_they_differ_from_the_defaults() -> None:
    assert kvcalc.cost(model(full())).settings == {}
    assert kvcalc.cost(model(full()), tensor_parallel_size=1).settings == {}
    assert kvcalc.cost(model(full()), tensor_parallel_size=8).settings == {
        "tensor_parallel_size": 8
    }


def test_groups_are_told_by_kind_count_and_window() -> None:
    hybrid = model(*[sliding(128)] * 3, full(), *[sliding(128)] * 3, full(), latent())
    assert sorted(
        (group.kind, group.layers, group.window) for group in kvcalc.cost(hybrid).groups
    ) == [
        ("full_attention", 2, None),
        ("latent_attention", 1, None),
        ("sliding_attention", 6, 128),
    ]


def test_layers_of_several_shapes_are_each_counted_at_their_own() -> None:
    # 2 heads of 8 + 8 bf16 elements a token are 64 bytes, 4 heads 128, a latent row of 16 is 32.
    small = {"head_dim": 8}
    hybrid = model(
        full(kv_heads=2, **small),
        sliding(10, kv_heads=2, **small),
        sliding(10, kv_heads=4, **small),
        latent(kv_lora_rank=12, qk_rope_head_dim=4),
    )
    assert kvcalc.cost(hybrid)(100) == 100 * 64 + 10 * 64 + 10 * 128 + 100 * 32


def test_a_model_of_many_different_layers_is_answered() -> None:
    windows = range(1, 501)
    many = model(*(sliding(window) for window in windows))
    assert kvcalc.cost(many)(10**6) == sum(windows) * 4096


# The laws of design.md.


@given(models(), contexts, more)
def test_more_context_never_costs_less(drawn: Model, context: int, extra: int) -> None:
    cost = kvcalc.cost(drawn)
    assert cost(context) <= cost(context + extra)


@given(models(), contexts, st.integers(1, 1000), more)
def test_more_sequences_never_cost_less(
    drawn: Model, context: int, sequences: int, extra: int
) -> None:
    cost = kvcalc.cost(drawn)
    assert cost(context, sequences=sequences) <= cost(context, sequences=sequences + extra)


@given(windowed_models(), contexts, st.integers(1, 10**6), more)
def test_more_window_never_costs_less(drawn: Model, context: int, window: int, extra: int) -> None:
    cost = kvcalc.cost(drawn)
    assert cost(context, window=window) <= cost(context, window=window + extra)


@given(models(), layers(st.integers(1, 10**6)), contexts)
def test_more_layers_never_cost_less(drawn: Model, layer: Any, context: int) -> None:
    longer = drawn.model_copy(update={"layers": (*drawn.layers, layer)})
    assert kvcalc.cost(drawn)(context) <= kvcalc.cost(model(*longer.layers, dtype=drawn.dtype))(
        context
    )


@given(windowed_models(), contexts, more)
def test_a_window_at_or_above_the_context_equals_full_attention(
    drawn: Model, context: int, extra: int
) -> None:
    unchunked = model(*(layer for layer in drawn.layers if layer.kind != "chunked_attention"))
    whole = kvcalc.cost(unchunked.with_full_attention())
    assert kvcalc.cost(unchunked)(context, window=context + extra) == whole(context)


@given(models(), contexts)
def test_no_layer_keeps_more_than_full_attention(drawn: Model, context: int) -> None:
    assert kvcalc.cost(drawn)(context) <= kvcalc.cost(drawn.with_full_attention())(context)


@given(models(), contexts, st.integers(1, 1000), st.sampled_from([1, 2, 4, 8]))
def test_the_cost_is_fixed_plus_sequences_times_a_request(
    drawn: Model, context: int, sequences: int, ranks: int
) -> None:
    heads = [getattr(layer, "kv_heads", ranks) for layer in drawn.layers]
    assume(all(count % ranks == 0 or ranks % count == 0 for count in heads))
    cost = kvcalc.cost(drawn, tensor_parallel_size=ranks)
    total = cost(context, sequences=sequences)
    assert total == cost.fixed + sequences * cost.per_request(context)
    assert total == ranks * cost.per_gpu(context, sequences=sequences)
    assert total == sum(group.formula(context, sequences=sequences) for group in cost.groups)


@given(models(), contexts)
def test_the_order_of_layers_does_not_matter(drawn: Model, context: int) -> None:
    reversed_layers = model(*reversed(drawn.layers), dtype=drawn.dtype)
    assert kvcalc.cost(drawn)(context) == kvcalc.cost(reversed_layers)(context)


@pytest.mark.parametrize(
    ("ranks", "working"), [(1, "1 layers x sequences"), (2, "1 layers x 2 ranks x sequences")]
)
def test_a_group_is_worked_out_over_all_ranks(ranks: int, working: str) -> None:
    (group,) = kvcalc.cost(model(full()), tensor_parallel_size=ranks).groups
    assert group.steps[-1].working == working
    assert group.formula(10) == 10 * 4096

"""What holds of vLLM's costs whatever the numbers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.engines.vllm.cost import STRUCTURE
from kvcalc.errors import KvcalcError
from tests.each import each
from tests.engines.vllm.measured import more_model

MODELS = {
    name: kvcalc.load(name)
    for name in (
        "k-exaone-236b-a23b",
        "gpt-oss-20b",
        "llama-3.1-8b",
        "deepseek-v3",
        "llama-4-scout",
    )
} | {
    name: kvcalc.load(f"tests/oracles/configs/{name}.json")
    for name in (
        "Qwen--Qwen3.5-27B",
        "XiaomiMiMo--MiMo-V2-Flash",
        "google--gemma-4-26B-A4B",
        "deepseek-ai--DeepSeek-V4-Flash",
        "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    )
}
SLIDING = [name for name, model in MODELS.items() if model.window]
RECURRENT = ("Qwen--Qwen3.5-27B", "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16")
SCALING = [name for name in MODELS if name not in (*RECURRENT, "deepseek-ai--DeepSeek-V4-Flash")]

contexts = st.integers(1, 2**21)
batches = st.integers(1, 2**16)


def cost(name: str, **settings: Any) -> kvcalc.Cost:
    return kvcalc.cost(MODELS[name], "vllm", **settings)


@given(st.sampled_from(list(MODELS)), contexts, batches, st.integers(1, 99))
def test_a_batch_given_to_the_call_is_one_given_as_a_setting(
    name: str, context: int, batch: int, sequences: int
) -> None:
    given_later = cost(name)(context, sequences=sequences, max_num_batched_tokens=batch)
    assert given_later == cost(name, max_num_batched_tokens=batch)(context, sequences=sequences)


@given(st.sampled_from(SCALING), contexts, st.integers(1, 64).map(lambda size: 16 * size))
def test_a_block_size_given_to_the_call_is_one_given_as_a_setting(
    name: str, context: int, block: int
) -> None:
    assert cost(name)(context, block_size=block) == cost(name, block_size=block)(context)


@given(st.sampled_from(SLIDING), contexts, st.integers(1, 2**18))
def test_a_window_given_to_the_call_is_the_models(name: str, context: int, window: int) -> None:
    rebuilt = kvcalc.cost(MODELS[name].with_window(window), "vllm")
    assert cost(name)(context, window=window) == rebuilt(context)


@given(st.sampled_from(list(MODELS)), contexts, st.integers(0, 10**5), st.integers(1, 99))
def test_more_context_or_sequences_never_cost_less(
    name: str, context: int, more: int, sequences: int
) -> None:
    own = cost(name)
    assert own(context + more) >= own(context)
    assert own.per_request(context) > 0
    assert own(context, sequences=sequences) == own.fixed + sequences * own.per_request(context)


@given(st.sampled_from(list(MODELS)), contexts, contexts, st.integers(0, 10**5))
def test_a_larger_batch_or_window_never_costs_less(
    name: str, context: int, size: int, more: int
) -> None:
    own = cost(name)
    for variable in own.formula.variables.keys() & {"max_num_batched_tokens", "window"}:
        assert own(context, **{variable: size + more}) >= own(context, **{variable: size})


PACKED = "deepseek-ai--DeepSeek-V4-Flash"  # its rows are packed to less than their elements


@given(
    st.sampled_from([name for name in MODELS if name != PACKED]),
    contexts,
    st.sampled_from(["bfloat16", "fp8"]),
    st.sampled_from([1, 2, 4, 8]),
)
def test_no_less_than_attention_itself_needs(
    name: str, context: int, form: str, ranks: int
) -> None:
    settings: dict[str, Any] = {"kv_cache_dtype": form, "tensor_parallel_size": ranks}
    least = kvcalc.cost(MODELS[name], "ideal", **settings)
    assert cost(name, **settings)(context) >= least(context)
    assert cost(name, **settings).per_gpu(context) >= least.per_gpu(context)


@given(st.sampled_from(list(MODELS)), contexts)
def test_the_groups_make_up_the_whole(name: str, context: int) -> None:
    own = cost(name)
    assert sum(group.formula(context) for group in own.groups) == own(context)


@given(st.sampled_from(["k-exaone-236b-a23b", "gpt-oss-20b"]), st.integers(1, 10**5))
def test_a_window_past_the_context_costs_a_block_more_a_sliding_group(
    name: str, context: int
) -> None:
    model = MODELS[name]
    full = kvcalc.cost(model.with_full_attention(), "vllm")
    pool = kvcalc.pool(model, "vllm", memory=0, context=context)
    sliding = 3 if name.startswith("k-") else 1
    extra = sliding * pool.figures["bytes_per_block"]
    assert cost(name)(context, window=context) == full(context) + extra


@given(
    st.sampled_from(["k-exaone-236b-a23b", "llama-3.1-8b", "deepseek-v3"]),
    st.sampled_from([1, 2, 3, 4, 7]),
    st.sampled_from([1, 2, 8, 16]),
    contexts,
)
def test_all_ranks_are_the_sum_of_the_stages(
    name: str, stages: int, ranks: int, context: int
) -> None:
    own = cost(name, pipeline_parallel_size=stages, tensor_parallel_size=ranks)
    figures = kvcalc.pool(
        MODELS[name],
        "vllm",
        memory=0,
        context=context,
        pipeline_parallel_size=stages,
        tensor_parallel_size=ranks,
    ).figures
    assert own(context) == ranks * sum(figures["rank_needed_bytes"])
    assert own.per_gpu(context) == max(figures["rank_needed_bytes"])


@given(
    st.sampled_from(list(MODELS)), st.integers(1, 2**18), st.integers(0, 2**38), st.integers(1, 8)
)
def test_what_the_pool_says_fits_fits_and_one_more_does_not(
    name: str, context: int, memory: int, ranks: int
) -> None:
    ranks = 2 ** (ranks % 4)
    pool = kvcalc.pool(
        MODELS[name], "vllm", memory=memory, context=context, tensor_parallel_size=ranks
    )
    request = cost(name, tensor_parallel_size=ranks).per_gpu(context)
    usable = (pool.figures["num_gpu_blocks"] - 1) * pool.figures["bytes_per_block"]
    assert pool.max_sequences * request <= max(0, usable)
    assert (pool.max_sequences + 1) * request > usable
    assert pool.bytes <= memory
    assert pool.figures["fits"] == (pool.max_sequences > 0)


@each(
    ("name", "given_", "reason"),
    [
        *(("llama-3.1-8b", {name: 2}, f"{name}: decides vllm's groups") for name in STRUCTURE),
        ("llama-3.1-8b", {"window": 128}, "has no sliding layers"),
        ("Qwen--Qwen3.5-27B", {"block_size": 16}, "block_size: decides the groups of this model"),
        ("llama-3.1-8b", {"ubatch_size": 1}, "'ubatch_size' is not in this formula"),
    ],
)
def test_what_needs_another_structure_is_an_error(
    name: str, given_: dict[str, int], reason: str
) -> None:
    with pytest.raises(KvcalcError) as caught:
        cost(name)(8192, **given_)
    assert reason in str(caught.value)


def test_a_source_is_not_what_cross_attention_is_charged_for() -> None:
    with pytest.raises(KvcalcError, match=r"source: vllm charges .* max_num_encoder_input_tokens"):
        kvcalc.cost(more_model("Whisper-large-v3"), "vllm")(448, source=1500)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("gpt-oss-20b", {"attention_backend": "FLASHINFER"}),
        ("google--gemma-4-26B-A4B", {"flash_attention_version": 4, "block_size": 128}),
    ],
)
def test_where_kernels_cut_a_sliding_layers_block_its_size_is_structure(
    name: str, settings: dict[str, Any]
) -> None:
    with pytest.raises(KvcalcError, match="block_size: decides the groups of this model"):
        cost(name, **settings)(8192, block_size=256)

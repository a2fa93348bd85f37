"""Every engine's command line: what is written is read again, and each value is one it takes."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcalc.engines import ENGINES, find, request
from kvcalc.engines.engine import Engine, Settings
from kvcalc.engines.server.asked import Wanted
from kvcalc.engines.server.reader import read
from kvcalc.engines.server.writer import NOT_STARTED, write
from kvcalc.errors import KvcalcError
from kvcalc.layers.recurrent import Mamba2
from kvcalc.model import Model
from tests.shapes import full, model, sliding

COUNTS = st.integers(1, 4096)
BOOLS = st.booleans()
POWERS = st.sampled_from([1, 2, 4, 8])

DRAWN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "vllm": {
        "kv_cache_dtype": st.sampled_from(find("vllm").dtypes),
        "tensor_parallel_size": POWERS,
        "block_size": st.sampled_from([16, 32, 64, 128]),
        "max_num_seqs": st.integers(1, 4096),
        "enforce_eager": BOOLS,
        "max_cudagraph_capture_size": COUNTS,
        "kv_cache_memory_bytes": COUNTS,
        "max_num_batched_tokens": COUNTS,
        "async_scheduling": BOOLS,
        "disable_hybrid_kv_cache_manager": BOOLS,
        "pipeline_parallel_size": st.sampled_from([1, 2]),
        "pp_layer_partition": st.sampled_from(["1,1", "24,24", "2,1,1"]),
        "decode_context_parallel_size": st.sampled_from([1, 2]),
        "prefill_context_parallel_size": st.sampled_from([1, 2]),
        "mamba_cache_mode": st.sampled_from(["align", "none", "all"]),
        "mamba_ssm_cache_dtype": st.sampled_from(["auto", "float32", "float16", "bfloat16"]),
        "prefill_checkpoint_blocks": st.sampled_from([0, 1]),
        "num_speculative_tokens": st.integers(0, 8),
        "speculative_method": st.sampled_from(["none", "mtp", "eagle", "eagle3"]),
        "num_prefill_lookahead_tokens": st.integers(0, 8),
        "max_num_encoder_input_tokens": COUNTS,
        "language_model_only": BOOLS,
        "attention_backend": st.sampled_from(["FLASH_ATTN", "TRITON_ATTN", "FLASHINFER"]),
        "kv_cache_layout": st.sampled_from(["LBNHC", "LBHNC", "BLHNC", "BLNHC", "NHD", "HND"]),
        "indexer_kv_dtype": st.sampled_from(["auto", "bfloat16", "fp8", "mxfp4"]),
        "kv_cache_dtype_skip_layers": st.lists(
            st.sampled_from(["0", "1", "sliding_window"]), max_size=2, unique=True
        ).map(tuple),
        "flash_attention_version": st.sampled_from([2, 3, 4]),
        "gpu": st.sampled_from(["h100", "l4"]),
        "release": st.sampled_from(["0.33.0", "0.25.1"]),
        "strict_version": BOOLS,
        "enable_prefix_caching": BOOLS,
        "prefix_cache_retention_interval": st.sampled_from([0, 1, 1024, "none"]),
        "kv_connector": st.sampled_from(["LMCacheConnectorV1", "A,B", ","]),
        "enable_kv_cache_events": BOOLS,
        "enable_chunked_prefill": BOOLS,
        "performance_mode": st.sampled_from(["balanced", "interactivity", "throughput"]),
        "usage_context": st.sampled_from(["OPENAI_API_SERVER", "LLM_CLASS", "API_SERVER"]),
        "data_parallel_size": POWERS,
        "enable_expert_parallel": BOOLS,
        "all2all_backend": st.sampled_from(["deepep_low_latency", "nixl_ep", "deepep_v2", "none"]),
        "runner": st.sampled_from(["auto", "generate", "pooling"]),
    },
    "sglang": {
        "kv_cache_dtype": st.sampled_from(find("sglang").dtypes),
        "tensor_parallel_size": POWERS,
        "page_size": st.sampled_from([1, 16, 64, 256]),
        "swa_full_tokens_ratio": st.floats(0.01, 1),
        "max_total_tokens": st.integers(1, 2**40),
        "max_running_requests": COUNTS,
        "chunked_prefill_size": st.integers(-1, 8192),
        "attn_dp_size": st.sampled_from([1, 2]),
        "disaggregation_mode": st.sampled_from(["null", "prefill", "decode"]),
        "disaggregation_decode_extra_slots": st.integers(0, 64),
        "disable_radix_cache": BOOLS,
        "disable_hybrid_swa_memory": BOOLS,
        "disable_overlap_schedule": BOOLS,
        "swa_eviction_interval": COUNTS,
        "attention_backend": st.sampled_from(["triton", "fa3", "flashinfer", "none_of_theirs"]),
        "mamba_ssm_dtype": st.sampled_from(["float32", "bfloat16", "float16"]),
        "max_mamba_cache_size": COUNTS,
        "mamba_full_memory_ratio": st.floats(1e-6, 100),
        "mamba_radix_cache_strategy": st.sampled_from(
            ["auto", "no_buffer", "extra_buffer", "extra_buffer_lazy"]
        ),
        "speculative_num_draft_tokens": st.integers(1, 8),
        "speculative_num_steps": st.integers(1, 8),
        "speculative_eagle_topk": st.integers(1, 8),
        "draft_layers": st.integers(0, 4),
        "gpu": st.sampled_from(["h100", "l4"]),
        "release": st.sampled_from(["0.5.12", "0.5.23"]),
        "strict_version": BOOLS,
    },
    "llama.cpp": {
        "kv_cache_dtype": st.sampled_from(find("llama.cpp").dtypes),
        "tensor_parallel_size": st.just(1),
        "cache_type_k": st.sampled_from(find("llama.cpp").dtypes),
        "cache_type_v": st.sampled_from(find("llama.cpp").dtypes),
        "ubatch_size": st.integers(1, 2**33),
        "batch_size": st.integers(1, 2**33),
        "kv_unified": BOOLS,
        "swa_full": BOOLS,
        "flash_attn": BOOLS,
        "n_rs_seq": st.integers(0, 8),
        "ctx_type": st.sampled_from(["default", "mtp"]),
        "split_mode": st.sampled_from(["layer", "row", "none", "tensor"]),
        "tensor_split": st.lists(st.floats(0.001, 1e9), min_size=1, max_size=16).map(tuple),
        "n_gpu_layers": st.integers(0, 64),
        "n_cpu_moe": st.integers(0, 64),
        "override_tensor": st.sampled_from([("exps=CPU",), ("blk\\.1=CUDA1", "ffn=CPU")]),
        "offload_kqv": BOOLS,
        "release": st.sampled_from(["b11312", "b6170"]),
        "strict_version": BOOLS,
    },
    "mlx": {
        "kv_cache_dtype": st.sampled_from(find("mlx").dtypes),
        "tensor_parallel_size": st.just(1),
        "prefill_step_size": COUNTS,
        "generated_tokens": st.integers(0, 64),
        "kv_bits": st.sampled_from([1, 2, 3, 4, 5, 6, 8]),
        "kv_group_size": st.sampled_from([32, 64, 128]),
        "quantized_kv_start": st.integers(0, 9000),
        "max_kv_size": COUNTS,
    },
    "lmdeploy": {
        "kv_cache_dtype": st.sampled_from(find("lmdeploy").dtypes),
        "fp32_mamba_ssm_dtype": st.booleans(),
        "tensor_parallel_size": POWERS,
        "quant_policy": st.sampled_from([0, 4, 8, 16, 17, 42]),
        "cache_block_seq_len": COUNTS,
        "max_batch_size": COUNTS,
        "max_prefill_token_num": COUNTS,
        "release": st.sampled_from(["0.16.0", "0.18.0"]),
        "strict_version": BOOLS,
    },
    "exllamav3": {
        "kv_cache_dtype": st.just("float16"),
        "tensor_parallel_size": st.just(1),
        "cache_size": st.integers(1, 4096).map(lambda pages: 256 * pages),
        "cache_quant": st.sampled_from(["4", "8", "6,5"]),
        "autosplit_max_batch_size": st.integers(1, 16),
        "num_draft_tokens": st.integers(0, 8),
        "max_history": st.integers(0, 8),
        "recurrent_state_fp32": BOOLS,
        "swa_full": BOOLS,
    },
}
"""Every setting of every engine that has a server."""

MODELS: dict[str, Model] = {
    "a window": model(
        sliding(query_heads=16),
        full(query_heads=16),
        name="gpt-oss-20b",
        hub_id="openai/gpt-oss-20b",
        model_type="gpt_oss",
        num_nextn_predict_layers=1,
        max_context=131_072,
    ),
    "states": model(
        full(), Mamba2(kernel=4, heads=64, head_dim=64, groups=8, state=128), max_context=131_072
    ),
}

SERVERS = [name for name in ENGINES if find(name).server is not None]

NEVER_SAID = {
    "vllm": {
        "prefill_checkpoint_blocks",
        "num_prefill_lookahead_tokens",
        "max_num_encoder_input_tokens",
        "usage_context",
    },
    "sglang": {"draft_layers"},
    "llama.cpp": {"ctx_type"},
    "mlx": {"kv_cache_dtype", "generated_tokens", "max_kv_size", "context"},
    "lmdeploy": set(),
    "exllamav3": {"max_history", "num_draft_tokens", "recurrent_state_fp32", "swa_full"},
}
"""What no flag and no variable of an engine gives, whatever its value, beside NOT_STARTED."""

SOMETIMES_SAID = {
    # Nothing on the line can say "none"; a draft of no tokens is no draft; EAGLE is another model;
    # the mode "all" is of releases before 0.33.0; a comma names no connector; a backend of none.
    "vllm": {
        "all2all_backend",
        *("kv_cache_dtype_skip_layers", "num_speculative_tokens", "speculative_method"),
        *("mamba_cache_mode", "kv_connector", "prefix_cache_retention_interval"),
    },
    # A draft needs an algorithm, which kvcalc has not; its backends are more than the option's.
    "sglang": {
        *("attention_backend", "speculative_eagle_topk", "speculative_num_steps"),
        "speculative_num_draft_tokens",
    },
    # A C++ int; at most 15 devices; drafted tokens of a model without an MTP head.
    "llama.cpp": {"ubatch_size", "batch_size", "tensor_split", "n_rs_seq"},
    "mlx": set(),
    "lmdeploy": set(),
    "exllamav3": set(),
}
"""What the line can say but for some values."""

FROM_AMOUNTS = {
    "sglang": ("max_running_requests",),
    "vllm": ("max_num_seqs",),
    "lmdeploy": ("max_batch_size",),
    "exllamav3": ("cache_size", "autosplit_max_batch_size"),
}
"""Settings that a line says for its context and sequences, where none are given."""

CAPPED = ("lmdeploy", "sglang", "vllm")
"""Engines whose sequences at once are a setting, too, which wins."""

AMOUNTS = {"max_num_seqs": "sequences", "max_batch_size": "sequences"}
"""Settings whose flag gives an amount."""


def accepted(engine: Engine, settings: dict[str, Any]) -> Settings | None:
    """The settings as the engine reads them; None where they contradict each other."""
    try:
        return engine.settings(**settings)
    except KvcalcError:
        return None


def said(engine: Engine, of: Model, settings: Settings) -> dict[str, Any]:
    """The settings in the engine's own terms, in which one thing has one name, as text."""
    assert engine.server is not None
    given = settings.model_dump(exclude_defaults=True, exclude=NOT_STARTED)
    wanted = engine.server.prepare(Wanted(of, given))
    return {name: str(value) for name, value in wanted.given.items()}


def bytes_of(engine: Engine, of: Model, settings: dict[str, Any], context: int, count: int) -> Any:
    """What it costs, or that it is refused."""
    try:
        return request.cost(of, engine.name, **settings)(context, sequences=count)
    except KvcalcError:
        return None


def test_every_setting_is_drawn() -> None:
    assert set(DRAWN) == set(SERVERS)
    for name, drawn in DRAWN.items():
        assert drawn.keys() == find(name).settings.model_fields.keys()


@pytest.mark.parametrize("of", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("name", SERVERS)
@given(data=st.data())
def test_what_is_written_is_read_again(name: str, of: Model, data: st.DataObject) -> None:
    engine = find(name)
    names = data.draw(st.lists(st.sampled_from(sorted(DRAWN[name])), unique=True, max_size=6))
    settings = {setting: data.draw(DRAWN[name][setting], setting) for setting in names}
    context, count = data.draw(st.integers(1, 10**6)), data.draw(st.integers(1, 256))
    share = Fraction(data.draw(st.integers(1, 10**9)), 10**9)
    parsed = accepted(engine, settings)
    if parsed is None:
        return
    line = write(engine, parsed, of, context=context, sequences=count, share=share)
    _, _, left_out = line.partition(" # no flag takes this: ")
    unsaid = set(left_out.split(", ")) if left_out else set()
    found, asked = read(line)
    assert found == name
    assert asked.model == (None if of.hub_id is None else engine.server.names(of, None)[-1])  # type: ignore[union-attr]
    assert asked.context == (None if "context" in unsaid else context)
    assert (asked.sequences == count) == ("sequences" not in unsaid) or name in CAPPED
    if "share" not in unsaid:
        assert asked.share is not None
        assert Fraction(asked.share) == share
    carried = {setting: value for setting, value in settings.items() if setting not in unsaid}
    back = engine.settings(**asked.settings)
    expected = said(engine, of, engine.settings(**carried))
    answer = said(engine, of, back)
    for implied in FROM_AMOUNTS.get(name, ()):
        if getattr(parsed, implied) == type(parsed).model_fields[implied].default:
            answer.pop(AMOUNTS.get(implied, implied), None)
            expected.pop(AMOUNTS.get(implied, implied), None)
    assert answer == expected
    here = {name: value for name, value in settings.items() if name in NOT_STARTED} | asked.settings
    cost = bytes_of(engine, of, carried, context, count)
    assert cost is None or bytes_of(engine, of, here, context, count) == cost


@pytest.mark.parametrize("name", SERVERS)
@given(data=st.data())
def test_what_no_flag_takes_is_named(name: str, data: st.DataObject) -> None:
    engine = find(name)
    setting = data.draw(st.sampled_from(sorted(DRAWN[name].keys() - NOT_STARTED)))
    value = data.draw(DRAWN[name][setting])
    parsed = accepted(engine, {setting: value})
    if parsed is None or parsed == engine.settings():
        return
    line = write(engine, parsed, model())
    if setting in NEVER_SAID[name]:
        assert line.endswith(f"# no flag takes this: {setting}")
    else:
        assert "#" not in line or setting in SOMETIMES_SAID[name]


def test_without_a_server_there_is_no_line() -> None:
    for name in ENGINES.keys() - set(SERVERS):
        assert write(find(name), find(name).settings(), model(), context=8192) == ""

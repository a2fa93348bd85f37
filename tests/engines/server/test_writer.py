"""Lines that start an engine's server, worked by hand from the engines' own parsers."""

from fractions import Fraction
from typing import Any

import pytest

import kvcalc
from kvcalc.engines import ENGINES, find
from kvcalc.engines.server.option_values import Choices, Listed, Share, Whole
from kvcalc.engines.server.reader import read
from kvcalc.engines.server.writer import flag, write
from kvcalc.model import Model
from tests.each import each
from tests.shapes import full, model

QWEN = kvcalc.load("qwen3-8b")


def line(engine: str, of: Model = QWEN, source: str | None = None, **settings: Any) -> str:
    chosen = find(engine)
    return write(chosen, chosen.settings(**settings), of, source=source)


@each(
    ("engine", "settings", "words"),
    [
        (
            "llama.cpp",
            {"kv_cache_dtype": "q8_0"},
            "llama-server --model Qwen3-8B.gguf --cache-type-k q8_0 --cache-type-v q8_0",
        ),
        (
            "llama.cpp",
            {"kv_cache_dtype": "q8_0", "cache_type_v": "f16"},
            "llama-server --model Qwen3-8B.gguf --cache-type-v f16 --cache-type-k q8_0",
        ),
        (
            "llama.cpp",
            {"tensor_split": [3, 1, 0.5], "flash_attn": "off", "offload_kqv": "false"},
            "llama-server --model Qwen3-8B.gguf --flash-attn off --tensor-split 3,1,0.5 "
            "--no-kv-offload",
        ),
        (
            "llama.cpp",
            {"n_rs_seq": 2},
            "llama-server --model Qwen3-8B.gguf # no flag takes this: n_rs_seq",
        ),
        (
            "lmdeploy",
            {"kv_cache_dtype": "int8"},
            "lmdeploy serve api_server Qwen/Qwen3-8B --backend pytorch --quant-policy 8",
        ),
        (
            "lmdeploy",
            {"kv_cache_dtype": "float16"},
            "lmdeploy serve api_server Qwen/Qwen3-8B --backend pytorch --dtype float16",
        ),
        (
            "sglang",
            {"swa_eviction_interval": 64, "kv_cache_dtype": "fp8"},
            "SGLANG_SWA_EVICTION_INTERVAL=64 python -m sglang.launch_server --model-path "
            "Qwen/Qwen3-8B --kv-cache-dtype fp8_e4m3",
        ),
        (
            "sglang",
            {"kv_cache_dtype": "float16", "disable_radix_cache": True},
            "python -m sglang.launch_server --model-path Qwen/Qwen3-8B --disable-radix-cache "
            "--dtype float16",
        ),
        (
            "sglang",
            {"draft_layers": 1, "speculative_num_draft_tokens": 4},
            "python -m sglang.launch_server --model-path Qwen/Qwen3-8B "
            "--speculative-num-draft-tokens 4 "
            "# no flag takes this: speculative_algorithm, draft_layers",
        ),
        (
            "vllm",
            {"kv_cache_layout": "HND", "kv_cache_dtype_skip_layers": "0,31,sliding_window"},
            "VLLM_KV_CACHE_LAYOUT=LBHNC vllm serve Qwen/Qwen3-8B --kv-cache-dtype-skip-layers "
            "0 31 sliding_window",
        ),
        (
            "vllm",
            {"pipeline_parallel_size": 2, "pp_layer_partition": "20,16"},
            "VLLM_PP_LAYER_PARTITION=20,16 vllm serve Qwen/Qwen3-8B --pipeline-parallel-size 2",
        ),
        (
            "vllm",
            {"indexer_kv_dtype": "bfloat16", "flash_attention_version": 3},
            "vllm serve Qwen/Qwen3-8B --attention-config "
            """'{"flash_attn_version": 3, "indexer_kv_dtype": "bf16"}'""",
        ),
        (
            "vllm",
            {"async_scheduling": False, "enable_prefix_caching": False, "kv_cache_dtype": "fp32"},
            "vllm serve Qwen/Qwen3-8B --no-async-scheduling --no-enable-prefix-caching "
            "--dtype float32",
        ),
        (
            "vllm",
            {"kv_cache_dtype_skip_layers": "", "gpu": "h100"},
            "vllm serve Qwen/Qwen3-8B # no flag takes this: kv_cache_dtype_skip_layers",
        ),
        (
            "vllm",
            {"kv_connector": "OffloadingConnector"},
            "vllm serve Qwen/Qwen3-8B --kv-transfer-config "
            """'{"kv_connector": "OffloadingConnector", "kv_role": "kv_both"}'""",
        ),
        (
            "vllm",
            {"enable_kv_cache_events": True},
            "vllm serve Qwen/Qwen3-8B "
            """--kv-events-config '{"enable_kv_cache_events": true}'""",
        ),
        ("mlx", {"kv_bits": 8}, "mlx_lm.server --model Qwen/Qwen3-8B --kv-bits 8"),
        ("ideal", {}, ""),
    ],
)
def test_settings_are_said_in_the_engines_own_words(
    engine: str, settings: dict[str, Any], words: str
) -> None:
    assert line(engine, **settings) == words


@each(
    ("engine", "source", "of", "named"),
    [
        ("vllm", "qwen3-8b", QWEN, "Qwen/Qwen3-8B"),
        ("vllm", "Qwen/Qwen3-8B", QWEN, "Qwen/Qwen3-8B"),
        ("vllm", "some/folder", model(), "some/folder"),
        ("vllm", "a folder", model(), "'a folder'"),
        ("vllm", "some/folder/config.json", model(), "some/folder"),
        ("vllm", "mine.toml", model(), "MODEL"),
        ("vllm", None, model(name="32 layers G, 8 KV heads"), "MODEL"),
        ("llama.cpp", "qwen3-8b", QWEN, "Qwen3-8B.gguf"),
        ("llama.cpp", "models/q.gguf", model(), "models/q.gguf"),
        ("llama.cpp", "some/folder", model(), "MODEL.gguf"),
        ("llama.cpp", "o/m-GGUF", model(hub_id="o/m-GGUF"), "o/m-GGUF"),
        ("llama.cpp", "o/m:Q4_0", model(hub_id="o/m:Q4_0"), "o/m:Q4_0"),
        ("llama.cpp", "o/m", model(name="o/m", hub_id="o/m"), "MODEL.gguf"),
        ("vllm", "o/m@main", model(name="o/m", hub_id="o/m"), "o/m"),
    ],
)
def test_a_model_is_named_so_that_the_server_finds_it(
    engine: str, source: str | None, of: Model, named: str
) -> None:
    assert line(engine, of, source).endswith(f" {named}")
    asked = read(line(engine, of, source))[1].model
    assert asked == (None if named.startswith("MODEL") else named.strip("'"))


@each(
    ("engine", "written"),
    [
        ("vllm", "vllm serve org/x --revision refs/pr/1"),
        ("sglang", "python -m sglang.launch_server --model-path org/x --revision refs/pr/1"),
        ("lmdeploy", "lmdeploy serve api_server org/x --backend pytorch --revision refs/pr/1"),
        ("mlx", "mlx_lm.server --model org/x # no flag takes this: revision"),
        ("llama.cpp", "llama-server --hf-repo org/x:Q4_K_M # no flag takes this: revision"),
    ],
)
def test_a_revision_of_the_hubs_is_on_the_line(engine: str, written: str) -> None:
    quantisation = ":Q4_K_M" if engine == "llama.cpp" else ""
    of = model(full()).model_copy(update={"hub_id": f"org/x@refs/pr/1{quantisation}"})
    assert line(engine, of) == written
    if engine in ("vllm", "sglang", "lmdeploy"):
        asked = read(written)[1]
        assert (asked.model, asked.revision) == ("org/x", "refs/pr/1")


@each(
    ("engine", "variable"),
    [
        ("vllm", "VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 "),
        ("sglang", "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN=1 "),
        ("lmdeploy", ""),
        ("llama.cpp", ""),
    ],
)
def test_a_length_past_the_models_maximum_is_let_through(engine: str, variable: str) -> None:
    """Qwen3-8B is of 40,960 tokens, past which vLLM and SGLang start only with the variable."""
    chosen = find(engine)
    for context, before in ((40_961, variable), (40_960, "")):
        written = write(chosen, chosen.settings(), QWEN, context=context)
        assert written.startswith(f"{before}{chosen.server.start[:4] if chosen.server else ''}")
        assert f" {context}" in written
        assert not any("not know" in note for note in read(written)[1].notes)


def test_a_preset_is_read_again_without_a_network() -> None:
    for engine in ("vllm", "sglang", "lmdeploy", "mlx", "llama.cpp"):
        for preset in ("k-exaone-236b-a23b", "gemma-3-27b", "llama-3.1-8b"):
            loaded = kvcalc.load(preset)
            assert kvcalc.load(read(line(engine, loaded))[1].model or "") == loaded


def test_llama_servers_context_counts_all_slots() -> None:
    chosen = find("llama.cpp")
    words = write(chosen, chosen.settings(), QWEN, context=4096, sequences=3)
    assert words == "llama-server --model Qwen3-8B.gguf --ctx-size 12288 --parallel 3"


def test_a_share_keeps_nine_decimals() -> None:
    chosen = find("vllm")
    words = write(chosen, chosen.settings(), QWEN, share=Fraction(912_345_678, 10**9))
    assert words == "vllm serve Qwen/Qwen3-8B --gpu-memory-utilization 0.912345678"


def test_a_flag_is_the_long_one() -> None:
    server = find("llama.cpp").server
    assert server is not None
    assert flag(server, "ubatch_size", 128) == "--ubatch-size 128"
    assert flag(server, "kv_unified", True) == "--kv-unified"
    assert flag(server, "ctx_type", "mtp") is None


@each(
    ("takes", "value", "words"),
    [
        (Choices("", ("on", "off")), "on", ("on",)),
        (Choices("", ("on", "off")), "yes", None),
        (Whole("", most=9), 9, ("9",)),
        (Whole("", most=9), 10, None),
        (Whole(""), 0, None),
        (Whole("", least=-1), -1, ("-1",)),
        (Share(""), 0.25, ("0.25",)),
        (Share(""), Fraction(1), ("1",)),
        (Share(""), 1.5, None),
        (Share("", most=None), 1.5, ("1.5",)),
        (Share(""), 0, None),
        (Listed("", "[0-9]+", ",", most=2), ["1", "2"], ("1,2",)),
        (Listed("", "[0-9]+", ",", most=2), ["1", "2", "3"], None),
        (Listed("", "[0-9]+"), ("1", "2"), ("1", "2")),
        (Listed("", "[0-9]+"), ("x",), None),
        (Listed("", "[0-9]+"), (), None),
    ],
)
def test_an_option_writes_what_it_takes(
    takes: Any, value: Any, words: tuple[str, ...] | None
) -> None:
    assert takes.written(value) == words


@each(
    ("engine", "name", "taken", "refused"),
    [
        ("vllm", "kv_cache_dtype", "nvfp4", "float32"),
        ("vllm", "mamba_ssm_cache_dtype", "float32", "fp8"),
        ("vllm", "num_speculative_tokens", 1, 0),
        ("vllm", "kv_cache_dtype_skip_layers", ("sliding_window", "12"), ("-1",)),
        ("vllm", "pp_layer_partition", "20,16", "20,-1"),
        ("vllm", "kv_cache_layout", "BHLNC", "HNC"),
        ("vllm", "attention_backend", "FLASHMLA_SPARSE_DSV4", "FLASH"),
        ("vllm", "share", Fraction(1), Fraction(2)),
        ("sglang", "kv_cache_dtype", "fp4_mx_block16", "fp8"),
        ("sglang", "dtype", "float32", "fp8_e4m3"),
        ("sglang", "chunked_prefill_size", -1, -2),
        ("sglang", "attention_backend", "trtllm_mla", "FLASHINFER"),
        ("sglang", "mamba_full_memory_ratio", 2.5, 0),
        ("sglang", "swa_full_tokens_ratio", 1.0, 1.5),
        ("sglang", "mamba_radix_cache_strategy", "extra_buffer_lazy", "lazy"),
        ("llama.cpp", "cache_type_k", "iq4_nl", "fp8"),
        ("llama.cpp", "flash_attn", "auto", "True"),
        ("llama.cpp", "split_mode", "tensor", "column"),
        ("llama.cpp", "tensor_split", ["1"] * 15, ["1"] * 16),
        ("llama.cpp", "ubatch_size", 2**31 - 1, 2**31),
        ("llama.cpp", "batch_size", 2**31 - 1, 2**31),
        ("llama.cpp", "context", 2**31 - 1, 2**31),
        ("llama.cpp", "sequences", 2**31 - 1, 2**31),
        ("llama.cpp", "n_gpu_layers", 0, -1),
        ("llama.cpp", "n_cpu_moe", 0, -1),
        ("llama.cpp", "override_tensor", ["exps=CPU"], ["exps"]),
        ("llama.cpp", "spec_draft_n_max", 0, -1),
        ("mlx", "kv_bits", 8, 7),
        ("mlx", "kv_group_size", 32, 16),
        ("mlx", "quantized_kv_start", 0, -1),
        ("lmdeploy", "quant_policy", 42, 1),
        ("lmdeploy", "kv_cache_dtype", "bfloat16", "int8"),
    ],
)
def test_an_engines_option_takes_the_one_and_refuses_the_other(
    engine: str, name: str, taken: Any, refused: Any
) -> None:
    server = find(engine).server
    assert server is not None
    assert server.takes[name].written(taken) is not None
    assert server.takes[name].written(refused) is None


def test_everything_that_a_line_can_say_has_its_values_and_their_source() -> None:
    for name in ("vllm", "sglang", "llama.cpp", "mlx", "lmdeploy"):
        server = find(name).server
        assert server is not None
        settings = find(name).settings.model_fields.keys()
        said = {*server.gives.values(), *server.environment.values()} & {*settings, "share"}
        assert said <= server.takes.keys()
        assert all(takes.source for takes in server.takes.values())


def test_every_ignored_flag_stands_once_under_a_reason() -> None:
    for name in ("vllm", "sglang", "llama.cpp", "mlx", "lmdeploy"):
        server = find(name).server
        assert server is not None
        listed = [
            flag for by in server.harmless.values() for text in by.values() for flag in text.split()
        ]
        assert len(listed) == len(set(listed))
        assert not server.ignored.keys() & (server.gives.keys() | server.switches.keys())
        assert all(len(reason) > 15 for reason in server.harmless)


def test_the_drafts_of_a_models_own_head_are_llama_servers_mtp() -> None:
    words = line("llama.cpp", model(full(), num_nextn_predict_layers=1), n_rs_seq=2)
    assert words == "llama-server --model MODEL.gguf --spec-type draft-mtp --spec-draft-n-max 2"


@each(
    ("line", "note"),
    [
        ("vllm serve m --enable-lora", "the adapters' weights and buffers take memory"),
        ("vllm serve m --config x.yaml", "what stands in that file is not read"),
        ("sglang serve m --enable-hierarchical-cache", "copies of the cache take main memory"),
        ("sglang serve m --lora-paths a b", "the adapters' weights and buffers take memory"),
        ("llama-server -m m -np 1 -c 1 --cache-ram 1024", "that many MiB of main memory on top"),
        ("llama-server -m m -np 1 -c 1 -ctxcp 8", "copies of its states or windows"),
        ("lmdeploy serve api_server m --backend pytorch --adapters a", "the adapters' weights"),
        ("lmdeploy serve api_server m", "LMDeploy's PyTorch engine (--backend pytorch), not"),
    ],
)
def test_what_costs_memory_elsewhere_is_said(line: str, note: str) -> None:
    assert any(note in one for one in read(line)[1].notes)


def test_the_engine_that_is_asked_for_is_not_remarked_on() -> None:
    assert read("lmdeploy serve api_server m --backend pytorch")[1].notes == []


def test_what_changes_the_cache_in_ways_that_are_not_counted_is_refused() -> None:
    for server in (one for name in ENGINES if (one := find(name).server) is not None):
        for flag_, reason in server.refusals.items():
            with pytest.raises(kvcalc.KvcalcError) as caught:
                read(f"{server.start.format(model='m')} {flag_} 1")
            assert str(caught.value) == f"--from: {flag_}: {reason}"

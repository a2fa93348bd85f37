"""What `vllm serve` makes of its command line."""

import re
from typing import Any

import pytest

import kvcalc
from kvcalc.engines import ENGINES
from kvcalc.engines.server.asked import Asked
from kvcalc.engines.server.reader import read
from kvcalc.engines.vllm.server import SERVER, SWITCHES, VALUES, finish, human_readable_int
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError
from tests.each import each

TAKEN_APART = {
    "revision",
    "model",
    "context",
    "sequences",
    "dtype",
    "task",
    "max_num_active_seqs",
    "speculative_config",
    "attention_config",
    "kv_transfer_config",
    "kv_events_config",
    "kv_offloading_size",
    "kv_offloading_backend",
    "hf_overrides",
    "speculative_model",
    "convert",
}


def test_flags_name_settings_and_stand_in_one_table() -> None:
    assert {"vllm", "vllm.entrypoints.openai.api_server"} <= set(ENGINES["vllm"].programs)
    settings = {*VALUES.values(), *(name for name, _ in SWITCHES.values())}
    assert settings - TAKEN_APART <= VllmSettings.model_fields.keys()
    assert not VALUES.keys() & SWITCHES.keys()
    assert not SERVER.ignored.keys() & (VALUES.keys() | SWITCHES.keys())
    assert not SERVER.refusals.keys() & (SERVER.gives.keys() | SERVER.ignored.keys())
    assert SERVER.positional_model


@each(
    ("flag", "takes"),
    [
        ("--trust-remote-code", 0),
        ("--no-trust-remote-code", 0),
        ("--headless", 0),
        ("--num-gpu-blocks-override", 1),
        ("--served-model-name", -1),
    ],
)
def test_flags_that_leave_the_cache_are_ignored_with_their_values(flag: str, takes: int) -> None:
    assert SERVER.ignored[flag] == takes


@each(
    ("text", "count"),
    [
        ("8192", 8192),
        ("8k", 8000),
        ("8K", 8192),
        ("25.6k", 25_600),
        ("1m", 10**6),
        ("2M", 2**21),
        ("1G", 2**30),
        ("0.5t", 5 * 10**11),
    ],
)
def test_small_letters_are_thousands_and_capitals_1024s(text: str, count: int) -> None:
    assert human_readable_int(text) == count


@each("text", ["", "k", "1.5", "1.5K", "0.0001k", "8x", "-1", "8 K", "1_000"])
def test_other_counts_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text) or "^$"):
        human_readable_int(text)


@each(
    ("settings", "finished"),
    [
        ({"dtype": "half"}, {"kv_cache_dtype": "float16"}),
        ({"dtype": "float"}, {"kv_cache_dtype": "float32"}),
        ({"dtype": "bfloat16", "kv_cache_dtype": "auto"}, {"kv_cache_dtype": "bfloat16"}),
        ({"dtype": "auto", "kv_cache_dtype": "fp8"}, {"kv_cache_dtype": "fp8"}),
        (
            {"attention_config": '{"backend": "FLASHINFER", "flash_attn_version": 3}'},
            {"attention_backend": "FLASHINFER", "flash_attention_version": 3},
        ),
        (
            {"attention_config": '{"indexer_kv_dtype": "fp8_e4m3"}'},
            {"indexer_kv_dtype": "fp8_e4m3"},
        ),
        ({"speculative_config": '{"method": "eagle3"}'}, {"speculative_method": "eagle3"}),
        ({"speculative_config": '{"method": "ngram_gpu"}'}, {}),
        ({"speculative_config": '{"method": "custom_class"}'}, {"async_scheduling": False}),
        ({"speculative_config": '{"model": "pkg.Proposer"}'}, {"async_scheduling": False}),
        ({"speculative_config": '{"model": "a/EAGLE-b"}'}, {"speculative_method": "eagle"}),
        (
            {"speculative_config": '{"model": "a/b_EAGLE3", "num_speculative_tokens": 3}'},
            {"speculative_method": "eagle3", "num_speculative_tokens": 3},
        ),
        (
            {"speculative_config": '{"method": "ngram", "num_speculative_tokens": 4}'},
            {"num_speculative_tokens": 4},
        ),
        (
            {"speculative_method": "suffix", "num_speculative_tokens": "4"},
            {"num_speculative_tokens": "4", "async_scheduling": False},
        ),
        ({"runner": "auto", "convert": "embed"}, {"runner": "pooling"}),
        ({"runner": "generate", "convert": "none"}, {"runner": "generate"}),
        ({"kv_events_config": "{}"}, {"enable_kv_cache_events": True}),
        (
            {"speculative_method": "deepseek_mtp", "num_speculative_tokens": "2"},
            {"speculative_method": "mtp", "num_speculative_tokens": "2"},
        ),
        (
            {"speculative_config": '{"method": "qwen3_next_mtp", "num_speculative_tokens": 2}'},
            {"speculative_method": "mtp", "num_speculative_tokens": 2},
        ),
    ],
)
def test_what_is_given_together_is_taken_apart(
    settings: dict[str, str], finished: dict[str, object]
) -> None:
    asked = finish(Asked(settings=dict(settings)))
    assert (asked.settings, asked.notes) == (finished, [])
    VllmSettings(**asked.settings)


@each(
    ("settings", "note"),
    [
        (
            {"attention_config": '{"other": 1}'},
            "ignored, for kvcalc does not know them: '--attention-config.other'",
        ),
        (
            {"speculative_config": '{"method": "mtp", "other": 1}'},
            "ignored, for kvcalc does not know them: '--speculative-config.other'",
        ),
        (
            {"speculative_config": '{"method": "dspark"}'},
            "the draft 'dspark' is not counted: of the method 'dspark' it has layers of its own",
        ),
        (
            {"speculative_config": '{"model": "a/small", "num_speculative_tokens": 4}'},
            "the draft 'a/small' is not counted: of the method 'draft_model' it has layers",
        ),
        (
            {"speculative_config": '{"method": "eagle", "draft_tensor_parallel_size": 2}'},
            "the draft is counted over all ranks, not over '2'",
        ),
        (
            {"kv_offloading_size": "64"},
            "--kv-offloading-size: copies of the cache take '64' GiB of main memory on top",
        ),
        (
            {"speculative_config": '{"method": "extract_hidden_states", "model": "m"}'},
            "of the method 'extract_hidden_states' it has layers of its own",
        ),
        (
            {"speculative_config": '{"model": "z-lab/Qwen3-8B-DFlash-b16"}'},
            "of the method 'dflash' it has layers of its own",
        ),
        *(
            (
                {
                    "kv_transfer_config": '{"kv_connector": "OffloadingConnector", '
                    f'"kv_connector_extra_config": {{"{key}": 1000}}}}'
                },
                "OffloadingConnector: its copies in main memory come on top",
            )
            for key in ("cpu_bytes_to_use", "num_cpu_blocks")
        ),
        ({"data_parallel_size": "8"}, "starts that many replicas; the answer is one's"),
        (
            {"kv_offloading_size": "64", "kv_offloading_backend": "lmcache"},
            "--kv-offloading-size: copies",
        ),
        (
            {"kv_transfer_config": '{"kv_connector": "LMCacheMPConnector"}'},
            "LMCacheMPConnector: whether it turns the hybrid manager off depends on lmcache's",
        ),
        (
            {"hf_overrides": '{"architectures": ["A"]}'},
            "--hf-overrides: 'architectures' is not read; the model's own file is",
        ),
    ],
)
def test_what_is_not_counted_is_said(settings: dict[str, str], note: str) -> None:
    assert any(note in one for one in finish(Asked(settings=dict(settings))).notes)


@each(
    ("settings", "sentence"),
    [
        ({"speculative_config": '{"num_speculative_tokens": 3}'}, "neither method nor model"),
        (
            {"speculative_config": '{"method": "mtp", "kv_cache_dtype": "fp8"}'},
            "kv_cache_dtype: it gives the draft's layers a format of their own",
        ),
        (
            {"attention_config": '{"backend_per_kind": {}}'},
            "backends of each kind of layer choose each its own blocks",
        ),
        *(
            ({"hf_overrides": f'{{"{key}": 2}}'}, f"'{key}' may change what the model caches")
            for key in (
                *("head_dim", "num_layers", "sliding_window", "attention_chunk_size"),
                *("kv_lora_rank", "ssm_state_size", "conv_kernel", "hidden_size"),
            )
        ),
        ({"attention_config": '{"hisparse_config": {}}'}, "HiSparse keeps rows in main memory"),
        (
            {"kv_transfer_config": '{"kv_connector": "HiSparseConnector"}'},
            "HiSparse keeps rows in main memory",
        ),
        (
            {"hf_overrides": '{"text_config": {"num_hidden_layers": 2}}'},
            "'num_hidden_layers' may change what the model caches",
        ),
        ({"kv_offloading_size": "1", "kv_offloading_backend": "x"}, "one of native, lmcache"),
    ],
)
def test_what_changes_the_cache_otherwise_is_refused(
    settings: dict[str, str], sentence: str
) -> None:
    with pytest.raises(KvcalcError, match=sentence):
        finish(Asked(settings=dict(settings)))


def test_the_models_own_layers_draft_where_the_draft_is_the_model() -> None:
    asked = finish(Asked(model="a/b", settings={"speculative_config": '{"model": "a/b"}'}))
    assert asked.settings == {"speculative_method": "mtp"}


EXAONE = "k-exaone-236b-a23b"
TRANSFER = """--kv-transfer-config '{"kv_connector":"%s","kv_role":"kv_both"}'"""
SEVERAL = (
    """--kv-transfer-config '{"kv_connector":"MultiConnector","kv_role":"kv_both","""
    """"kv_connector_extra_config":{"connectors":[{"kv_connector":"%s"}]}}'"""
)
EAGLE = """--speculative-config '{"method":"eagle3","model":"x/e","num_speculative_tokens":3}'"""


@each(
    ("line", "gib"),
    [
        *(
            (f"{EXAONE} {flag % name}", "24.00")
            for flag in (TRANSFER, SEVERAL)
            for name in ("LMCacheConnectorV1", "FlexKVConnectorV1", "ExampleConnector")
        ),
        (f"{EXAONE} {TRANSFER % 'HF3FSKVConnector'}", "24.00"),
        (f"{EXAONE} {TRANSFER % 'NixlConnector'}", "8.27"),
        (f"{EXAONE} --kv-offloading-size 8 --kv-offloading-backend lmcache", "24.00"),
        (f"{EXAONE} --kv-offloading-size 8", "8.27"),
        (f"gemma-3-27b {TRANSFER % 'LMCacheConnectorV1'}", "62.00"),
        (f"gpt-oss-120b {TRANSFER % 'LMCacheConnectorV1'}", "9.00"),
        (f"llama-4-scout -tp 8 {EAGLE}", "24.50"),
        (f"{EXAONE} --runner pooling", "7.14"),
        (f"{EXAONE} --performance-mode throughput", "10.52"),
        (f"{EXAONE} --no-enable-chunked-prefill", "24.00"),
        (f"{EXAONE} --kv-events-config '{{}}'", "8.27"),
    ],
)
def test_flags_that_change_the_cache_are_followed(line: str, gib: str) -> None:
    assert f"{in_bytes(f'{line} --max-model-len 131072') / 2**30:.2f}" == gib


def test_without_a_length_a_whole_prefill_is_of_the_models_own() -> None:
    _, asked = read(f"vllm serve {EXAONE} --no-enable-chunked-prefill")
    model = kvcalc.load(EXAONE)
    assert (asked.context, model.max_context) == (None, 262_144)
    cost = kvcalc.cost(model, "vllm", **asked.settings)
    assert cost(262_144) == cost(262_144 - 1) == 48 * 2**30 + 36 * 65_536


@pytest.mark.parametrize("kernels", ["deepep_low_latency", "nixl_ep"])
def test_a_batch_over_kernels_for_few_tokens_is_256(kernels: str) -> None:
    over = f"-dp 8 --enable-expert-parallel --all2all-backend {kernels} --max-model-len 262144"
    assert f"{in_bytes(f'{EXAONE} {over}') / 2**30:.2f}" == "12.09"
    assert in_bytes(f"{EXAONE} {over.replace('-dp 8', '')}") == 15_322_054_656
    assert in_bytes(f"{EXAONE} {over}", release="0.19.1") == in_bytes(
        f"{EXAONE} --max-model-len 262144", release="0.19.1"
    )


@each(
    ("release", "flag", "whole"),
    [
        ("0.19.1", "--kv-events-config '{}'", True),
        ("0.20.0", "--kv-events-config '{}'", False),
        ("0.21.0", TRANSFER % "NixlConnector", True),
        ("0.22.0", TRANSFER % "NixlConnector", False),
    ],
)
def test_what_turns_the_hybrid_manager_off_differs_by_release(
    release: str, flag: str, whole: bool
) -> None:
    found = in_bytes(f"{EXAONE} {flag} --max-model-len 131072", release=release)
    assert (found == 24 * 2**30) == whole


def in_bytes(line: str, **settings: Any) -> int:
    """What one request of a line takes."""
    _, asked = read(f"vllm serve {line}")
    assert asked.model is not None
    assert asked.context is not None
    cost = kvcalc.cost(kvcalc.load(asked.model), "vllm", **asked.settings, **settings)
    return cost(asked.context)


@each(
    ("length", "said"),
    [("--max-model-len 8192", False), ("", True), ("--max-model-len auto", True)],
)
def test_positions_that_are_overridden_may_change_the_longest_context(
    length: str, said: bool
) -> None:
    overrides = """--hf-overrides '{"text_config": {"rope_parameters": {"factor": 4}}}'"""
    _, asked = read(f"vllm serve m {overrides} {length}")
    assert asked.settings == {}
    assert "'rope_parameters': fit counts tables of positions as the file has" in asked.notes[0]
    assert [("may change the longest context" in note) for note in asked.notes[1:]] == [True] * said


@pytest.mark.parametrize("start", ["vllm serve m", "vllm serve m --attention-backend TRITON_ATTN"])
@pytest.mark.parametrize(
    ("release", "reads"), [("0.11.2", True), ("0.14.1", True), ("0.15.0", False), (None, False)]
)
def test_a_variable_is_taken_by_the_releases_that_read_it(
    start: str, release: str | None, reads: bool
) -> None:
    """VLLM_ATTENTION_BACKEND, which won over the flag, is in envs.py up to 0.14."""
    flag = read(start)[1].settings.get("attention_backend")
    _, asked = read(f"VLLM_ATTENTION_BACKEND=FLASHINFER {start}", release=release)
    assert asked.settings.get("attention_backend") == ("FLASHINFER" if reads else flag)
    assert any("does not read it any more" in note for note in asked.notes) != reads
    image = f"vllm/vllm-openai:v{release or 'latest'}"
    line = f"docker run -e VLLM_ATTENTION_BACKEND=FLASHINFER {image} {start}"
    assert read(line)[1].settings.get("attention_backend") == ("FLASHINFER" if reads else flag)


@pytest.mark.parametrize(
    "variable",
    ["VLLM_MLA_DISABLE=1", "VLLM_ALLOW_CHUNKED_LOCAL_ATTN_WITH_HYBRID_KV_CACHE=0"],
)
def test_a_variable_that_changes_what_is_kept_is_refused(variable: str) -> None:
    with pytest.raises(KvcalcError, match="is not known, and may say how much is held"):
        read(f"{variable} vllm serve m")


@pytest.mark.parametrize("flag", ["attention_config", "speculative_config"])
@pytest.mark.parametrize("text", ["{", "8", "[]", "[" * 50_000])
def test_what_is_no_json_is_one_sentence(flag: str, text: str) -> None:
    with pytest.raises(KvcalcError, match="expected JSON"):
        finish(Asked(settings={flag: text}))


@each(
    ("release", "key", "index"),
    [
        ("0.25.1", "use_fp4_indexer_cache=True", None),
        ("0.27.0", "use_fp4_indexer_cache=True", "mxfp4"),
        ("0.27.0", "use_fp4_indexer_cache", "mxfp4"),
        ("0.27.0", "use_fp4_indexer_cache=false", None),
        ("0.27.0", "indexer_kv_dtype=mxfp4", None),
        ("0.27.0", "indexer_kv_dtype=fp8", "fp8"),
        ("0.28.0", "use_fp4_indexer_cache=1", "mxfp4"),
        ("0.28.0", "indexer_kv_dtype=mxfp4", "mxfp4"),
        ("0.33.0", "indexer_kv_dtype=mxfp4", "mxfp4"),
    ],
)
def test_an_index_in_4_bits_is_asked_for_by_the_keys_of_the_release(
    release: str, key: str, index: str | None
) -> None:
    """config/attention.py and models/deepseek_v4/attention.py of each."""
    line = f"docker run vllm/vllm-openai:v{release} --model m --attention_config.{key}"
    _, asked = read(line)
    assert asked.settings.get("indexer_kv_dtype") == index
    unread = key == "indexer_kv_dtype=mxfp4" and index is None
    assert ["stores no index" in note for note in asked.notes] == [True] * unread


def test_a_key_that_the_release_has_no_more_is_refused() -> None:
    with pytest.raises(KvcalcError, match=r"vllm 0.33.0 does not have use_fp4_indexer_cache"):
        read("vllm serve m --attention-config.use_fp4_indexer_cache=True")

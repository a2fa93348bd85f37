"""What SGLang's server makes of its command line."""

from typing import Any

import pytest

import kvcalc
from kvcalc.engines import ENGINES
from kvcalc.engines.server.asked import Asked
from kvcalc.engines.server.reader import read
from kvcalc.engines.sglang.server import SERVER
from kvcalc.engines.sglang.settings import SglangSettings
from tests.each import each


def asked(line: str) -> Asked:
    """Read the words after `sglang serve`."""
    return read(f"sglang serve {line}")[1]


def test_the_servers_command_line() -> None:
    found = asked(
        "--model-path org/model --tp 4 --context-length 262144 --kv-cache-dtype fp8_e5m2 "
        "--page-size 16 --mem-fraction-static 0.8 --trust-remote-code --disable-radix-cache"
    )
    assert (found.model, found.context, found.share) == ("org/model", 262_144, "0.8")
    assert found.settings == {
        "tensor_parallel_size": "4",
        "kv_cache_dtype": "fp8_e5m2",
        "page_size": "16",
        "disable_radix_cache": True,
    }
    assert found.notes == []
    assert ENGINES["sglang"].programs == ("sglang.launch_server", "sglang")


def test_running_requests_are_the_sequences_and_a_setting() -> None:
    found = asked("--max-running-requests 48")
    assert (found.sequences, found.settings) == (48, {"max_running_requests": "48"})


@each(
    ("line", "settings", "note"),
    [
        ("--dtype half --kv-cache-dtype auto", {"kv_cache_dtype": "half"}, None),
        (
            "--dp-size 4 --tp-size 8 --enable-dp-attention",
            {"tensor_parallel_size": "8", "attn_dp_size": "4"},
            None,
        ),
        ("--dp 4", {}, "starts that many replicas"),
        ("--pp-size 1 --dcp-size 1 --attn-cp-size 1", {}, None),
        (
            "--pipeline-parallel-size 2",
            {"disable_overlap_schedule": True},
            "each stage holds its own layers alone",
        ),
        ("--enable-mis", {"disable_radix_cache": True, "chunked_prefill_size": -1}, None),
        (
            "--disaggregation-mode decode --disaggregation-decode-extra-slots 4",
            {
                "disable_radix_cache": True,
                "disaggregation_mode": "decode",
                "disaggregation_decode_extra_slots": "4",
            },
            "slots for requests on their way",
        ),
        (
            "--disaggregation-mode decode --disaggregation-decode-enable-radix-cache",
            {"disaggregation_mode": "decode"},
            "slots for requests on their way",
        ),
        (
            "--disaggregation-mode prefill",
            {"disaggregation_mode": "prefill"},
            "slots for requests on their way",
        ),
        ("--enable-deterministic-inference", {}, "run without the radix cache"),
        (
            "--prefill-attention-backend fa3 --decode-attention-backend fa3",
            {"attention_backend": "fa3"},
            None,
        ),
        ("--decode-attention-backend flashmla", {}, "may ask for another page"),
        (
            "--prefill-attention-backend fa3 --decode-attention-backend flashmla",
            {},
            "may ask for another page",
        ),
        (
            "--speculative-dspark-block-size 5",
            {"speculative_num_draft_tokens": 6},
            None,
        ),
        ("--speculative-dflash-block-size 5", {"speculative_num_draft_tokens": "5"}, None),
        (
            "--mamba-scheduler-strategy extra_buffer",
            {"mamba_radix_cache_strategy": "extra_buffer"},
            None,
        ),
        ("--json-model-override-args '{\"rope_theta\": 1}' --context-length 8192", {}, None),
        ("--json-model-override-args '{\"rope_theta\": 1}'", {}, "may change the longest context"),
        ("--dsa-decode-backend fa3", {}, "as SGLang stores them by itself"),
        ("--speculative-algorithm EAGLE", {}, "counted only where draft_layers gives them"),
    ],
)
def test_flags_that_are_no_settings(line: str, settings: dict[str, Any], note: str | None) -> None:
    found = asked(line)
    assert found.settings == settings
    assert any(note in one for one in found.notes) if note else not found.notes


@each(
    ("text", "count"),
    [
        ("8192", 8192),
        ("32k", 32_000),
        ("32Ki", 32_768),
        ("256Ki", 262_144),
        ("1M", 1_000_000),
        ("1Mi", 1_048_576),
        ("25.6k", 25_600),
        ("1.00051k", 1000),
    ],
)
def test_suffixes_are_thousands_and_with_an_i_1024s(text: str, count: int) -> None:
    """srt/utils/common.py, human_readable_int, of --context-length and --max-total-tokens."""
    found = asked(f"--context-length {text} --max-total-tokens {text}")
    assert found.context == count
    assert int(found.settings["max_total_tokens"]) == count


@each("text", ["32K", "1.5Ki", "1.5", "32kb", "0x10", "k"])
def test_what_sglang_does_not_take_for_a_count_is_refused(text: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=r"'--context-length': found .*, expected a whole"):
        asked(f"--context-length {text}")


@each(
    ("line", "sentence"),
    [
        ("--dcp-size 4", "--dcp-size: found '4', expected 1: ranks share the tokens of a context"),
        ("--attn-cp-size 2", "--attn-cp-size: found '2', expected 1: ranks share the tokens of a"),
        (
            "--json-model-override-args '{\"num_hidden_layers\": 2}'",
            "'num_hidden_layers' may change what the model caches",
        ),
        ("--json-model-override-args {", "--json-model-override-args: found '{', expected JSON"),
        ("--enable-hisparse", "HiSparse keeps rows in main memory"),
        ("--enable-unified-memory", "one buffer is shared by all pools"),
        ("--is-embedding --prefill-only-disable-kv-cache", "such a server keeps no cache"),
    ],
)
def test_what_changes_the_cache_otherwise_is_refused(line: str, sentence: str) -> None:
    with pytest.raises(kvcalc.KvcalcError) as refused:
        asked(line)
    assert sentence in str(refused.value)


@each(
    "variable",
    [
        "SGLANG_MAMBA_CONV_DTYPE=float32",
        "SGLANG_OPT_MAMBA_SKIP_DECODE_LOCK=1",
        "SGLANG_OPT_USE_ONLINE_COMPRESS=1",
        "SGLANG_DSV4_UNIFIED_KV_FP8=1",
        "SGLANG_DSV4_COMPRESSED_KV_LAYOUT=x",
        "SGLANG_USE_HND_KVCACHE=1",
    ],
)
def test_a_variable_that_changes_what_is_held_is_refused(variable: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match="is not known, and may say how much is held"):
        read(f"{variable} sglang serve m")


def test_a_variable_gives_the_type_of_states_where_no_flag_does() -> None:
    line = "SGLANG_MAMBA_SSM_DTYPE=bfloat16 sglang serve m"
    assert read(line)[1].settings == {"mamba_ssm_dtype": "bfloat16"}
    flag = read(f"{line} --mamba-ssm-dtype float32")[1]
    assert flag.settings == {"mamba_ssm_dtype": "float32"}


def test_a_count_of_replicas_that_is_none_is_refused() -> None:
    with pytest.raises(kvcalc.KvcalcError, match="--dp-size: found 'many'"):
        asked("--dp-size many")


TAKEN_APART = {
    *("dp_size", "dtype", "pp_size", "dcp_size", "attn_cp_size", "json_model_override_args"),
    *("speculative_algorithm", "speculative_dspark_block_size"),
    *("prefill_attention_backend", "decode_attention_backend"),
}
"""What flags give that `finish` makes settings of."""


def test_no_flag_is_in_two_tables() -> None:
    assert not (SERVER.gives.keys() | SERVER.switches.keys()) & SERVER.ignored.keys()
    assert not SERVER.values.keys() & SERVER.switches.keys()
    named = {*SERVER.values.values()} - {"model", "revision", "context"} - TAKEN_APART
    assert named <= SglangSettings.model_fields.keys()

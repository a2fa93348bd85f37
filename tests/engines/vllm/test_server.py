"""What `vllm serve` makes of its command line."""

import re

import pytest

from kvcalc.engines import ENGINES
from kvcalc.engines.server import Asked
from kvcalc.engines.vllm.server import SERVER, SWITCHES, VALUES, finish, human_readable_int
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError

TAKEN_APART = {
    "model",
    "context",
    "sequences",
    "dtype",
    "speculative_config",
    "attention_config",
    "whole_prefill",
    "kv_transfer_config",
}

NAMED = (
    "--disable-sliding-window",
    "--hf-overrides",
    "--config",
    "--mamba-block-size",
    "--mamba-cache-dtype",
    "--performance-mode",
    "--spec-model",
)
"""Flags that change the cache, or may, in ways that are not counted."""


def test_flags_name_settings_and_stand_in_one_table() -> None:
    assert {"vllm", "vllm.entrypoints.openai.api_server"} <= set(ENGINES["vllm"].programs)
    settings = {*VALUES.values(), *(name for name, _ in SWITCHES.values())}
    assert settings - TAKEN_APART <= VllmSettings.model_fields.keys()
    assert not VALUES.keys() & SWITCHES.keys()
    assert not SERVER.ignored.keys() & (VALUES.keys() | SWITCHES.keys())
    assert not any(flag in table for flag in NAMED for table in (SERVER.ignored, VALUES, SWITCHES))
    assert SERVER.positional_model


@pytest.mark.parametrize(
    ("flag", "takes"),
    [
        ("--trust-remote-code", 0),
        ("--no-trust-remote-code", 0),
        ("--enable-chunked-prefill", 0),
        ("--headless", 0),
        ("--kv-cache-memory-bytes", 1),
        ("--num-gpu-blocks-override", 1),
        ("--data-parallel-size", 1),
        ("--served-model-name", -1),
    ],
)
def test_flags_that_leave_the_cache_are_ignored_with_their_values(flag: str, takes: int) -> None:
    assert SERVER.ignored[flag] == takes


@pytest.mark.parametrize(
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


@pytest.mark.parametrize("text", ["", "k", "1.5", "1.5K", "0.0001k", "8x", "-1", "8 K", "1_000"])
def test_other_counts_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text) or "^$"):
        human_readable_int(text)


@pytest.mark.parametrize(
    ("settings", "finished"),
    [
        ({"dtype": "half"}, {"kv_cache_dtype": "float16"}),
        ({"dtype": "float"}, {"kv_cache_dtype": "float32"}),
        ({"dtype": "bfloat16", "kv_cache_dtype": "auto"}, {"kv_cache_dtype": "bfloat16"}),
        ({"dtype": "auto", "kv_cache_dtype": "fp8"}, {"kv_cache_dtype": "fp8"}),
        (
            {"attention_config": '{"backend": "FLASHINFER", "flash_attn_version": 3, "other": 1}'},
            {"attention_backend": "FLASHINFER", "flash_attention_version": 3},
        ),
        (
            {"attention_config": '{"indexer_kv_dtype": "fp8_e4m3"}'},
            {"indexer_kv_dtype": "fp8_e4m3"},
        ),
        ({"speculative_config": '{"method": "eagle3"}'}, {"speculative_method": "eagle3"}),
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


@pytest.mark.parametrize(("batch", "expected"), [(None, 32_768), ("64k", 64_000)])
def test_without_chunks_a_batch_holds_the_context(batch: str | None, expected: int) -> None:
    settings = {"whole_prefill": True} | ({"max_num_batched_tokens": batch} if batch else {})
    asked = finish(Asked(context=32_768, settings=settings))
    assert asked.settings == {"max_num_batched_tokens": expected}


@pytest.mark.parametrize(
    ("context", "batch", "sentence"),
    [
        (None, "8192", "--no-enable-chunked-prefill needs --max-model-len"),
        (4096, "many", "--max-num-batched-tokens: found 'many', expected a whole number"),
    ],
)
def test_without_chunks_context_and_batch_must_be_known(
    context: int | None, batch: str, sentence: str
) -> None:
    settings = {"whole_prefill": True, "max_num_batched_tokens": batch}
    with pytest.raises(KvcalcError, match=sentence):
        finish(Asked(context=context, settings=settings))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (
            {"speculative_config": '{"method": "ngram"}'},
            """--speculative-config '{"method": "ngram"}'""",
        ),
        (
            {"speculative_method": "ngram", "num_speculative_tokens": "4"},
            "--spec-method 'ngram'",
        ),
    ],
)
def test_a_draft_of_another_method_is_named_and_not_counted(
    settings: dict[str, str], named: str
) -> None:
    asked = finish(Asked(settings=dict(settings)))
    assert asked.settings == {}
    assert asked.notes[0].startswith(f"the draft of {named} is not counted: kvcalc knows")


@pytest.mark.parametrize("flag", ["attention_config", "speculative_config"])
@pytest.mark.parametrize("text", ["{", "8", "[]", "[" * 50_000])
def test_what_is_no_json_is_one_sentence(flag: str, text: str) -> None:
    with pytest.raises(KvcalcError, match="expected JSON"):
        finish(Asked(settings={flag: text}))

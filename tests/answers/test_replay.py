"""What a prefix cache hits: the answer's own sums, sizes and refusals."""

import json
from pathlib import Path
from typing import Any

import pytest

import kvcalc

TRACES = Path("tests/oracles/traces/replay")
MULTI_TURN = TRACES / "multi_turn.jsonl"
MOONCAKE = Path("tests/oracles/traces/mooncake.jsonl")
EXAONE = kvcalc.load("k-exaone-236b-a23b")
BLOCK = 786_432
"""Bytes of a block of K-EXAONE in bfloat16 on one rank."""


def test_the_windows_cut_shows_in_hits_at_the_same_memory() -> None:
    found = kvcalc.replay(EXAONE, MULTI_TURN, window=[4_096, 128], blocks=[997, 1_352])
    assert [(row.window, row.blocks, row.memory) for row in found.rows] == [
        (4_096, 997, 997 * BLOCK),
        (4_096, 1_352, 1_352 * BLOCK),
        (128, 997, 997 * BLOCK),
        (128, 1_352, 1_352 * BLOCK),
    ]
    assert [row.hit_tokens for row in found.rows] == [35_936, 43_904, 61_200, 71_728]
    for row in found.rows:
        each = [one for one in found.each if (one.window, one.blocks) == (row.window, row.blocks)]
        assert row.requests == len(each) == 74
        assert row.prompt_tokens == sum(one.prompt_tokens for one in each) == 112_244
        assert row.hit_tokens == sum(one.hit_tokens for one in each)
        assert row.computed_tokens == row.prompt_tokens - row.hit_tokens
        assert row.evicted_blocks == sum(row.evicted_by_group)
        assert len(row.groups) == len(row.evicted_by_group) == 4


def test_a_memory_is_the_engines_own_pool() -> None:
    memory = 2 * 2**30
    blocks = kvcalc.pool(EXAONE, memory=memory, context=8_192).figures["num_gpu_blocks"]
    by_memory = kvcalc.replay(EXAONE, MULTI_TURN, memory=memory).rows[0]
    by_blocks = kvcalc.replay(EXAONE, MULTI_TURN, blocks=blocks).rows[0]
    assert (by_memory.blocks, by_memory.memory) == (blocks, memory)
    assert by_memory.hit_tokens == by_blocks.hit_tokens


def test_gpus_hold_what_fit_promises_one_copy() -> None:
    given: dict[str, Any] = {"engine": "vllm", "weights": 240_000_000_000}
    fitted = kvcalc.fit(EXAONE, gpu="h200", gpus=4, context=8_192, **given)
    row = kvcalc.replay(EXAONE, MULTI_TURN, gpu="h200", gpus=4, **given).rows[0]
    assert fitted.promised_cache_memory_per_gpu is not None
    assert row.memory is not None
    assert 0 <= row.memory - fitted.promised_cache_memory_per_gpu < BLOCK // 2
    llama = kvcalc.load("llama-3.1-8b")
    with pytest.raises(kvcalc.RequestError, match="each copy has its own cache"):
        kvcalc.replay(llama, MULTI_TURN, gpu="h200", gpus=2, tensor_parallel_size=1)


def test_answers_may_be_left_out_and_requests_may_come_when_they_do() -> None:
    llama = kvcalc.load("llama-3.1-8b")
    whole = kvcalc.replay(llama, MULTI_TURN, blocks=2_000).rows[0]
    prompts = kvcalc.replay(llama, MULTI_TURN, blocks=2_000, prompts_only=True).rows[0]
    timed = kvcalc.replay(llama, MULTI_TURN, blocks=2_000, prefill_rate=8_000, decode_rate=50)
    assert prompts.hit_tokens < whole.hit_tokens
    assert whole.served == "one after another"
    assert (timed.rows[0].served, timed.rows[0].prefill_rate) == ("as they come", 8_000)


@pytest.mark.parametrize(
    ("window", "interval", "hits"),
    [(4_096, 0, 129_536), (128, 0, 126_976), (4_096, "none", 227_328), (128, "none", 227_328)],
)
def test_a_cache_that_is_never_full_hits_what_the_engine_names(
    window: int, interval: int | str, hits: int
) -> None:
    row = kvcalc.replay(
        EXAONE, MOONCAKE, window=window, prefix_cache_retention_interval=interval
    ).rows[0]
    assert (row.blocks, row.memory, row.evicted_blocks) == (None, None, 0)
    assert row.hit_tokens == hits


def test_what_was_not_followed_of_a_draft_is_said() -> None:
    llama = kvcalc.load("llama-3.1-8b")
    drafted = kvcalc.replay(llama, MULTI_TURN, blocks=2_000, speculative_method="eagle")
    assert "ahead of a sequence for a draft's tokens are not counted" in drafted.notes[0]
    assert kvcalc.replay(llama, MULTI_TURN, blocks=2_000).notes == ()


FORMS = {
    "runs": {"t": 0, "prompt": [[7, 40]], "output": [[900, 3]]},
    "ids": {"prompt_token_ids": [*range(7, 47)], "token_ids": [900, 901, 902]},
    "ids of runs' keys": {"t": 0, "prompt": [*range(7, 47)], "output": [900, 901, 902]},
    "blocks of 16": {
        "chat_id": 1,
        "timestamp": 0.5,
        "input_length": 40,
        "output_length": 3,
        "hash_ids": [1, 2, 3],
    },
    "whole blocks of 16": {
        "chat_id": 1,
        "timestamp": 0.5,
        "input_length": 40,
        "output_length": 3,
        "hash_ids": [1, 2],
    },
    "blocks of 512": {
        "timestamp": 5,
        "input_length": 40,
        "output_length": 3,
        "hash_ids": [1],
    },
}


@pytest.mark.parametrize("line", FORMS.values(), ids=FORMS)
def test_each_form_of_a_trace_is_read(line: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text(2 * (json.dumps(line) + "\n"))
    found = kvcalc.replay(kvcalc.load("llama-3.1-8b"), file)
    assert [one.hit_tokens for one in found.each] == [0, 32]
    assert found.rows[0].prompt_tokens == 80


REFUSED = {
    "no JSON": ("{", "line 1"),
    "no object": ("[1]", "expected a JSON object"),
    "no request": ('{"tokens": 5}', "expected hash_ids"),
    "too few ids": (
        '{"timestamp": 0, "input_length": 2000, "output_length": 1, "hash_ids": [1]}',
        "found 1 ids, expected 4",
    ),
    "no whole ids": (
        '{"timestamp": 0, "input_length": 5, "output_length": 1, "hash_ids": ["a"]}',
        "expected a list of whole numbers",
    ),
    "an id below 0": (
        '{"timestamp": 0, "input_length": 5, "output_length": 1, "hash_ids": [-1]}',
        "outside 0 to",
    ),
    "no tokens": ('{"t": 0, "prompt": [], "output": []}', "found no tokens"),
    "no run": ('{"t": 0, "prompt": [[1, -2]], "output": []}', "how many"),
    "too many tokens": ('{"t": 0, "prompt": [[1, 2000000000]], "output": []}', "more than"),
    "too many lists": (f'{{"prompt_token_ids": [{"[]," * 2**19}1]}}', "524,290 lists and objects"),
    "too long a line": ("1" * (2**23 + 1), "found a line of over 8,388,608 characters"),
    "no time": ('{"t": "now", "prompt": [[1, 2]], "output": []}', "expected a time in ms"),
}


@pytest.mark.parametrize(("line", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_request_is_named_with_its_line(line: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(kvcalc.SourceError, match=r"line 1: |a line of") as caught:
        kvcalc.replay(kvcalc.load("llama-3.1-8b"), file)
    assert why in str(caught.value)


UNANSWERED = {
    "an engine": ({"engine": "mlx"}, "mlx: kvcalc does not know what its prefix cache keeps"),
    "a release": ({"engine": "vllm@0.25.1"}, "found 0.25.1, expected 0.33.0"),
    "no prefix cache": ({"enable_prefix_caching": False}, "nothing hits"),
    "a connector": ({"kv_connector": "LMCacheConnectorV1"}, "outside of the pool"),
    "an interval of parts of blocks": (
        {"prefix_cache_retention_interval": 100},
        "prefix_cache_retention_interval: found 100, expected 0, or beside windows a multiple",
    ),
    "two sizes": ({"memory": 2**30, "blocks": 5}, "give one size"),
    "no blocks": ({"blocks": 0}, "expected a positive int"),
    "one rate": ({"prefill_rate": 5}, "decode_rate: missing"),
}


@pytest.mark.parametrize(("given", "why"), UNANSWERED.values(), ids=UNANSWERED)
def test_what_was_not_replayed_is_refused_by_name(given: dict[str, Any], why: str) -> None:
    with pytest.raises(kvcalc.KvcalcError) as caught:
        kvcalc.replay(EXAONE, MULTI_TURN, **given)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("model", "given", "why"),
    [
        ("llama-4-scout", {}, "chunked_attention"),
        (
            "llama-3.1-8b",
            {"tensor_parallel_size": 16, "decode_context_parallel_size": 2},
            "decode_context_parallel_size: found more than 1",
        ),
        (
            "deepseek-v3",
            {"prefill_context_parallel_size": 2},
            "prefill_context_parallel_size: found more than 1",
        ),
        (
            "llama-3.1-8b",
            {"prefix_cache_retention_interval": 64},
            "prefix_cache_retention_interval: found 64",
        ),
        (
            "tests/oracles/configs/google--gemma-4-26B-A4B.json",
            {"speculative_method": "eagle"},
            "speculative_method: found a draft in a full group",
        ),
    ],
)
def test_a_model_whose_blocks_were_not_followed_is_refused(
    model: str, given: dict[str, Any], why: str
) -> None:
    with pytest.raises(kvcalc.UnsupportedError, match=why):
        kvcalc.replay(kvcalc.load(model), MULTI_TURN, **given)

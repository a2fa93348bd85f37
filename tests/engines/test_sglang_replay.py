"""SGLang's RadixCache: each recorded replay, and what is refused."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.replay import Request
from kvcalc.engines.sglang.replay import Served
from kvcalc.readers.tokens import Tokenizing
from kvcalc.readers.traces.requests import requests
from tests.each import each

ORACLES = Path("tests/oracles")
CASES = json.loads((ORACLES / "sglang_replay.json").read_text())["cases"]
TREE = ORACLES / "traces/replay/tree_small.jsonl"
LLAMA = kvcalc.load("llama-3.1-8b")


def digest(parts: Iterable[object]) -> str:
    return hashlib.sha256(",".join(map(str, parts)).encode()).hexdigest()[:16]


def test_each_recorded_replay_is_the_engines_own() -> None:
    assert len(CASES) == 34
    for case in CASES:
        asked = list(requests([ORACLES / "traces/replay" / case["trace"]], Tokenizing(None)))
        evictions: list[int] = []
        pool = Served(case["max_total_num_tokens"], case["page_size"], evictions.append)
        hits = [pool.serve(one, case["chunked_prefill_size"]) for one in asked]
        nodes = list(pool.tree.nodes())
        assert case["result"] == {
            "requests": len(asked),
            "prompt_tokens": sum(one.prompt_tokens for one in asked),
            "hit_tokens": sum(hit or 0 for hit in hits),
            "hits_digest": digest(hit or 0 for hit in hits),
            "evicted_tokens": pool.tree.evicted,
            "evictions": len(evictions),
            "evictions_digest": digest(evictions),
            "tree_tokens": sum(node.length for node in nodes),
            "tree_nodes": len(nodes),
            "refused": [place for place, hit in enumerate(hits) if hit is None],
        }, case


def test_a_memory_is_the_engines_own_pool_and_pages_are_blocks() -> None:
    memory = 2**30
    tokens = kvcalc.pool(LLAMA, "sglang", memory=memory, page_size=64).figures[
        "max_total_num_tokens"
    ]
    row = kvcalc.replay(LLAMA, TREE, engine="sglang", memory=memory, page_size=64).rows[0]
    assert row.blocks == tokens // 64
    found = kvcalc.replay(LLAMA, TREE, engine="sglang", blocks=[40, 2], page_size=64)
    first, small = found.rows
    case = next(one for one in CASES if one["max_total_num_tokens"] == 2_560)
    assert (first.memory, first.hit_tokens > 0, small.refused > 0) == (None, True, True)
    assert {found.hits[1][place] for place in found.refused[1]} == {0}
    assert case["trace"] == "tree_small.jsonl"
    assert "UnifiedRadixCache" in found.notes[0]


@each(
    ("page", "size", "room"),
    [(1, 16, False), (1, 17, True), (4, 16, False), (4, 19, False), (4, 20, True), (32, 32, True)],
)
def test_a_request_that_takes_the_whole_pool_is_served(page: int, size: int, room: bool) -> None:
    """A prompt of 10 tokens and an answer of 8, the last of which is never stored: 17 tokens."""
    request = Request(0, ((1, 10),), ((2, 8),))
    assert Served(size, page).serve(request, size) == (0 if room else None)


@each(
    ("model", "given", "why"),
    [
        ("gpt-oss-20b", {}, "a window pool or states"),
        ("llama-3.1-8b", {"disable_radix_cache": True}, "nothing hits"),
        ("llama-3.1-8b", {"release": "0.5.12"}, "found 0.5.12, expected 0.5.23"),
        ("llama-3.1-8b", {"prefill_rate": 8_000, "decode_rate": 50}, "one after another alone"),
    ],
)
def test_what_was_not_replayed_is_refused_by_name(
    model: str, given: dict[str, Any], why: str
) -> None:
    with pytest.raises(kvcalc.UnsupportedError, match=why):
        kvcalc.replay(kvcalc.load(model), TREE, engine="sglang", **given)

"""What the best policy of eviction could hit: no less than the engine, and what a search finds."""

from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.engines.replay import Request
from kvcalc.engines.vllm.replay import best, run
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.readers.tokens import Tokenizing
from kvcalc.readers.traces.requests import requests
from tests.each import each

TRACES = sorted(Path("tests/oracles/traces/replay").glob("*.jsonl"))
LLAMA = kvcalc.load("llama-3.1-8b")
SETTINGS = VllmSettings(block_size=16)
BLOCK = 16


@each("trace", TRACES, ids=lambda trace: trace.stem)
def test_no_recorded_trace_hits_more_than_the_best_policy(trace: Path) -> None:
    asked = list(requests([trace], Tokenizing(None)))
    sizes = [40, 150, 500, 1_000, 4_000, 20_000, 60_000, None]
    most = best(LLAMA, SETTINGS, asked, sizes)
    found = [sum(one.hits) for one in run(LLAMA, SETTINGS, asked, sizes)]
    assert all(ours <= theirs for ours, theirs in zip(found, most, strict=True))
    assert found[-1] == most[-1] > 0  # nothing is evicted: there is nothing to choose
    assert found != most


def searched(asked: list[Request], usable: int) -> int:
    """The most tokens that hit, by trying all that may be kept after each request."""
    steps = [
        (held, [tuple(tokens[:end]) for end in range(BLOCK, stored + 1, BLOCK)], most)
        for request in asked
        for tokens in [list(spelt(request))]
        for stored in [request.prompt_tokens + max(0, request.output_tokens - 1)]
        for held in [-(-stored // BLOCK)]
        for most in [(request.prompt_tokens - 1) // BLOCK]
        if held <= usable
    ]

    @cache
    def after(place: int, there: frozenset[tuple[int, ...]]) -> int:
        if place == len(steps):
            return 0
        held, own, most = steps[place]
        hits = 0
        while hits < most and own[hits] in there:
            hits += 1
        others = there - {*own}
        room = min(len(others), usable - held)
        kept = combinations(sorted(others), room)
        return hits + max(after(place + 1, frozenset({*own, *some})) for some in kept)

    return BLOCK * after(0, frozenset())


def spelt(request: Request) -> Iterator[int]:
    for first, count in (*request.prompt, *request.output):
        yield from range(first, first + count)


@given(data=st.data())
def test_a_search_of_all_policies_finds_the_same(data: st.DataObject) -> None:
    lengths = st.sampled_from([16, 17, 24, 33, 49])
    heads = [[(1_000 * number, data.draw(lengths))] for number in range(4)]
    asked = []
    for number in range(10, 10 + data.draw(st.integers(4, 9))):
        prompt = list(data.draw(st.sampled_from(heads)))
        output = [(1_000 * number, data.draw(st.sampled_from([1, 1, 17])))]
        asked.append(Request(0, tuple(prompt), tuple(output)))
        if data.draw(st.booleans()):
            heads.append([*prompt, *output, (1_000 * number + 500, 17)])
    least = max(-(-(one.prompt_tokens + one.output_tokens - 1) // BLOCK) for one in asked)
    sizes = [least + more for more in (-1, 1, 2, 3, 5)]
    assert best(LLAMA, SETTINGS, asked, sizes) == [searched(asked, size - 1) for size in sizes]


@each(
    ("model", "given", "why"),
    [
        ("k-exaone-236b-a23b", {}, "^best: found several KV cache groups"),
        ("mistral-7b-v0.1", {}, "^best: found a sliding window"),
        ("llama-3.1-8b", {"speculative_method": "eagle"}, "^best: found a draft"),
        ("llama-3.1-8b", {"prefill_rate": 8_000, "decode_rate": 50}, "found requests that run at"),
        ("llama-3.1-8b", {"engine": "sglang"}, "what the best policy would hit on sglang"),
    ],
)
def test_what_has_no_known_best_is_refused_by_name(
    model: str, given: dict[str, Any], why: str
) -> None:
    with pytest.raises(kvcalc.UnsupportedError, match=why):
        kvcalc.replay(kvcalc.load(model), TRACES[-1], blocks=500, best=True, **given)


def test_the_best_is_a_field_where_it_is_asked_alone() -> None:
    asked = kvcalc.replay(LLAMA, TRACES[-1], blocks=[200, 400], best=True).rows
    assert all((row.best_hit_tokens or 0) >= row.hit_tokens > 0 for row in asked)
    plain = kvcalc.replay(LLAMA, TRACES[-1], blocks=[200, 400]).rows
    assert [row.best_hit_tokens for row in plain] == [None, None]

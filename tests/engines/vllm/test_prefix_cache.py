"""vLLM's prefix cache: each recorded replay, and any small trace block by block."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.engines.chains import Chains
from kvcalc.engines.replay import Request
from kvcalc.engines.vllm.plan import plan
from kvcalc.engines.vllm.prefix_cache.groups import Kind, Rules
from kvcalc.engines.vllm.prefix_cache.life import Served, life
from kvcalc.engines.vllm.prefix_cache.manager import Manager, Run
from kvcalc.engines.vllm.prefix_cache.pace import Outcome, as_they_come, one_after_another
from kvcalc.engines.vllm.prefix_cache.sizes import Order, Size
from kvcalc.engines.vllm.replay import asked_of, rules_of
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.model import Model
from kvcalc.outputs.pages.replay import INTERLEAVES
from kvcalc.readers.traces.requests import requests
from tests.engines.vllm import block_by_block

ORACLES = Path("tests/oracles")
REPLAYED = json.loads((ORACLES / "vllm_replay.json").read_text())
SCHEDULED = json.loads((ORACLES / "vllm_scheduler.json").read_text())
TRACES = sorted({case["trace"] for case in REPLAYED["cases"]})


def model_of(name: str) -> Model:
    named, _, window = name.removesuffix("-mtp").partition("-w")
    files: dict[str, str | Path] = {
        "k-exaone": ORACLES / "configs/LGAI-EXAONE--K-EXAONE-236B-A23B.json",
        "gemma-4-26b": ORACLES / "configs/google--gemma-4-26B-A4B.json",
    }
    model = kvcalc.load(files.get(named, named))
    return model.with_window(int(window)) if window else model


def case_rules(model: str, case: dict[str, Any]) -> Rules:
    """The rules of a case, by the plan of the published model."""
    drop = case.get("eagle_drop")
    settings = VllmSettings(
        block_size=16,
        max_num_batched_tokens=case["chunk"],
        async_scheduling=case["async_scheduling"],
        prefix_cache_retention_interval=(
            "none" if (kept := case.get("retention_interval", 0)) is None else kept
        ),
        speculative_method=("mtp" if model.endswith("mtp") else "eagle") if drop else "none",
    )
    rules = rules_of(plan(model_of(model), settings))
    groups = REPLAYED["models"][model]
    assert [kind.window for kind in rules.kind_of] == [group["window"] for group in groups]
    assert [kind.block for kind in rules.kind_of] == [group["block_size"] for group in groups]
    return rules


def timed(trace: str, settings: dict[str, Any]) -> list[Request]:
    found = list(requests([ORACLES / "traces/replay" / trace]))
    if "prefill_rate" not in settings:
        return found
    prefill, decode = settings["prefill_rate"], settings["decode_rate"]
    return [
        one._replace(
            runs=one.prompt_tokens * 10**6 // prefill + one.output_tokens * 10**6 // decode
        )
        for one in found
    ]


class Followed:
    """A manager that requests were put through, and what it lost and still has, block by block."""

    def __init__(self, rules: Rules, blocks: int, asked: list[Request]) -> None:
        self.rules, self.chains, self.lost = rules, Chains(rules.unit), list[Run]()
        self.manager = Manager(rules, blocks - 1, self.lost.append)
        each = list(asked_of(rules, asked, self.chains))
        timed = any(request.runs is not None for request in asked)
        pace = as_they_come if timed else one_after_another
        self.outcome: Outcome = pace(self.manager, each)

    def label(self, group: int, chain: int, depth: int) -> str:
        times = self.rules.kind_of[group].block // self.rules.unit
        first, number = self.chains.starts[chain], self.chains.bases[chain]
        return f"{group}:{number + (depth + 1) * times - 1 - first}"

    def blocks(self, run: Run) -> Iterator[tuple[int, int]]:
        if run.striped:
            return ((group, depth) for depth in range(run.lo, run.hi) for group in run.groups)
        deepest = range(run.hi - 1, run.lo - 1, -1)
        return ((group, depth) for group in run.groups for depth in deepest)

    @property
    def evicted(self) -> list[str]:
        return [self.label(g, run.chain, d) for run in self.lost for g, d in self.blocks(run)]

    @property
    def free(self) -> list[str]:
        free = ["-"] * self.manager.unnamed
        for run in self.manager.queue:
            spans = {
                group: self.manager.groups[group].free(run.chain, run.lo, run.hi, run.freed)
                for group in run.groups
            }
            free += [
                self.label(group, run.chain, depth)
                for group, depth in self.blocks(run)
                if any(lo <= depth < hi for lo, hi in spans[group])
            ]
        return free


def digest(parts: Iterable[object]) -> str:
    return hashlib.sha256(",".join(map(str, parts)).encode()).hexdigest()[:16]


def figures(followed: Followed) -> dict[str, Any]:
    manager, outcome, free = followed.manager, followed.outcome, followed.free
    return {
        "hit_tokens": sum(outcome.hits),
        "hits_digest": digest(outcome.hits),
        "evicted_blocks": sum(manager.evicted),
        "evicted_by_group": manager.evicted,
        "evicted_digest": digest(followed.evicted),
        "free_queue_length": len(free),
        "free_queue_hashed": len(free) - manager.unnamed,
        "free_queue_digest": digest(free),
        "refused": outcome.refused,
        "shared_prefix_pinned": manager.pinned,
    }


@pytest.mark.parametrize("trace", TRACES)
def test_each_recorded_replay_is_the_engines_own(trace: str) -> None:
    cases = [case for case in REPLAYED["cases"] if case["trace"] == trace]
    for case in cases:
        asked = timed(trace, case["settings"])
        rules = case_rules(case["model"], case["settings"])
        followed = Followed(rules, case["num_blocks"], asked)
        expected = case["result"]
        assert {name: expected[name] for name in figures(followed)} == figures(followed), case
        assert len(asked) == expected["requests"]
        assert sum(one.prompt_tokens for one in asked) == expected["prompt_tokens"]
        if rules.alone:  # beside windows the peak was taken at the requests' ends alone
            assert followed.manager.peak == expected["peak_blocks"]


def test_the_engines_own_scheduler_with_one_sequence_is_the_same() -> None:
    cases = [case for case in SCHEDULED["cases"] if case["max_num_seqs"] == 1]
    assert len(cases) == 30
    for case in cases:
        rules = case_rules(case["model"], case)
        found = figures(Followed(rules, case["num_blocks"], timed(case["trace"], {})))
        assert {name: case[name] for name in found if name in case} == {
            name: value for name, value in found.items() if name in case
        }, case


def several(asked: list[Request], sizes: Iterable[int]) -> None:
    """Hold many sizes at once to each alone."""
    rules = Rules((Kind(None, 16, (0,)),), chunk=8_192)
    each = list(asked_of(rules, asked, Chains(16)))
    least = max(-(-one.stored // 16) for one in each)
    order, pools = Order(16), [Size(size) for size in sizes if size >= least]
    for one in each:
        order.serve(one, pools)
    for pool in pools:
        manager = Manager(rules, pool.usable)
        assert pool.hits == one_after_another(manager, each).hits, pool.usable
        assert [pool.evicted] == manager.evicted, pool.usable


@pytest.mark.parametrize("trace", ["multi_turn.jsonl", "shared_system.jsonl", "tree_small.jsonl"])
def test_many_sizes_at_once_are_each_alone(trace: str) -> None:
    several(timed(trace, {}), range(20, 1_200, 23))


def test_what_interleaving_costs_is_as_the_engines_own_scheduler_has_it() -> None:
    shares = {
        case["max_num_seqs"]: round(1000 * case["hit_tokens"] / case["prompt_tokens"])
        for case in SCHEDULED["cases"]
        if (case["trace"], case["model"]) == ("shared_system.jsonl", "k-exaone-w128")
        and not case["async_scheduling"]
    }
    assert shares == {1: 690, 8: 633}
    assert "8 sequences at once hit 63.3 % where one at a time hit 69.0 %" in INTERLEAVES


X, Y, Z = 0, 1_000, 2_000
SMALLEST = (
    Request(0, ((X, 48), (Y, 16), (3_000, 6)), ((4_000, 1),)),
    Request(0, ((Z, 48), (3_100, 5)), ((4_100, 1),)),
    Request(0, ((X, 48), (Y, 16), (3_200, 5)), ((4_200, 1),)),
    Request(0, ((X, 48), (3_300, 1)), ((4_300, 1),)),
)


@pytest.mark.parametrize(
    ("blocks", "hits"), [(12, [0, 0, 0, 48]), (13, [0, 0, 0, 0]), (15, [0, 0, 64, 0])]
)
def test_more_memory_can_hit_less(blocks: int, hits: list[int]) -> None:
    rules = Rules((Kind(None, 16, (1,)), Kind(33, 16, (0,))), chunk=8_192)
    assert Followed(rules, blocks, list(SMALLEST)).outcome.hits == hits


KINDS = {
    "full": [Kind(None, 16, (0,))],
    "full, draft": [Kind(None, 16, (0,), drop=True)],
    "window and full": [Kind(None, 16, (1,)), Kind(33, 16, (0,))],
    "windows and full": [Kind(None, 16, (2,)), Kind(40, 16, (0, 1))],
    "windows and full, draft": [Kind(None, 16, (2,)), Kind(40, 16, (0, 1), drop=True)],
    "two windows": [Kind(None, 16, (2,)), Kind(40, 16, (0, 3)), Kind(64, 16, (1,))],
    "blocks of two lengths": [Kind(None, 32, (2,)), Kind(64, 16, (0, 1))],
    "one window": [Kind(40, 16, (0,))],
    "two full": [Kind(None, 16, (0, 2)), Kind(48, 16, (1,))],
}


@st.composite
def traces(draw: st.DrawFn) -> list[Request]:
    """A few prompts that begin as earlier ones do, or as their answers."""
    known: list[list[tuple[int, int]]] = [[(0, draw(st.integers(1, 90)))]]
    found = []
    for number in range(1, draw(st.integers(2, 14))):
        before = draw(st.sampled_from(known))
        cut = draw(st.integers(1, sum(count for _, count in before)))
        prompt = list(cut_to(before, cut if draw(st.booleans()) else 10**6))
        prompt += [(number * 10_000, draw(st.integers(1, 100)))] if draw(st.booleans()) else []
        output = [(number * 10_000 + 5_000, draw(st.sampled_from([1, 2, 17, 60])))]
        known.append(prompt + output * draw(st.booleans()))
        found.append(Request(draw(st.integers(0, 3)), tuple(prompt), tuple(output)))
    return found


def cut_to(runs: list[tuple[int, int]], tokens: int) -> Iterator[tuple[int, int]]:
    for first, count in runs:
        if tokens > 0:
            yield first, min(count, tokens)
        tokens -= count


@given(data=st.data())
def test_second_copies_are_followed_at_many_sizes_at_once(data: st.DataObject) -> None:
    lengths = st.integers(1, 4).map(lambda blocks: 16 * blocks)
    known: list[list[tuple[int, int]]] = [[(0, data.draw(lengths))]]
    asked = []
    for number in range(1, data.draw(st.integers(2, 25))):
        prompt = list(data.draw(st.sampled_from(known)))
        prompt += [(number * 1_000, data.draw(lengths))] if data.draw(st.booleans()) else []
        answer = number * 1_000 + 500 if data.draw(st.booleans()) else 7
        asked.append(Request(0, tuple(prompt), ((answer, data.draw(st.integers(1, 40))),)))
        known.append(prompt)
    several(asked, range(1, 60, 3))


@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
@given(data=st.data())
def test_runs_are_what_blocks_are_one_by_one(kinds: list[Kind], data: st.DataObject) -> None:
    drop = any(kind.drop for kind in kinds)
    rules = Rules(
        tuple(kinds),
        chunk=data.draw(st.sampled_from([16, 64, 8_192])),
        asynchronous=data.draw(st.booleans()),
        retention=0 if drop else data.draw(st.sampled_from([0, None, 48, 100])),
    )
    asked = data.draw(traces())
    if data.draw(st.booleans()):
        lives = st.integers(0, 5)
        asked = [one._replace(runs=data.draw(lives)) for one in asked]
        asked.sort(key=lambda one: one.start)
    most = max(
        sum(-(-(one.prompt_tokens + one.output_tokens) // kind.block) for kind in rules.kind_of)
        for one in asked
    )
    # Several groups in less than the largest request's blocks: the recorded cases speak of it.
    least = max(2, most // 3) if rules.alone else most + 1
    blocks = data.draw(st.integers(least, most + 40))
    followed = Followed(rules, blocks, asked)
    pool = block_by_block.Blocks(rules, blocks)
    if asked[0].runs is None:

        def fits(place: int) -> bool:
            one, hit = asked[place], followed.outcome.hits[place]
            stored = one.prompt_tokens + one.output_tokens - 1
            return place not in followed.outcome.refused or (
                life(rules, Served(one.prompt_tokens, stored, hit, 0)).peak < blocks
            )

        hits, refused = block_by_block.one_after_another(pool, asked, fits)
    else:
        hits, refused = block_by_block.as_they_come(pool, asked)
    names = {key: f"{key[0]}:{key[1]}" for key in [*pool.names.values(), *pool.evicted]}
    assert followed.outcome.hits == hits
    assert followed.outcome.refused == refused
    assert followed.evicted == [names[key] for key in pool.evicted]
    assert followed.free == [
        names[pool.names[block]] if block in pool.names else "-" for block in pool.free
    ]
    assert followed.manager.peak == pool.peak

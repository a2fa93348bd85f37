"""vLLM's prefix cache: each recorded replay, of traces as they are and of odd small ones."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.engines.chains import Chains
from kvcalc.engines.replay import Request
from kvcalc.engines.vllm.plan import plan
from kvcalc.engines.vllm.prefix_cache.groups import Kind, Rules
from kvcalc.engines.vllm.prefix_cache.manager import Manager, Run
from kvcalc.engines.vllm.prefix_cache.pace import Outcome, as_they_come, one_after_another
from kvcalc.engines.vllm.prefix_cache.sizes import Order, Size
from kvcalc.engines.vllm.replay import asked_of, rules_of
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.model import Model
from kvcalc.outputs.pages.replay import INTERLEAVES
from kvcalc.readers.tokens import Tokenizing
from kvcalc.readers.traces.requests import requests
from tests.each import each

ORACLES = Path("tests/oracles")
REPLAYED = json.loads((ORACLES / "vllm_replay.json").read_text())
ODD = json.loads((ORACLES / "vllm_replay_odd.json").read_text())
SCHEDULED = json.loads((ORACLES / "vllm_scheduler.json").read_text())
TRACES = sorted({case["trace"] for case in REPLAYED["cases"]})


@cache
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


@cache
def untimed(trace: str) -> list[Request]:
    return list(requests([ORACLES / "traces/replay" / trace], Tokenizing(None)))


def timed(trace: str, settings: dict[str, Any]) -> list[Request]:
    found = untimed(trace)
    if "prefill_rate" not in settings:
        return found
    prefill, decode = settings["prefill_rate"], settings["decode_rate"]
    return [
        one._replace(
            runs=one.prompt_tokens * 10**6 // prefill + one.output_tokens * 10**6 // decode
        )
        for one in found
    ]


class Asks:
    """The requests of a trace, worked out once for the pools of all sizes."""

    def __init__(self, rules: Rules, asked: list[Request]) -> None:
        self.rules, self.chains = rules, Chains(rules.unit)
        self.each = list(asked_of(rules, asked, self.chains))
        self.timed = any(request.runs is not None for request in asked)


NUMBERS: list[str] = []
"""The numbers of blocks, as digests spell them."""


def outcome_of(manager: Manager, asks: Asks) -> Outcome:
    pace = as_they_come if asks.timed else one_after_another
    (outcome,) = pace([manager], asks.each)
    return outcome


class Followed:
    """A manager that requests were put through, and what it lost and still has, block by block."""

    def __init__(self, blocks: int, asks: Asks) -> None:
        self.rules, self.chains, self.lost = asks.rules, asks.chains, list[Run]()
        self.manager = Manager(self.rules, blocks - 1, self.lost.append)
        self.outcome = outcome_of(self.manager, asks)

    def spelled(self, groups: Sequence[int], chained: int, lo: int, hi: int, order: int) -> str:
        """Blocks of a chain by the numbers that their last tokens have; of several groups in turn.

        The first depth comes first, or where `order` is -1 the deepest.
        """
        times = self.rules.kind_of[groups[0]].block // self.rules.unit
        before = self.chains.bases[chained] - self.chains.starts[chained] - 1
        first, last = before + (lo + 1) * times, before + hi * times
        NUMBERS.extend(map(str, range(len(NUMBERS), last + 1)))
        numbers = NUMBERS[first : last + 1 : times][::order]
        if len(groups) == 1:
            return f"{groups[0]}:" + f",{groups[0]}:".join(numbers)
        row = ",".join(f"{group}:#" for group in groups)
        return ",".join([row.replace("#", number) for number in numbers])

    def run(self, run: Run) -> str:
        return self.spelled(run.groups, run.chain, run.lo, run.hi, 1 if run.striped else -1)

    @property
    def evicted(self) -> Iterable[str]:
        return map(self.run, self.lost)

    @property
    def free(self) -> list[str]:
        labels = ["-"] * self.manager.unnamed
        for run in self.manager.queue:
            spans = {
                group: self.manager.groups[group].free(run.chain, run.lo, run.hi, run.freed)
                for group in run.groups
            }
            if run.striped and any(free != [(run.lo, run.hi)] for free in spans.values()):
                labels += [
                    self.spelled((group,), run.chain, depth, depth + 1, 1)
                    for depth in range(run.lo, run.hi)
                    for group in run.groups
                    if any(lo <= depth < hi for lo, hi in spans[group])
                ]
            elif run.striped:
                labels.append(self.run(run))
            else:
                labels += [
                    self.spelled((group,), run.chain, lo, hi, -1)
                    for group, free in spans.items()
                    for lo, hi in free
                ]
        return labels


def mix(case: dict[str, Any]) -> str:
    """All but the pool's size, by which what is asked of several is worked out once."""
    return json.dumps([case[name] for name in ("trace", "model", "settings")])


@lru_cache(maxsize=1)
def asks_of(mixed: str) -> tuple[Rules, list[Request], Asks]:
    trace, model, settings = json.loads(mixed)
    rules, asked = case_rules(model, settings), timed(trace, settings)
    return rules, asked, Asks(rules, asked)


def digest(parts: Iterable[str]) -> str:
    return hashlib.sha256(",".join(parts).encode()).hexdigest()[:16]


def figures(followed: Followed) -> dict[str, Any]:
    manager, outcome, free = followed.manager, followed.outcome, ",".join(followed.free)
    return {
        "hit_tokens": sum(outcome.hits),
        "hits_digest": digest(map(str, outcome.hits)),
        "evicted_blocks": sum(manager.evicted),
        "evicted_by_group": manager.evicted,
        "evicted_digest": digest(followed.evicted),
        "free_queue_length": free.count(":") + free.count("-"),
        "free_queue_hashed": free.count(":"),
        "free_queue_digest": digest([free]),
        "refused": outcome.refused,
        "shared_prefix_pinned": manager.pinned,
    }


@each("trace", TRACES)
def test_each_recorded_replay_is_the_engines_own(trace: str) -> None:
    cases = [case for case in REPLAYED["cases"] if case["trace"] == trace]
    for case in sorted(cases, key=mix):
        rules, asked, asks = asks_of(mix(case))
        followed = Followed(case["num_blocks"], asks)
        expected, found = case["result"], figures(followed)
        assert {name: expected[name] for name in found} == found, case
        assert len(asked) == expected["requests"]
        assert sum(one.prompt_tokens for one in asked) == expected["prompt_tokens"]
        if rules.alone:  # beside windows the peak was taken at the requests' ends alone
            assert followed.manager.peak == expected["peak_blocks"]


def test_the_engines_own_scheduler_with_one_sequence_is_the_same() -> None:
    cases = [case for case in SCHEDULED["cases"] if case["max_num_seqs"] == 1]
    assert len(cases) == 30
    for case in cases:
        rules = case_rules(case["model"], case)
        found = figures(Followed(case["num_blocks"], Asks(rules, timed(case["trace"], {}))))
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
        assert pool.hits == one_after_another([manager], each)[0].hits, pool.usable
        assert [pool.evicted] == manager.evicted, pool.usable


@each("trace", ["multi_turn.jsonl", "shared_system.jsonl", "tree_small.jsonl"])
def test_many_sizes_at_once_are_each_alone(trace: str) -> None:
    several(timed(trace, {}), range(20, 1_200, 47))


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


@each(("blocks", "hits"), [(12, [0, 0, 0, 48]), (13, [0, 0, 0, 0]), (15, [0, 0, 64, 0])])
def test_more_memory_can_hit_less(blocks: int, hits: list[int]) -> None:
    rules = Rules((Kind(None, 16, (1,)), Kind(33, 16, (0,))), chunk=8_192)
    assert Followed(blocks, Asks(rules, list(SMALLEST))).outcome.hits == hits


def odd_rules(case: dict[str, Any]) -> Rules:
    """Groups of one window and block are looked up together, full ones first."""
    alike: dict[tuple[int | None, int], list[int]] = {}
    groups = ODD["groups"][case["groups"]]
    for place, group in enumerate(groups):
        alike.setdefault((group["window"], group["block_size"]), []).append(place)
    kinds = [
        Kind(window, block, tuple(places), any(groups[place]["draft"] for place in places))
        for (window, block), places in alike.items()
    ]
    return Rules(
        tuple(sorted(kinds, key=lambda kind: kind.window is not None)),
        chunk=case["chunk"],
        asynchronous=case["async_scheduling"],
        retention=case["retention_interval"],
    )


def odd_trace(case: dict[str, Any]) -> list[Request]:
    def runs(given: list[list[int]]) -> tuple[tuple[int, int], ...]:
        return tuple((first, count) for first, count in given)

    lives = "runs" if case["timed"] else ""
    return [
        Request(one["t"], runs(one["prompt"]), runs(one["output"]), one.get(lives))
        for one in ODD["traces"][case["trace"]]
    ]


OUT = ("hits", "refused", "evicted_digest", "free_queue_digest", "peak_blocks")


@each("case", ODD["cases"])
def test_odd_mixes_are_the_engines_own(case: dict[str, Any]) -> None:
    followed = Followed(case["num_blocks"], Asks(odd_rules(case), odd_trace(case)))
    assert {name: case[name] for name in OUT} == {
        "hits": followed.outcome.hits,
        "refused": followed.outcome.refused,
        "evicted_digest": digest(followed.evicted),
        "free_queue_digest": digest(followed.free),
        "peak_blocks": followed.manager.peak,
    }


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

"""Traces: the statement in SQL agrees to the byte with a plain sweep in integers."""

import csv
import json
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvcalc
from kvcalc import engines
from kvcalc.answers.traces import trace
from kvcalc.answers.traces.rules import rules
from kvcalc.engines import request
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import UnsupportedError
from tests.answers.traces.by_hand import Request, Swept, admission, lives, sweep

TRACES = Path("tests/oracles/traces")
KEXAONE = kvcalc.load("k-exaone-236b-a23b")
PREFILL, DECODE = Fraction(8000), Fraction(100, 3)
RATES: dict[str, Any] = {"prefill_rate": "8000", "decode_rate": "100/3"}


def nanoseconds(text: str) -> int:
    whole, _, part = text.partition(".")
    seconds = datetime.fromisoformat(f"{whole}+00:00").timestamp()
    return int(seconds) * 10**9 + int(part.ljust(9, "0"))


@lru_cache
def requests_of(name: str) -> list[Request]:
    path = TRACES / name
    if path.suffix == ".csv":
        table = csv.DictReader(path.open())
        rows = [
            (nanoseconds(row["TIMESTAMP"]), int(row["ContextTokens"]), int(row["GeneratedTokens"]))
            for row in table
        ]
    else:
        listed = [json.loads(line) for line in path.open()]
        rows = [
            (row["timestamp"] * 10**6, row["input_length"], row["output_length"]) for row in listed
        ]
    return lives(rows, PREFILL, DECODE)


NAMES = ("azure_code.csv", "azure_conv.csv", "mooncake.jsonl")


def swept(row: Any) -> Swept:
    return Swept(
        row.peak_bytes,
        row.peak_at,
        row.peak_sequences,
        row.p50_bytes,
        row.p95_bytes,
        row.p99_bytes,
        row.mean_bytes,
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("engine", ["ideal", "transformers", "vllm", "sglang", "mlx"])
def test_every_sum_agrees_with_a_sweep_by_hand(name: str, engine: str) -> None:
    requests = requests_of(name)
    found = trace(KEXAONE, TRACES / name, engine=engine, window=[4096, 128], **RATES)
    expected = []
    for window in (4096, 128):
        for rule in rules(KEXAONE.with_window(window), engine, {}):
            request = rule.request
            assert request is not None

            def size(one: Request, rule: Any = rule, request: Any = request) -> int:
                tokens = one.prompt if rule.of == "prompt" else one.prompt + one.output
                return int(request(tokens))

            by_hand = sweep(requests, size)
            expected.append(
                [
                    amount + (rule.fixed if place not in (1, 2) else 0)
                    for place, amount in enumerate(by_hand)
                ]
            )
    assert [list(swept(row)) for row in found.rows] == expected


@pytest.mark.parametrize("name", NAMES)
def test_many_requests_are_summed_as_few(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    asked: dict[str, Any] = {"engine": ["ideal", "vllm"], "window": [4096, 128], **RATES}
    few = trace(KEXAONE, TRACES / name, **asked)
    monkeypatch.setattr(SUMS, "FEW", 0)
    assert trace(KEXAONE, TRACES / name, **asked).rows == few.rows


@pytest.mark.parametrize("name", NAMES)
def test_a_pool_is_sized_for_the_longest_and_the_most(name: str) -> None:
    requests = requests_of(name)
    most = sweep(requests, lambda _: 1).peak
    longest = max(one.prompt + one.output for one in requests)
    row = trace(KEXAONE, TRACES / name, engine="llama.cpp", **RATES).rows[0]
    assert row.peak_bytes == kvcalc.cost(KEXAONE, "llama.cpp")(longest, sequences=most)
    assert row.peak_sequences == most
    assert "pool" in row.rule


def test_rules_have_the_names_of_what_is_summed() -> None:
    found = trace(KEXAONE, TRACES / NAMES[0], engine=["ideal", "vllm"], **RATES)
    assert [row.rule for row in found.rows] == [
        "full length",
        "prompt alone",
        "planned",
        "held (not measured)",
    ]
    assert {(row.prefill_rate, row.decode_rate) for row in found.rows} == {(8000, 100 / 3)}
    # mlx_lm.server pads to the longest of a batch.
    of_mlx = trace(KEXAONE, TRACES / NAMES[0], engine="mlx", **RATES).rows
    assert [row.rule for row in of_mlx] == ["full length, unpadded", "prompt alone, unpadded"]


def test_an_engine_that_says_nothing_of_its_requests_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    toy = engines.find("ideal")._replace(name="toy", folder="tests.engines.toy")
    for module in (engines, request):
        monkeypatch.setattr(module, "find", lambda name: toy)
    with pytest.raises(UnsupportedError, match="toy: kvcalc does not know what the requests"):
        trace(KEXAONE, TRACES / NAMES[0], engine="toy", **RATES)


def test_settings_may_be_the_engines_class() -> None:
    asked = VllmSettings(kv_cache_dtype="fp8", async_scheduling=False)
    typed = trace(KEXAONE, TRACES / NAMES[0], engine="vllm", settings=asked, **RATES)
    named: dict[str, Any] = {"kv_cache_dtype": "fp8", "async_scheduling": False}
    assert typed.rows == trace(KEXAONE, TRACES / NAMES[0], engine="vllm", **named, **RATES).rows


def test_what_decoding_holds_is_one_cost_in_all_its_formulas() -> None:
    """What is there once, a step's tokens, stands in the total, on a GPU and in the split alike."""
    vllm = engines.find("vllm")
    settings = VllmSettings(tensor_parallel_size=2)
    assert vllm.traffic is not None
    assert vllm.traffic[1].cost is not None
    held = vllm.traffic[1].cost(KEXAONE, settings)
    for context in (1, 100_000):
        assert held(context, sequences=3) == held.fixed + 3 * held.per_request(context)
        assert held.per_gpu(context, sequences=3) * 2 == held(context, sequences=3)
    assert held.fixed > 0


def test_what_decoding_holds_is_less_than_what_is_planned() -> None:
    planned, held = trace(KEXAONE, TRACES / NAMES[2], engine="vllm", **RATES).rows
    assert held.peak_bytes < planned.peak_bytes


def test_a_cost_is_summed_as_it_is() -> None:
    cost = kvcalc.cost(KEXAONE, kv_cache_dtype="fp8")
    own = trace(cost, TRACES / NAMES[0], **RATES).rows[0]
    full = trace(KEXAONE, TRACES / NAMES[0], **RATES).rows[0]
    assert own.peak_bytes * 2 == full.peak_bytes


def test_the_timeline_has_every_level() -> None:
    found = trace(KEXAONE, TRACES / NAMES[0], **RATES)
    table = found.timeline().fetchall()
    assert max(row[2] for row in table) == found.rows[0].peak_bytes
    assert table[-1][1:] == (0, 0, 0)


def test_the_timeline_has_one_level_an_instant(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("start,end,input,output\n0,5,10,0\n0,5,20,0\n5,9,1,0\n")
    columns = {name: name for name in ("start", "end", "input", "output")}
    found = trace(KEXAONE, path, columns=columns, time_unit="us")
    size = kvcalc.cost(KEXAONE).per_request
    assert [row[:3] for row in found.timeline().fetchall()] == [
        (0, 2, size(10) + size(20)),
        (5, 1, size(1)),
        (9, 0, 0),
    ]


def test_shared_prefixes_are_held_once() -> None:
    apart = trace(KEXAONE, TRACES / "mooncake.jsonl", **RATES).rows[0]
    found = trace(KEXAONE, TRACES / "mooncake.jsonl", prefix=True, **RATES)
    together = found.rows[0]
    assert together.rule == "full length, prefixes shared"
    assert together.peak_bytes == shared_by_hand()
    assert together.peak_bytes < apart.peak_bytes
    assert found.hits is not None
    assert 0 < found.hits.hit_tokens < found.hits.prompt_tokens


def shared_by_hand() -> int:
    """The peak where a block's bytes count once while any request that uses it lives."""
    listed = [json.loads(line) for line in (TRACES / "mooncake.jsonl").open()]
    requests = requests_of("mooncake.jsonl")
    request_bytes = kvcalc.cost(KEXAONE).per_request
    token = 12 * 4096
    peak = 0
    for instant in sorted({one.t0 for one in requests}):
        total = 0
        blocks: dict[int, int] = {}
        for one, row in zip(requests, listed, strict=True):
            if not one.t0 <= instant < one.t1:
                continue
            total += request_bytes(one.prompt + one.output)
            for place, block in enumerate(row["hash_ids"]):
                tokens = min(512, one.prompt - 512 * place)
                total -= tokens * token
                blocks[block] = max(blocks.get(block, 0), tokens)
        peak = max(peak, total + sum(blocks.values()) * token)
    return peak


@pytest.mark.parametrize("memory", [2 * 10**9, 5 * 10**9, 10**11])
@pytest.mark.parametrize("name", NAMES)
def test_admission_waits_as_a_queue_by_hand_does(name: str, memory: int) -> None:
    request = kvcalc.cost(KEXAONE).per_request
    waits, too_large = admission(
        requests_of(name), lambda one: int(request(one.prompt + one.output)), memory
    )
    told = trace(KEXAONE, TRACES / name, memory=memory, **RATES).admission
    assert told is not None
    assert (told.waited, told.too_large) == (len(waits), too_large)
    if waits:
        assert told.longest_wait == max(waits)
        assert told.mean_wait == sum(waits) // len(waits)
        assert told.p95_wait == sorted(waits)[-(-95 * len(waits) // 100) - 1]


LIVES = st.lists(
    st.tuples(
        st.integers(0, 50),
        st.sampled_from([0, 0, 1, 2, 5, 40]),
        st.integers(0, 300),
        st.integers(0, 300),
    ),
    max_size=40,
)
TRIMS = st.sampled_from([None, None, 0, 1, 7, 20])
CUTS = st.sampled_from([1, 2, 3, 4096, 2**18])
LEVELS = import_module("kvcalc.answers.traces.levels")
STATEMENT = import_module("kvcalc.answers.traces.statement")
SUMS = import_module("kvcalc.answers.traces.sums")


@given(LIVES, st.sampled_from([1, 1000]), TRIMS, TRIMS, CUTS, CUTS, st.sampled_from([0, 40]))
@settings(max_examples=20)
def test_any_trace_agrees(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, int, int, int]],
    scale: int,
    begin: int | None,
    length: int | None,
    slices: int,
    buckets: int,
    few: int,
) -> None:
    start = min((row[0] for row in rows), default=0)
    requests = [
        Request((at - start) * scale, (at - start + life) * scale, prompt, output)
        for at, life, prompt, output in rows
    ]
    path = tmp_path_factory.mktemp("trace") / "t.csv"
    lines = [f"{at * scale},{(at + life) * scale},{p},{o}" for at, life, p, o in rows]
    path.write_text("\n".join(["a,b,p,o", *lines, ""]))
    since = None if begin is None else begin * scale
    until = None if length is None else (since or 0) + length * scale + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LEVELS, "REQUESTS", 1)
        patch.setattr(LEVELS, "SLICES", slices)
        patch.setattr(STATEMENT, "BUCKETS", buckets)
        patch.setattr(SUMS, "FEW", few)
        found = trace(
            KEXAONE,
            path,
            columns={"start": "a", "end": "b", "input": "p", "output": "o"},
            time_unit="us",
            window=[128, 4],
            since=since,
            until=until,
        )
    for row, window in zip(found.rows[::2], (128, 4), strict=True):
        request = kvcalc.cost(KEXAONE.with_window(window)).per_request

        def size(one: Request, request: Any = request) -> int:
            tokens = one.prompt + one.output
            return int(request(tokens)) if tokens else 0

        assert swept(row) == sweep(requests, size, since, until)
        assert row.requests == len(rows)
        assert row.requests_without_life == sum(not life for _, life, _, _ in rows)


@pytest.mark.parametrize("until", [10_000_000, 40_000_000])
@pytest.mark.parametrize("since", [0, 3_000_000])
def test_shared_prefixes_are_trimmed_as_all_else(since: int, until: int) -> None:
    """What is shared before the part looked at is still shared in it."""
    path = TRACES / "mooncake.jsonl"
    whole = trace(KEXAONE, path, prefix=True, **RATES)
    part = trace(KEXAONE, path, prefix=True, since=since, until=until, **RATES).rows[0]
    levels = [(row[0], row[2]) for row in whole.timeline().fetchall()]
    begun = max((t, level) for t, level in levels if t <= since)
    within = [begun, *((t, level) for t, level in levels if since < t < until)]
    assert part.peak_bytes == max(level for _, level in within)
    assert part.peak_at == max(since, min(t for t, level in within if level == part.peak_bytes))

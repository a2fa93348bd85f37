"""How many GPUs hold a trace's peak beside the weights, checked against a sweep by hand."""

from typing import Any

import pytest

import kvcalc
from kvcalc import engines
from kvcalc.answers.fit.card import card
from kvcalc.answers.fit.placing import Placing
from kvcalc.answers.fit.question import question
from kvcalc.answers.traces import trace
from kvcalc.answers.traces.levels import Trim
from kvcalc.answers.traces.prefix import share
from kvcalc.answers.traces.request_bytes import request_bytes
from kvcalc.answers.traces.row import TraceRow, TraceRowOnGpus
from kvcalc.answers.traces.rules import rules
from kvcalc.answers.traces.sums import Sums
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError
from kvcalc.model import Model
from kvcalc.readers.traces.service import service
from kvcalc.readers.traces.table import connect, load
from tests import shapes
from tests.answers.traces.by_hand import Request, sweep
from tests.answers.traces.test_trace import KEXAONE, RATES, TRACES, requests_of

MOONCAKE = TRACES / "mooncake.jsonl"
GB = 10**9


def counted(model: Model, **asked: Any) -> list[TraceRowOnGpus]:
    rows = trace(model, MOONCAKE, **asked, **RATES).rows
    assert all(isinstance(row, TraceRowOnGpus) for row in rows)
    return [row for row in rows if isinstance(row, TraceRowOnGpus)]


def held_by(gpus: int, model: Model, engine: str, gpu: str, weights: int) -> tuple[bool, int]:
    """Whether so many GPUs hold the peak at full length, on how many ranks a copy, by hand."""
    asked = question(model, on=card(gpu), engine=engine, weights=weights)
    try:
        copy = Placing(asked).on(gpus).promised
    except KvcalcError:
        return False, 0
    cost = kvcalc.cost(model, engine, **copy.settings)
    each = {1: cost.per_gpu(1, sequences=2) - cost.per_gpu(1)}
    fixed = cost.per_gpu(1) - each[1]

    def size(one: Request) -> int:
        tokens = one.prompt + one.output
        if tokens not in each:
            each[tokens] = cost.per_gpu(tokens) - fixed
        return each[tokens]

    requests = requests_of(MOONCAKE.name)
    peak = sweep(requests, size).peak
    room = copy.cache - fixed
    fits = copy.cache > 0 and max(map(size, requests)) <= room
    return fits and peak <= room * (gpus // copy.ranks), copy.ranks


@pytest.mark.parametrize("engine", ["ideal", "vllm", "lmdeploy", "sglang"])
@pytest.mark.parametrize(
    ("name", "gpu", "weights"),
    [("llama-3.1-8b", "l4", 16 * GB), ("llama-3.1-8b", "h200", 3 * GB), ("qwen3-8b", "t4", GB)],
)
def test_the_fewest_gpus_that_hold_the_peak(name: str, gpu: str, weights: int, engine: str) -> None:
    model = kvcalc.load(name)
    row = counted(model, engine=engine, gpu=gpu, weights=weights)[0]
    assert row.gpus is not None
    assert held_by(row.gpus, model, engine, gpu, weights) == (True, row.tensor_parallel_size)
    for fewer in range(1, row.gpus):
        assert not held_by(fewer, model, engine, gpu, weights)[0]


def test_the_last_byte_decides() -> None:
    model, l4 = kvcalc.load("llama-3.1-8b"), card("l4").memory
    peak = trace(model, MOONCAKE, **RATES).rows[0].peak_bytes
    room = -(-peak // 8)
    for weights, gpus in ((l4 - room, 8), (l4 - room + 1, 9)):
        row = counted(model, gpu="l4", tensor_parallel_size=1, weights=weights)[0]
        assert row.gpus == gpus


def test_what_is_there_once_takes_room_on_every_copy() -> None:
    """A step's tokens are held beside the requests: with one block of vLLM less, nothing fits."""
    model, l4 = kvcalc.load("gpt-oss-20b"), card("l4")
    asked: dict[str, Any] = {"max_num_batched_tokens": 2048, "tensor_parallel_size": 1}
    vllm = engines.find("vllm")
    assert vllm.traffic is not None
    held = vllm.traffic[1].cost
    assert held is not None
    fixed = held(model, VllmSettings(**asked)).fixed
    assert fixed > 0
    peak = trace(model, MOONCAKE, engine="vllm", **asked, **RATES).rows[1].peak_bytes - fixed
    block = kvcalc.pool(model, memory=10**10, **asked).figures["bytes_per_block"]
    requested, copies = -(-l4.memory * 92 // 100), 3
    blocks = -(-(-(-peak // copies) + fixed) // block) + 1
    found = [
        counted(model, engine="vllm", gpu="l4", weights=weights, reserve=0, **asked)[1].gpus
        for weights in (requested - blocks * block, requested - (blocks - 1) * block)
    ]
    assert found == [copies, copies + 1]


def test_a_copy_holds_the_longest_prompt_alone() -> None:
    """On MLX, for a type that it does not share among Macs, a copy is one card's."""
    model, memory = kvcalc.load("mixtral-8x7b"), card("h200").memory
    size = kvcalc.cost(model, "mlx")
    prompt = max(one.prompt for one in requests_of(MOONCAKE.name))
    full, alone = counted(model, engine="mlx", gpu="h200", weights=memory - size(prompt))
    assert full.gpus is None
    assert alone.gpus is not None


def test_weights_are_counted() -> None:
    """472 GB of K-EXAONE's weights are 59 GB on each of 8 H100, and no smaller number has room."""
    rows = counted(KEXAONE, gpu="h100", window=[4096, 128])
    assert {(row.gpu, row.gpus, row.tensor_parallel_size) for row in rows} == {("h100", 8, 8)}
    light = counted(KEXAONE, gpu="h100", weights=1)
    assert {row.gpus for row in light} == {1}
    heavy = counted(KEXAONE, gpu="h100", weights=1, reserve=84 * GB)
    assert all(row.gpus is not None and row.gpus > 8 for row in heavy)


def test_gpus_that_are_there_hold_the_peak_or_do_not() -> None:
    """8 H100 are K-EXAONE's fewest: 4 do not hold it, and 16 are one copy on more ranks."""
    for gpus, held in ((4, (None, None)), (8, (8, 8)), (16, (16, 16))):
        found = trace(KEXAONE, MOONCAKE, gpu="h100", gpus=gpus, **RATES)
        (row,) = [row for row in found.rows[:1] if isinstance(row, TraceRowOnGpus)]
        assert (row.gpus, row.tensor_parallel_size) == held
    with pytest.raises(KvcalcError, match="gpus: found without a gpu"):
        trace(KEXAONE, MOONCAKE, gpus=8, **RATES)


def test_the_engines_share_of_the_memory_is_taken_as_given() -> None:
    """Half of an H200 is 75 GB, and with 70 GB of weights little is left of it."""
    asked: dict[str, Any] = {"engine": "vllm", "gpu": "h200", "weights": 70 * GB}
    own = counted(KEXAONE, **asked)[0]
    half = counted(KEXAONE, **asked, gpu_memory_utilization="0.5")[0]
    assert own.peak_bytes == half.peak_bytes
    assert own.gpus is not None
    assert half.gpus is not None
    assert half.gpus > own.gpus
    with pytest.raises(KvcalcError, match="vllm has no setting 'gpu_memory_utilization'"):
        trace(KEXAONE, MOONCAKE, engine="vllm", gpu_memory_utilization="0.5", **RATES)


def test_what_each_rank_repeats_is_counted_on_each() -> None:
    """DeepSeek V3's latent rows are whole on every rank, so that more ranks hold no more."""
    model = kvcalc.load("deepseek-v3")
    row = counted(model, gpu="h200")[0]
    room = card("h200").memory - 671 * GB // 8
    assert room < row.peak_bytes < 8 * room
    assert (row.gpus, row.tensor_parallel_size) == (16, 16)


def test_a_pool_is_counted_as_fit_counts_it() -> None:
    model = kvcalc.load("llama-3.1-8b")
    row = counted(model, engine="llama.cpp", gpu="h200", weights=GB)[0]
    requests = requests_of(MOONCAKE.name)
    longest = max(one.prompt + one.output for one in requests)
    fit = kvcalc.fit(
        model,
        gpu="h200",
        engine="llama.cpp",
        weights=GB,
        context=longest,
        sequences=row.peak_sequences,
    )
    assert (row.gpus, row.tensor_parallel_size) == (fit.gpus, fit.tensor_parallel_size)


def test_where_no_number_of_gpus_is_enough_there_is_none() -> None:
    row = counted(kvcalc.load("mixtral-8x7b"), engine="mlx", gpu="h100")[0]
    assert (row.gpus, row.tensor_parallel_size) == (None, None)


def test_shared_prefixes_are_counted_once() -> None:
    model = kvcalc.load("qwen3-8b")
    apart, together = (counted(model, gpu="l4", prefix=prefix)[0] for prefix in (False, True))
    assert apart.gpus is not None
    assert together.gpus is not None
    assert together.gpus <= apart.gpus
    assert together.peak_bytes < apart.peak_bytes


@pytest.mark.parametrize("prefix", [False, True])
def test_a_peak_alone_is_the_one_among_all_sums(prefix: bool) -> None:
    base = connect()
    loaded = load(base, [MOONCAKE], service=service(**RATES), with_blocks=prefix)
    if prefix:
        share(base, loaded.block_tokens)
    rule = next(rules(KEXAONE.with_window(4096), "sglang", {}))
    weight = request_bytes(rule, shared=prefix)
    for since, until in ((None, None), (3_000_000, 40_000_000), (10**15, None)):
        sums = Sums(base, prefix, Trim(since, until), loaded.requests)
        assert sums.peak(weight) == sums.of([weight])[0][0]


def test_engines_defaults_follow_the_card() -> None:
    """vLLM batches 16,384 tokens on a card of 180 GB (engine/arg_utils.py), and ideal has none."""
    rows = counted(KEXAONE, engine=["vllm", "ideal"], gpu="b200")
    asked = trace(KEXAONE, MOONCAKE, engine="vllm", max_num_batched_tokens=16_384, **RATES)
    unnamed = trace(KEXAONE, MOONCAKE, engine="vllm", **RATES)
    assert rows[0].peak_bytes == asked.rows[0].peak_bytes
    assert rows[0].peak_bytes > unnamed.rows[0].peak_bytes
    assert type(unnamed.rows[0]) is TraceRow


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(KvcalcError, match="does not say how many parameters"):
        trace(shapes.model(), MOONCAKE, gpu="h100", **RATES)
    with pytest.raises(KvcalcError, match="gpu: found beside a Cost, expected beside a Model"):
        trace(kvcalc.cost(KEXAONE), MOONCAKE, gpu="h100", **RATES)
    with pytest.raises(KvcalcError, match="GPU 'h300' is unknown"):
        trace(KEXAONE, MOONCAKE, gpu="h300", **RATES)

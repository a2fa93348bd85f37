"""Beside recurrent layers max_num_seqs may not exceed the pool's blocks, from 0.20.0 on."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.answers.fit import fit
from tests.each import each

QWEN35 = kvcalc.load("tests/oracles/configs/Qwen--Qwen3.5-27B.json")
NEMOTRON = kvcalc.load("tests/oracles/configs/nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16.json")
GIB = 2**30


def on_h100(engine: str = "vllm@0.28.0", **settings: Any) -> kvcalc.Pool:
    """The pool of issue 49064 of vllm-project/vllm: 46.4 GiB, 132,000 tokens."""
    return kvcalc.pool(QWEN35, engine, memory=int(46.4 * GIB), context=132_000, **settings)


def test_the_most_is_the_pools_blocks() -> None:
    """Its log: "max_num_seqs (1024) exceeds available Mamba cache blocks (969)"."""
    pool = on_h100()
    assert pool.figures["max_num_seqs"] == pool.figures["num_gpu_blocks"] == 969
    assert pool.note == (
        "vllm 0.28.0 does not start with its own max_num_seqs, 1,024: beside recurrent layers it "
        "may be at most 969, num_gpu_blocks"
    )


@each(("release", "most"), [("0.19.1", None), ("0.20.0", 969), ("0.33.0", 969)])
def test_from_which_release_on(release: str, most: int | None) -> None:
    pool = on_h100(f"vllm@{release}")
    assert pool.figures["max_num_seqs"] == most
    assert bool(pool.note) == (most is not None)
    assert bool(kvcalc.cost(QWEN35, f"vllm@{release}").note) == (most is not None)


@pytest.mark.parametrize(("blocks", "starts"), [(1023, False), (1024, True)])
def test_as_many_sequences_as_blocks_are_let_in(blocks: int, starts: bool) -> None:
    pool = kvcalc.pool(QWEN35, "vllm@0.28.0", memory=blocks * 51_380_224, context=1000)
    assert (pool.note == "") == starts


def test_a_card_that_runs_256_by_itself_starts() -> None:
    assert on_h100(gpu="a100-80gb").note == ""
    assert on_h100(gpu="rtx-5090").note == ""


def test_without_states_nothing_bounds_them() -> None:
    llama = kvcalc.load("llama-3.1-8b")
    pool = kvcalc.pool(llama, "vllm", memory=GIB, context=1024)
    assert pool.figures["max_num_seqs"] is None
    assert kvcalc.cost(llama, "vllm").note == pool.note == ""


def test_a_cost_says_what_vllms_own_sequences_take() -> None:
    """1,024 blocks of 51,380,224 bytes."""
    assert kvcalc.cost(QWEN35, "vllm@0.28.0").note == (
        "vllm 0.28.0 starts beside recurrent layers only if max_num_seqs is at most num_gpu_blocks;"
        " its own 1,024 need 52,613,349,376 (49.00 GiB) of cache memory per GPU, else give "
        "--max-num-seqs"
    )


@pytest.mark.parametrize("model", [QWEN35, NEMOTRON], ids=lambda model: model.name)
@given(memory=st.integers(2 * GIB, 90 * GIB), context=st.integers(1, 262_144))
def test_what_fits_keeps_it(model: kvcalc.Model, memory: int, context: int) -> None:
    found = fit(
        model, gpu_memory=memory, gpus=1, context=context, engine="vllm", weights=1, reserve=0
    )
    if not found.max_sequences:
        return
    pool = kvcalc.pool(model, "vllm", memory=found.cache_memory_per_gpu, context=context)
    most = pool.figures["max_num_seqs"] + 1  # the null block, which no request gets
    assert found.max_sequences <= most
    assert (f" --max-num-seqs {most}" in found.flags) == (most < 1024)

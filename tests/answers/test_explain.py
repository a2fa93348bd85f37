"""The derivation of an answer."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

import kvcalc
from kvcalc import engines
from kvcalc.catalogue.models import names
from tests.each import each
from tests.shapes import Model, contexts, full, latent, model, models


def test_k_exaone_is_explained_step_by_step(snapshot: SnapshotAssertion) -> None:
    cost = kvcalc.cost(kvcalc.load("k-exaone-236b-a23b"))
    assert str(cost.explain(context=262_144)) == snapshot


def test_ranks_and_latent_rows_are_told(snapshot: SnapshotAssertion) -> None:
    cost = kvcalc.cost(model(latent(), full()), kv_cache_dtype="fp8", tensor_parallel_size=8)
    assert str(cost.explain(context=8192, sequences=2)) == snapshot


@given(models(), contexts, st.integers(1, 100))
def test_the_last_steps_of_the_groups_add_up_to_the_answer(
    drawn: Model, context: int, sequences: int
) -> None:
    cost = kvcalc.cost(drawn)
    explained = cost.explain(context=context, sequences=sequences)
    assert explained.bytes == cost(context, sequences=sequences)
    assert explained.bytes == sum(group.steps[-1].value for group in explained.groups)
    assert sum(group.layers for group in explained.groups) == len(drawn.layers)


def test_the_bytes_of_a_page_of_vllms_are_what_their_derivation_says() -> None:
    derived = set()
    for source in (*names(), MIMO, QWEN):
        of = kvcalc.load(source)
        for form in ("auto", "fp8", "nvfp4", "int8_per_token_head"):
            try:
                explained = kvcalc.cost(of, "vllm", kv_cache_dtype=form).explain(context=8192)
            except kvcalc.KvcalcError:
                continue
            for step in explained.rows:
                if step.step == "page size":
                    own = step.working.rpartition(": ")[2]  # behind how many layers have it
                    said = re.sub(r"\([a-z][\w ]*\)", "", own).replace(" x ", " * ")
                    assert eval(re.sub("[a-z,]", "", said)) == step.value
                    derived.add(said.count("*"))
    assert derived == {0, 1, 2, 3}
    assert "16 tokens x 8 heads x (64 + 64) x 2 bytes" in str(
        kvcalc.explain(kvcalc.load("gpt-oss-20b"), engine="vllm")
    )


def test_what_cannot_be_asked_cannot_be_explained() -> None:
    with pytest.raises(kvcalc.KvcalcError, match=r"^context: found 0, expected a positive int$"):
        kvcalc.cost(model(full())).explain(context=0)


CONFIGS = "tests/oracles/configs"
MINIMAX = f"{CONFIGS}/MiniMaxAI--MiniMax-M3.json"
MIMO = f"{CONFIGS}/XiaomiMiMo--MiMo-V2-Flash.json"
QWEN = f"{CONFIGS}/Qwen--Qwen3.5-27B.json"

LARGE = {"ubatch_size": 4096, "batch_size": 4096}

LOWERED: dict[tuple[str, str, Any], tuple[str, dict[str, Any], int]] = {
    ("vllm", "max_num_batched_tokens", 2048): ("exaone-4.0-32b", {}, 131_072),
    ("vllm", "async_scheduling", False): ("exaone-4.0-32b", {}, 131_072),
    ("sglang", "page_size", 1): (MINIMAX, {}, 65),
    ("sglang", "page_size", 64): (MINIMAX, {}, 1),
    ("sglang", "chunked_prefill_size", 2048): ("gpt-oss-120b", {}, 8192),
    ("sglang", "chunked_prefill_size", 8192): (MIMO, {"gpu": "b200"}, 131_072),
    ("sglang", "disable_radix_cache", True): (QWEN, {}, 8192),
    ("sglang", "mamba_radix_cache_strategy", "extra_buffer_lazy"): (QWEN, {}, 8192),
    ("llama.cpp", "ubatch_size", 128): ("exaone-4.0-32b", {}, 8192),
    ("llama.cpp", "ubatch_size", 2048): ("exaone-4.0-32b", LARGE, 131_072),
    ("llama.cpp", "kv_unified", True): ("deepseek-v3", {}, 100),
    ("lmdeploy", "cache_block_seq_len", 16): ("deepseek-v3", {}, 100),
    ("lmdeploy", "cache_block_seq_len", 32): ("deepseek-v3", {}, 8193),
    ("lmdeploy", "cache_block_seq_len", 128): ("deepseek-v3", {"cache_block_seq_len": 256}, 8193),
}
"""A case that each value worth trying lowers: the model, its settings and the context."""


@each(("engine", "name", "value"), LOWERED)
def test_each_value_worth_trying_lowers_a_cost(engine: str, name: str, value: Any) -> None:
    source, given, context = LOWERED[engine, name, value]
    of = kvcalc.load(source)
    now, then = (
        kvcalc.cost(of, engine, **settings)(context, sequences=4)
        for settings in (given, {**given, name: value})
    )
    assert then < now
    found = kvcalc.explain(of, engine=engine, context=context, sequences=4, **given)
    assert found.lever is not None
    assert found.lever.bytes <= then


def test_no_value_is_tried_that_lowers_nothing() -> None:
    tried = {
        (name, setting, value)
        for name in engines.ENGINES
        for setting, values in engines.find(name).levers.items()
        for value in values
    }
    assert tried == LOWERED.keys()

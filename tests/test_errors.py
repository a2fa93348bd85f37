"""Kinds of errors with their facts, and values in their sentences: quoted, short, harmless."""

import pickle
from copy import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.errors import (
    KvcalcError,
    MissingExtraError,
    RequestError,
    SourceError,
    TooLittleMemoryError,
    UnsupportedError,
    printable,
    quote,
)
from kvcalc.layers.recurrent import GatedDeltaNet
from tests.each import each
from tests.promised import missing
from tests.shapes import Model, full
from tests.texts import TEXTS


@each(
    ("value", "text"),
    [
        ("abc", "'abc'"),
        ("", "''"),
        (0, "0"),
        (None, "None"),
        ("\x1b[31m", "'\\x1b[31m'"),
        ("a\nb", "'a\\nb'"),
        ("가", "'\\uac00'"),
        (1 << 400, "an integer of 401 bits"),
    ],
)
def test_a_value_is_quoted(value: object, text: str) -> None:
    assert quote(value) == text


def test_a_value_that_is_deep_is_named() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert quote(deep) == "a list too deep to show"


@given(TEXTS | st.integers() | st.lists(TEXTS))
def test_a_quoted_value_is_short_printable_ascii(value: object) -> None:
    text = quote(value)
    assert len(text) <= 60
    assert text.isascii()
    assert text.isprintable()


@given(TEXTS)
def test_text_for_a_terminal_holds_nothing_that_it_obeys(text: str) -> None:
    assert printable(text).isprintable()
    assert not text.isprintable() or printable(text) == text


@pytest.mark.parametrize(
    ("model", "engine", "settings"),
    [
        ("qwen3-8b", "sglang", {}),
        ("gpt-oss-20b", "sglang", {}),
        ("gpt-oss-20b", "sglang", {"disable_radix_cache": True, "max_running_requests": 8}),
        ("qwen3-8b", "lmdeploy", {}),
    ],
)
def test_too_little_memory_says_how_much_is_needed(
    model: str, engine: str, settings: dict[str, Any]
) -> None:
    def pool(memory: int) -> kvcalc.Pool:
        return kvcalc.pool(kvcalc.load(model), engine, memory=memory, context=4096, **settings)

    with pytest.raises(TooLittleMemoryError) as refused:
        pool(1000)
    needed = refused.value.needed_bytes
    assert refused.value.available_bytes == 1000
    assert needed is not None
    pool(needed)
    with pytest.raises(TooLittleMemoryError):
        pool(needed - 1)


def test_no_memory_is_enough_for_less_than_one_state_on_each_rank() -> None:
    state = GatedDeltaNet(key_heads=2, value_heads=4, key_dim=8, value_dim=8, kernel=4)
    hybrid = Model(name="hybrid", layers=(state, full()), dtype="bfloat16")
    ranks: dict[str, Any] = {
        "tensor_parallel_size": 2,
        "attn_dp_size": 2,
        "max_mamba_cache_size": 1,
    }
    with pytest.raises(TooLittleMemoryError) as refused:
        kvcalc.pool(hybrid, "sglang", memory=10**9, context=1, **ranks)
    assert refused.value.needed_bytes is None


@pytest.mark.parametrize(
    ("model", "engine", "settings", "what"),
    [
        ("gemma-3-27b", "mlx", {"tensor_parallel_size": 2}, "tensor_parallel_size"),
        ("qwen3-8b", "vllm", {"tensor_parallel_size": 3}, "tensor_parallel_size"),
        ("qwen3-8b", "tensorrt-llm", {}, "Qwen3-8B"),
        ("deepseek-v3", "transformers", {"tensor_parallel_size": 2}, "tensor_parallel_size"),
    ],
)
def test_an_engine_that_cannot_is_named(
    model: str, engine: str, settings: dict[str, Any], what: str
) -> None:
    with pytest.raises(UnsupportedError) as refused:
        kvcalc.cost(kvcalc.load(model), engine, **settings)
    assert (refused.value.engine, refused.value.what) == (engine, what)


KINDS = (
    RequestError.of("gpus", 0, "at least 1"),
    UnsupportedError("vllm does not support x layers", engine="vllm", what="x layers"),
    TooLittleMemoryError("memory: found 1 byte", needed_bytes=2, available_bytes=1),
    SourceError.of("a\x1b.json", "not JSON"),
    MissingExtraError.of("a workbook needs", "xlsx"),
)


@pytest.mark.parametrize("error", KINDS, ids=lambda error: type(error).__name__)
def test_an_error_keeps_its_facts_when_it_is_pickled(error: KvcalcError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


@pytest.mark.parametrize("error", KINDS, ids=lambda error: type(error).__name__)
def test_an_error_within_something_keeps_its_kind_and_its_facts(error: KvcalcError) -> None:
    again = error.within("plan.csv: line 2")
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (f"plan.csv: line 2: {error}", vars(error))
    assert missing(again) == []


@pytest.mark.parametrize("error", KINDS, ids=lambda error: type(error).__name__)
def test_errors_are_equal_by_their_kind_their_sentence_and_their_facts(error: KvcalcError) -> None:
    again = copy(error)
    assert again == error
    assert hash(again) == hash(error)
    assert error.within("here") != error
    vars(again).update(dict.fromkeys(vars(again), "other"))
    assert again != error


def test_usual_sentences_are_written_from_the_facts() -> None:
    request, source = KINDS[0], KINDS[3]
    assert str(request) == "gpus: found 0, expected at least 1"
    assert vars(request) == {"field": "gpus", "found": 0, "expected": "at least 1"}
    assert str(source) == "'a\\x1b.json': not JSON"
    assert vars(source) == {"source": "a\x1b.json"}

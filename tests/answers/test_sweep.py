"""Contexts by windows, beside full attention."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.answers.estimate import estimate
from kvcalc.outputs.pages.sweep import sweep_page
from tests.shapes import Model, chunked, contexts, full, model, models, sliding, windowed_models

HYBRID = model(*[sliding(128)] * 3, full(), max_context=262_144)


def test_every_context_is_answered_with_every_window_contexts_outermost() -> None:
    rows = kvcalc.sweep(HYBRID, context=[8192, 262_144], window=[4096, 128])
    assert [(row.context, row.window) for row in rows] == [
        (8192, 4096),
        (8192, 128),
        (262_144, 4096),
        (262_144, 128),
    ]


def test_one_context_and_one_window_need_no_list() -> None:
    (row,) = kvcalc.sweep(HYBRID, context=8192, window=512)
    assert (row.context, row.window) == (8192, 512)


def test_a_repeated_context_or_window_is_answered_once() -> None:
    rows = kvcalc.sweep(HYBRID, context=[8192, 8192], window=[128, 4096, 128])
    assert [(row.context, row.window) for row in rows] == [(8192, 128), (8192, 4096)]


def test_a_model_with_contexts_and_windows_of_its_own_is_swept_at_those() -> None:
    rows = kvcalc.sweep(kvcalc.load("k-exaone-236b-a23b"))
    assert {(row.context, row.window) for row in rows} == {
        (context, window)
        for context in (8_192, 32_768, 131_072, 262_144)
        for window in (4_096, 128)
    }


@pytest.mark.parametrize(
    ("maximum", "swept"),
    [
        (262_144, [8_192, 32_768, 131_072, 262_144]),
        (10_485_760, [8_192, 32_768, 131_072, 262_144]),
        (131_072, [8_192, 32_768, 131_072]),
        (40_960, [8_192, 32_768]),
        (4_096, [4_096]),
    ],
)
def test_a_model_without_contexts_of_its_own_is_swept_at_the_usual_up_to_its_maximum(
    maximum: int, swept: list[int]
) -> None:
    rows = kvcalc.sweep(model(sliding(128), full(), max_context=maximum))
    assert [row.context for row in rows] == swept
    assert {row.window for row in rows} == {128}


def test_a_model_that_does_not_say_its_maximum_needs_a_context() -> None:
    with pytest.raises(kvcalc.KvcalcError, match=r"^context: missing, and Test-1B does not say"):
        kvcalc.sweep(model(full()))


def test_a_single_number_of_numpys_is_taken_for_an_int() -> None:
    rows = kvcalc.sweep(HYBRID, context=numpy.array([8192, 4096]), window=numpy.int64(512))  # type: ignore[arg-type]
    assert rows == kvcalc.sweep(HYBRID, context=[8192, 4096], window=512)
    assert [type(row.context) for row in rows] == [int, int]


def test_a_name_is_no_model() -> None:
    with pytest.raises(kvcalc.KvcalcError, match=r"^model: found 'qwen3-8b', expected a Model"):
        kvcalc.sweep("qwen3-8b")  # type: ignore[arg-type]


def test_a_window_for_a_model_without_sliding_layers_is_refused() -> None:
    with pytest.raises(kvcalc.KvcalcError, match=r"^window: Test-1B has no sliding layers"):
        kvcalc.sweep(model(chunked(), full()), context=8192, window=128)


def test_full_attention_is_the_same_model_with_every_layer_seeing_all() -> None:
    mixed = model(sliding(128), chunked(64), full())
    (row,) = kvcalc.sweep(mixed, context=8192)
    assert row.bytes == (128 + 64 + 8192) * 4096
    assert row.full_attention_bytes == 3 * 8192 * 4096


def test_sequences_and_engine_settings_hold_for_both() -> None:
    (row,) = kvcalc.sweep(
        HYBRID, context=8192, sequences=16, kv_cache_dtype="fp8", tensor_parallel_size=2
    )
    assert row.bytes == 16 * (8192 + 3 * 128) * 2048 == 2 * row.bytes_per_gpu
    assert row.full_attention_bytes == 16 * 4 * 8192 * 2048


@given(models(), st.lists(contexts, min_size=1, max_size=3), st.integers(1, 100))
def test_a_sweep_equals_estimates_one_by_one(
    drawn: Model, asked: list[int], sequences: int
) -> None:
    for row in kvcalc.sweep(drawn, context=asked, sequences=sequences):
        alone = estimate(drawn, context=row.context, sequences=sequences)
        assert vars(row) == {**vars(alone), "full_attention_bytes": row.full_attention_bytes}


@given(windowed_models(), contexts, st.integers(1, 10**6))
def test_a_sweep_over_windows_equals_estimates_one_by_one(
    drawn: Model, context: int, window: int
) -> None:
    (row,) = kvcalc.sweep(drawn, context=context, window=window)
    alone = estimate(drawn, context=context, window=window)
    assert (row.window, row.bytes, row.groups) == (window, alone.bytes, alone.groups)


def test_models_engines_types_ranks_and_sequences_may_be_several() -> None:
    models = [kvcalc.load(name) for name in ("qwen3-32b", "llama-3.1-8b")]
    rows = kvcalc.sweep(
        models,
        context=8_192,
        engine=["vllm", "sglang"],
        kv_cache_dtype=["bf16", "fp8"],
        tensor_parallel_size=[1, 8],
        sequences=[1, 16],
        block_size=32,
    )
    assert len(rows) == 2**5
    assert {row.settings.get("block_size") for row in rows if row.engine == "sglang"} == {None}
    for row in rows:
        alone = kvcalc.sweep(
            models[row.model != "Qwen3-32B"],
            context=8_192,
            engine=row.engine,
            sequences=row.sequences,
            kv_cache_dtype=row.kv_cache_dtype,
            **row.settings,
        )
        assert list(alone) == [row]


def test_what_is_refused_is_a_warning_beside_answers_and_else_an_error() -> None:
    model = kvcalc.load("qwen3-32b")
    with pytest.warns(kvcalc.RefusedWarning, match="Qwen3-32B on llama.cpp, kv_cache_dtype fp8"):
        rows = kvcalc.sweep(model, context=8_192, engine="llama.cpp", kv_cache_dtype=["f16", "fp8"])
    assert [row.kv_cache_dtype for row in rows] == ["f16"]
    with pytest.raises(kvcalc.KvcalcError, match="'fp9' is unknown"):
        kvcalc.sweep(model, context=8_192, kv_cache_dtype=["fp9", "q8_0"])
    with pytest.raises(kvcalc.KvcalcError, match="engine: found an empty list"):
        kvcalc.sweep(model, context=8_192, engine=[])


def test_a_model_has_its_bytes_where_the_engine_refuses_it_with_all_layers_full() -> None:
    """SGLang gave the window's pool a shape of its own; full layers of two shapes share one."""
    mimo = kvcalc.load("mimo-v2-flash")
    with pytest.warns(kvcalc.RefusedWarning, match="with all layers full: sglang stores all"):
        (row,) = kvcalc.sweep(mimo, context=8_192, engine="sglang")
    assert row.bytes == estimate(mimo, context=8_192, engine="sglang").bytes
    assert row.full_attention_bytes is None
    assert "cannot" in str(sweep_page([row]).rows)

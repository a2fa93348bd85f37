"""One request on every engine: each row is the engine's own cost, or its own refusal."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc import engines
from kvcalc.answers.compare import compare
from kvcalc.answers.estimate import estimate
from kvcalc.errors import KvcalcError, RequestError, UnsupportedError
from kvcalc.layers.layer import Layer
from kvcalc.model import Model
from kvcalc.readers.shape import from_shape
from tests.each import each
from tests.shapes import contexts, models

KEXAONE = kvcalc.load("k-exaone-236b-a23b")

SERVING = ("ideal", "transformers", "vllm", "sglang", "llama.cpp", "mlx")
REFUSING = ("lmdeploy", "exllamav3", "tensorrt-llm")
"""The engines that run K-EXAONE, and those that do not; what others would take is not known."""


def test_every_engine_has_a_row_and_each_says_bytes_or_why_not() -> None:
    rows = compare(KEXAONE, context=262_144)
    assert [row.engine for row in rows] == list(engines.ENGINES)
    for row in rows:
        assert (row.bytes is None) == (row.error is not None)


@each(
    ("engine", "expected"),
    [
        ("ideal", (13_488_881_664, 12_903_776_256)),
        ("transformers", (13_488_734_208, 12_903_628_800)),
        ("vllm", (15_907_160_064, 15_322_054_656)),
        ("sglang", (51_539_607_552, 51_539_607_552)),
        ("llama.cpp", (13_564_379_136, 12_998_148_096)),
        ("mlx", (13_488_881_664, 12_903_776_256)),
    ],
)
def test_k_exaone_at_both_windows(engine: str, expected: tuple[int, int]) -> None:
    rows = compare(KEXAONE, context=262_144, window=[4096, 128], among=[engine])
    assert tuple(row.bytes for row in rows if row.engine == engine) == expected


def test_the_ratio_is_to_what_attention_needs() -> None:
    vllm = compare(KEXAONE, context=262_144, among=["vllm"])[0]
    assert vllm.ratio_to_ideal == round(15_322_054_656 / 12_903_776_256, 4)
    assert vllm.why == "16,384 tokens in flight per sliding layer, not 128"


def test_a_peak_is_beside_what_is_held_at_the_end() -> None:
    mlx = compare(KEXAONE, context=262_144, among=["mlx"])[0]
    assert mlx.bytes == 12_903_776_256
    assert mlx.peak_bytes == 13_205_323_776


def test_a_setting_goes_to_the_engines_that_have_it() -> None:
    vllm, llama = compare(
        KEXAONE, context=262_144, among=["vllm", "llama.cpp"], max_num_batched_tokens=2048
    )
    assert (vllm.bytes, llama.bytes) == (13_510_115_328, 12_998_148_096)
    assert vllm.settings == {"max_num_batched_tokens": 2048}
    assert llama.settings == {}


def test_what_one_engine_refuses_the_others_answer() -> None:
    rows = compare(KEXAONE, context=8192, among=["ideal", "transformers"], tensor_parallel_size=8)
    assert [row.bytes is None for row in rows] == [False, True]
    assert rows[1].error == "tensor_parallel_size: transformers has none, expected 1"


def test_a_setting_that_no_engine_has_is_an_error() -> None:
    with pytest.raises(KvcalcError, match="no engine that is compared has the setting 'colour'"):
        compare(KEXAONE, context=1, colour="red")


def test_a_window_for_a_model_without_one_is_an_error() -> None:
    with pytest.raises(KvcalcError, match="has no sliding layers"):
        compare(kvcalc.load("llama-3.1-8b"), context=1, window=128)


def test_a_model_without_a_maximum_needs_a_context() -> None:
    with pytest.raises(KvcalcError, match="context: missing"):
        compare(from_shape(layers=2, kv_heads=1, head_dim=64))


@given(models(), contexts, st.integers(1, 100))
def test_a_row_is_the_estimate_of_its_engine(drawn: Model, context: int, sequences: int) -> None:
    for row in compare(drawn, context=context, sequences=sequences):
        if row.error is None:
            alone = estimate(drawn, context=context, sequences=sequences, engine=row.engine)
            assert row.bytes == alone.bytes
        else:
            with pytest.raises(KvcalcError) as caught:
                estimate(drawn, context=context, sequences=sequences, engine=row.engine)
            assert str(caught.value) == row.error


class Unheard(Layer):
    kind = "unheard_of"


def test_a_kind_of_layer_that_nobody_runs_is_a_sentence_in_each_row() -> None:
    rows = compare(Model(name="strange", layers=(Unheard(),)), context=1)
    assert all(row.error for row in rows)
    assert {row.ratio_to_ideal for row in rows} == {None}


def refused(error: KvcalcError) -> str | None:
    """The setting whose value an error says is at fault."""
    match error:
        case RequestError(field=setting) | UnsupportedError(what=setting):
            return setting
    return None


@each(
    ("asked", "setting"),
    [
        ({"block_size": 7}, "block_size"),
        ({"kv_cache_dtype": "nonsense"}, "kv_cache_dtype"),
        ({"kv_cache_dtype": "fp8_ds_mla"}, "kv_cache_dtype"),
        ({"tensor_parallel_size": 3}, "tensor_parallel_size"),
        ({"tensor_parallel_size": 0}, "tensor_parallel_size"),
        ({"tensor_parallel_size": 3, "kv_cache_dtype": "nonsense"}, "kv_cache_dtype"),
        ({"cache_type_v": "nonsense"}, "cache_type_v"),
        ({"page_size": 7}, "chunked_prefill_size"),
    ],
)
def test_a_value_that_no_engine_takes_is_refused(asked: dict[str, Any], setting: str) -> None:
    with pytest.raises(KvcalcError) as error:
        compare(KEXAONE, context=8192, among=[*SERVING, *REFUSING], **asked)
    assert refused(error.value) == setting


@pytest.mark.parametrize(
    ("asked", "takes"),
    [
        ({"kv_cache_dtype": "q8_0"}, {"llama.cpp"}),
        ({"kv_cache_dtype": "fp8_per_token_head"}, {"vllm"}),
        ({"kv_cache_dtype": "int4"}, {"ideal", "transformers"}),
        ({"cache_block_seq_len": 24}, {*SERVING}),
    ],
)
def test_a_value_that_some_take_is_cannot_on_the_rest(
    asked: dict[str, Any], takes: set[str]
) -> None:
    rows = compare(KEXAONE, context=8192, among=[*SERVING, *REFUSING], **asked)
    assert {row.engine for row in rows if row.bytes is not None} == takes


def test_a_value_that_one_window_takes_is_not_refused() -> None:
    rows = compare(KEXAONE, context=8192, window=[1, 128], among=["transformers"])
    assert [row.bytes is None for row in rows] == [True, False]

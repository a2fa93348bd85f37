"""Weights in a format that is named, against sizes that others published."""

import pytest

from kvcalc.errors import KvcalcError
from kvcalc.readers import load
from kvcalc.readers.weight_formats import NAMES, named
from kvcalc.readers.weights import of_shape
from tests.each import each

LLAMA_8B = load("llama-3.1-8b")

BITS = {
    "Q3_K_S": "3.6429",
    "Q3_K_L": "4.2979",
    "Q4_K_S": "4.6672",
    "Q4_K_M": "4.8944",
    "Q5_K_S": "5.5704",
    "Q5_K_M": "5.7036",
    "Q6_K": "6.5633",
    "Q8_0": "8.5008",
}
"""Bits a weight of Llama 3.1 8B (llama.cpp, tools/quantize/README.md)."""


def test_a_mixture_of_llama_quantize_takes_the_bits_that_llama_cpp_publishes() -> None:
    for name, bits in BITS.items():
        weights = of_shape(LLAMA_8B, name.lower())
        assert weights.dtype == name
        assert sum(one.bytes for one in weights.tensors) == weights.bytes
        assert f"{weights.bytes * 8 / (weights.parameters or 0):.4f}" == bits


@each(
    ("format_", "size_bytes"),
    [
        ("awq", 5_727_854_592),
        ("AWQ", 5_727_854_592),
        ("gptq-int4", 5_727_854_592),
        ("nvfp4", 6_027_747_328),
        ("fp8", 9_082_904_576),
        ("mxfp4", 5_809_643_520),
        ("4bit", 4_517_404_672),
    ],
)
def test_a_format_takes_its_own_blocks_and_scales(format_: str, size_bytes: int) -> None:
    """32 layers of 218,103,808 elements in linears; the embedding and the head are 525,336,576."""
    assert of_shape(LLAMA_8B, format_).bytes == size_bytes


def test_the_format_of_the_checkpoint_itself_is_as_published() -> None:
    for name, own in (("gpt-oss-20b", "MXFP4"), ("deepseek-v3", "FP8"), ("llama-3.1-8b", "BF16")):
        model = load(name)
        assert of_shape(model, own) == of_shape(model)


@each(
    ("model", "format_", "sentence"),
    [
        ("llama-3.1-8b", "Q4_K_X", "did you mean Q4_K_S, Q4_K_M"),
        ("deepseek-v3", "Q4_K_M", "kv_a, kv_b, latent_norm"),
        ("llama-3.1-8b", "zz", "known are float32"),
    ],
)
def test_what_is_not_known_is_refused(model: str, format_: str, sentence: str) -> None:
    with pytest.raises(KvcalcError, match=sentence):
        of_shape(load(model), format_)


def test_every_format_is_found_by_its_own_name() -> None:
    assert {named(name) for name in NAMES} == {*NAMES}

"""Models that tests build, and strategies that draw them at random."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from kvcalc.layers.attention import FullAttention, SlidingAttention
from kvcalc.layers.chunked import ChunkedAttention
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model

__all__ = [
    "DEEPSEEK_ROW",
    "HEADS",
    "PRESET",
    "ChunkedAttention",
    "FullAttention",
    "LatentAttention",
    "Model",
    "SlidingAttention",
    "chunked",
    "contexts",
    "full",
    "latent",
    "layers",
    "model",
    "models",
    "sliding",
    "windowed_models",
]

HEADS: Mapping[str, Any] = {"kv_heads": 8, "head_dim": 128}
"""4,096 bytes a token and layer in bfloat16: 8 heads of 128, a key and a value, 2 bytes each."""

DEEPSEEK_ROW: Mapping[str, Any] = {"kv_lora_rank": 512, "qk_rope_head_dim": 64}


PRESET = """\
name = "Test-1B"
num_layers = 4
pattern = "LG"

[layers.L]
kind = "sliding_attention"
kv_heads = 8
head_dim = 128
window = 128

[layers.G]
kind = "full_attention"
kv_heads = 8
head_dim = 128

[[sources]]
facts = ["num_layers", "pattern", "layers"]
title = "A report"
address = "https://example.org/report"
"""
"""A preset file with nothing wrong."""


def full(**fields: Any) -> FullAttention:
    return FullAttention(**{**HEADS, **fields})


def sliding(window: int = 128, **fields: Any) -> SlidingAttention:
    return SlidingAttention(**{**HEADS, **fields}, window=window)


def chunked(chunk: int = 8192, **fields: Any) -> ChunkedAttention:
    return ChunkedAttention(**{**HEADS, **fields}, chunk=chunk)


def latent(**fields: Any) -> LatentAttention:
    return LatentAttention(**{**DEEPSEEK_ROW, **fields})


def model(*layers: Any, **facts: Any) -> Model:
    return Model(**{"name": "Test-1B", **facts}, layers=layers or (full(),))


contexts = st.integers(1, 10**7)

_heads = st.integers(1, 64)
_sizes = st.integers(1, 512)
_attention: dict[str, st.SearchStrategy[Any]] = {
    "kv_heads": _heads,
    "head_dim": _sizes,
    "v_head_dim": st.none() | _sizes,
}


def _sliding(window: st.SearchStrategy[int]) -> st.SearchStrategy[SlidingAttention]:
    return st.builds(SlidingAttention, **_attention, window=window)


def layers(window: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    """Draw a layer of any kind that `ideal` has had from the start."""
    return st.one_of(
        st.builds(FullAttention, **_attention),
        _sliding(window),
        st.builds(ChunkedAttention, **_attention, chunk=st.integers(1, 10**6)),
        st.builds(LatentAttention, kv_lora_rank=_sizes, qk_rope_head_dim=_sizes),
    )


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Draw a model: layers of any kinds in any order, perhaps with several windows."""
    window = st.integers(1, 10**6)
    drawn = draw(st.lists(layers(window), min_size=1, max_size=8))
    return model(*drawn, dtype=draw(st.sampled_from(["bfloat16", "fp8", "int4", "float32"])))


@st.composite
def windowed_models(draw: st.DrawFn) -> Model:
    """Draw a model with sliding layers, all of one window."""
    window = st.just(draw(st.integers(1, 10**6)))
    drawn = draw(st.lists(layers(window), max_size=6))
    return model(draw(_sliding(window)), *drawn)

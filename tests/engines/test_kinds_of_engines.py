"""Each engine takes the layers and element types that it lists, and refuses others by name."""

from itertools import product
from typing import Any

import pytest

import kvcalc
from kvcalc.dtypes import DTYPES
from kvcalc.engines import ENGINES, find
from kvcalc.errors import KvcalcError, UnsupportedError
from kvcalc.layers import KINDS
from kvcalc.layers.composed import NoCache, SharedCache
from kvcalc.layers.cross import CrossAttention
from kvcalc.layers.latent import CompressedAttention
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import (
    CarriedRow,
    GatedDeltaNet,
    KimiDeltaAttention,
    LightningAttention,
    Mamba,
    Mamba2,
    Mlstm,
    NgramEmbedding,
    Rwkv,
    ShortConvolution,
)
from tests.each import each
from tests.shapes import DEEPSEEK_ROW, chunked, full, latent, model, sliding

ONE_OF_EACH: tuple[Layer, ...] = (
    full(),
    sliding(),
    chunked(),
    CrossAttention(kv_heads=8, head_dim=128, source=64),
    latent(**DEEPSEEK_ROW),
    CompressedAttention(head_dim=512, window=128),
    Mamba(kernel=4, inner=64, state=16),
    Mamba2(kernel=4, heads=8, head_dim=64, groups=1, state=64),
    GatedDeltaNet(kernel=4, key_heads=4, value_heads=8, key_dim=64, value_dim=64),
    KimiDeltaAttention(kernel=4, heads=8, head_dim=64),
    LightningAttention(heads=8, head_dim=64),
    Mlstm(heads=8, key_dim=64, value_dim=64),
    Rwkv(embedding=512, head_dim=64),
    ShortConvolution(kernel=3, width=64),
    CarriedRow(elements=64),
    NgramEmbedding(kernel=4, ngram=3, width=64),
    SharedCache(),
    NoCache(),
)

ALONE = {"full_attention", "latent_attention", "compressed_attention"}
"""Kinds that stand in no model beside full attention."""

OF_A_TYPE = {
    ("lmdeploy", "compressed_attention"): "deepseek_v4",
    ("lmdeploy", "gated_delta_net"): "qwen3_next",
    ("llama.cpp", "cross_attention"): "t5",
}
"""Model types without which an engine refuses a kind that it lists."""


def refused(engine: str, one: Layer) -> bool:
    """Whether the engine refuses a model with that layer for its kind."""
    layers: tuple[Any, ...] = (one,) if one.kind in ALONE else (full(), one)
    given = model(*layers, model_type=OF_A_TYPE.get((engine, one.kind)))
    try:
        kvcalc.cost(given, engine)(1024)
    except UnsupportedError as error:
        return one.kind in (error.what or "")
    return False


def test_there_is_one_of_each() -> None:
    assert {one.kind for one in ONE_OF_EACH} == KINDS.keys() - {"combined"}  # which its parts are


@each(("engine", "one"), product([name for name in ENGINES if find(name).kinds], ONE_OF_EACH))
def test_an_engine_takes_the_kinds_that_it_lists(engine: str, one: Layer) -> None:
    assert refused(engine, one) == (one.kind not in find(engine).kinds)


ELEMENTS = [*dict.fromkeys((*DTYPES, *(one for name in ENGINES for one in find(name).dtypes)))]


@each(("engine", "element"), product([name for name in ENGINES if find(name).dtypes], ELEMENTS))
def test_an_engine_takes_the_element_types_that_it_lists(engine: str, element: str) -> None:
    """Its settings spell another's word in its own; what is then not listed, no answer takes."""
    chosen = find(engine)
    try:
        spelled = chosen.settings(kv_cache_dtype=element).kv_cache_dtype
    except KvcalcError:
        assert element not in chosen.dtypes
        return
    if spelled not in (None, *chosen.dtypes):
        with pytest.raises(UnsupportedError, match=f"kv_cache_dtype: found .* on {engine}"):
            kvcalc.cost(model(), engine, kv_cache_dtype=element)

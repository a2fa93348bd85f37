"""Models that tests of SGLang share, and their costs and pools on it."""

from typing import Any

import kvcalc
from kvcalc.layers.latent import LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import (
    KimiDeltaAttention,
    LightningAttention,
    Mamba,
    Mamba2,
    ShortConvolution,
)
from kvcalc.model import Model
from tests.shapes import DEEPSEEK_ROW, latent

GIB = 2**30


def typed(model_type: str | None, *layers: Layer, **fields: Any) -> Model:
    return Model(name="a model", layers=layers, model_type=model_type, **fields)


def cost(model: Model, **settings: Any) -> kvcalc.Cost:
    return kvcalc.cost(model, engine="sglang", **settings)


def pool(model: Model, memory: Any = 50 * GIB, **settings: Any) -> kvcalc.Pool:
    return kvcalc.pool(model, engine="sglang", memory=memory, **settings)


EXAONE = kvcalc.load("k-exaone-236b-a23b")

WHAT_IF = typed(None, *EXAONE.layers, max_context=262_144)
"""K-EXAONE's shape without its model type, which SGLang gives a window pool."""

SPARSE = LatentAttention(**DEEPSEEK_ROW, sparse=True, index_head_dim=128)
DEEPSEEK = typed("deepseek_v3", latent(**DEEPSEEK_ROW))

STATES = [
    # (layer, columns and channels of the convolution in bfloat16, state in float32)
    (Mamba2(kernel=4, heads=8, head_dim=4, groups=2, state=16), 3 * (32 + 64), 8 * 4 * 16),
    (KimiDeltaAttention(kernel=4, heads=8, head_dim=4), 3 * 96, 8 * 16),
    (ShortConvolution(kernel=3, width=32), 2 * 32, 0),
    (LightningAttention(heads=8, head_dim=4), 0, 8 * 16),
    (Mamba(kernel=4, inner=32, state=16), 3 * 32, 32 * 16),
]

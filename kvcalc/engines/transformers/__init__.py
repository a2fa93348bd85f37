"""Hugging Face transformers' DynamicCache (5.24.0, cache_utils.py): what was computed, no more."""

from kvcalc.dtypes import DTYPES
from kvcalc.engines.engine import Engine
from kvcalc.engines.transformers.cost import cost
from kvcalc.engines.transformers.settings import TransformersSettings
from kvcalc.layers import KINDS

ENGINE = Engine(
    name="transformers",
    version="5.24.0",
    source="src/transformers/cache_utils.py",
    settings=TransformersSettings,
    kinds=tuple(kind for kind in KINDS if kind != "rwkv"),
    dtypes=tuple(DTYPES),
    cost=cost,
    folder=__name__,
)

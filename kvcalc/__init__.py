"""The key/value-cache memory a language model needs at inference, exactly, from its shape."""

from kvcalc.answers.sweep import sweep
from kvcalc.cost import Cost
from kvcalc.engines import cost
from kvcalc.errors import KvcalcError
from kvcalc.model import (
    ChunkedAttention,
    FullAttention,
    LatentAttention,
    Model,
    SlidingAttention,
)
from kvcalc.readers import load

__all__ = [
    "ChunkedAttention",
    "Cost",
    "FullAttention",
    "KvcalcError",
    "LatentAttention",
    "Model",
    "SlidingAttention",
    "cost",
    "load",
    "sweep",
]

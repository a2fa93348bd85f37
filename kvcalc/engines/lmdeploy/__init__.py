"""LMDeploy's PyTorch engine (0.18.0): blocks of tokens, the same for all layers.

A block holds the tensors of every layer, each rounded up to 256 bytes, for 64 tokens unless set
otherwise. A model has one window or none: with layers of both, every layer is paged in full.
"""

from kvcalc.engines.engine import Engine
from kvcalc.engines.lmdeploy import builders
from kvcalc.engines.lmdeploy.cost import cost
from kvcalc.engines.lmdeploy.pool import pool
from kvcalc.engines.lmdeploy.settings import DTYPES, LmdeploySettings

ENGINE = Engine(
    name="lmdeploy",
    version="0.18.0",
    source="lmdeploy/pytorch/engine/cache_engine/schema.py",
    settings=LmdeploySettings,
    kinds=builders.KINDS,
    dtypes=DTYPES,
    cost=cost,
    pool=pool,
    folder=__name__,
    levers={"cache_block_seq_len": (16, 32, 128)},
)

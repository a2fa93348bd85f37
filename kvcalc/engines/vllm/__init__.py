"""vLLM (V1 engine, 0.33.0): one pool of blocks on each rank, drawn on by groups of layers.

These are its planning figures, which it admits requests by; a request that only decodes holds
fewer sliding blocks. `formats` has the bytes of a token, `kernels` the blocks that backends read,
`caches` what a layer keeps, `layer_rules` the way from a layer to its caches, `blocks` how long a
block grows, `grouping` and `stages` the pool, `context_parallel` what ranks may share of it, `pool`
what the log prints of it.
"""

from kvcalc.engines.engine import Engine
from kvcalc.engines.vllm.cost import cost
from kvcalc.engines.vllm.formats import FORMATS
from kvcalc.engines.vllm.layer_rules import KINDS
from kvcalc.engines.vllm.pool import pool
from kvcalc.engines.vllm.settings import VllmSettings

ENGINE = Engine(
    name="vllm",
    version="0.33.0",
    source="v1/core/kv_cache_planning.py, v1/kv_cache_interface.py",
    settings=VllmSettings,
    kinds=tuple(KINDS),
    dtypes=FORMATS,
    cost=cost,
    pool=pool,
    folder=__name__,
    levers={
        "max_num_batched_tokens": (2_048,),
        "async_scheduling": (False,),
    },
)

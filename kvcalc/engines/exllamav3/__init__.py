"""ExLlamaV3 (1.6.5): a cache of as many tokens as the user asks for, allocated at load.

Attention is paged, 256 tokens each, for all sequences together; sliding layers of some
architectures are rings and recurrent layers states, of which each slot has its own.
"""

from kvcalc.engines.engine import Engine
from kvcalc.engines.exllamav3.cost import cost
from kvcalc.engines.exllamav3.layer_rules import KINDS
from kvcalc.engines.exllamav3.pool import pool
from kvcalc.engines.exllamav3.settings import DTYPE, ExllamaV3Settings

ENGINE = Engine(
    name="exllamav3",
    version="1.6.5",
    source="exllamav3/cache/cache.py",
    settings=ExllamaV3Settings,
    kinds=tuple(KINDS),
    dtypes=(DTYPE,),
    cost=cost,
    pool=pool,
    folder=__name__,
)

"""Apple's MLX-LM (mlx-lm 0.32.2): one cache object per layer, grown by 256 tokens as calls need it.

The cost is what is held at the end of a context, `peak` the most that any call before left behind:
while a prompt is read, a sliding layer keeps a whole step on top of its window. One sequence has
one set of caches; nothing is pooled or reserved.
"""

from kvcalc.engines.engine import Engine
from kvcalc.engines.mlx.cost import cost
from kvcalc.engines.mlx.layer_rules import KINDS
from kvcalc.engines.mlx.settings import DTYPES, MlxSettings

ENGINE = Engine(
    name="mlx",
    version="0.32.2",
    source="mlx_lm/models/cache.py",
    settings=MlxSettings,
    kinds=KINDS,
    dtypes=DTYPES,
    cost=cost,
    folder=__name__,
)

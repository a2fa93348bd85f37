"""What MLX-LM gives its caches of a GPU's memory."""

from kvcalc.engines.memory import RANKS, Memory

ALONE = RANKS._replace(
    most=1,
    note="each GPU holds a copy of its own: how mlx.launch shards one model over several Macs "
    "(mlx_lm/utils.py, sharded_load) differs by model type and is not modelled",
)

MEMORY = Memory(
    source="all of the card: caches grow as calls need them (mlx_lm/models/cache.py)",
    reserve_source="nothing says what it uses besides; give what you see",
    spread=ALONE,
)

"""What MLX-LM gives its caches of a GPU's memory."""

from kvcalc.engines.memory import RANKS, Memory

SHARES = RANKS._replace(
    words="shared by mlx.launch over",
    note="over several Macs, mlx.launch starts the server on each, and each holds its heads of a "
    "model (mlx_lm/utils.py, sharded_load); types that it shares otherwise are not modelled",
)

MEMORY = Memory(
    source="all of the card: caches grow as calls need them (mlx_lm/models/cache.py)",
    reserve_source="nothing says what it uses besides; give what you see",
    spread=SHARES,
)

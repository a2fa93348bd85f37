"""What MLX-LM gives its caches of a GPU's memory."""

from kvcalc.engines.memory import Memory

MEMORY = Memory(
    source="all of the card: caches grow as calls need them (mlx_lm/models/cache.py)",
    reserve_source="nothing says what it uses besides; give what you see",
)

"""What transformers takes of a GPU's memory: all of it."""

from kvcalc.engines.memory import Memory

MEMORY = Memory(
    source="all of the card: its tensors grow as tokens come (src/transformers/cache_utils.py)",
    reserve_source="nothing says what it uses besides; give what you see",
)

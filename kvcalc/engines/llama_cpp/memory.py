"""What llama.cpp gives its cells of a GPU's memory."""

from kvcalc.engines.memory import Memory

MEMORY = Memory(
    source="all of the card: a context asks for the bytes of its cells, and has no share of the "
    "memory (llama.cpp, src/llama-kv-cache.cpp)",
    reserve_source="nothing says what it uses besides; give what you see",
)

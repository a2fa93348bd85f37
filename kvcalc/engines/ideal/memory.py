"""What the ideal takes of a GPU's memory: all of it."""

from kvcalc.engines.memory import Memory

MEMORY = Memory(
    source="all of the card: the least that attention needs, whatever an engine takes for itself",
    reserve_source="nothing is used besides; give what an engine does",
)

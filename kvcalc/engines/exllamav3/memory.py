"""What ExLlamaV3 gives its cache of a GPU's memory (1.6.5): what the user asks for."""

from kvcalc.engines.exllamav3.pool import pool
from kvcalc.engines.exllamav3.settings import ExllamaV3Settings
from kvcalc.engines.memory import RANKS, Memory
from kvcalc.model import Model

ALONE = RANKS._replace(
    most=1,
    note="each GPU holds a copy of its own: how exllamav3 deals the layers of one model to several "
    "GPUs (gpu_split) is not modelled",
)


def largest_cache(model: Model, settings: ExllamaV3Settings, budget: int) -> int:
    """Requests can use the largest whole number of pages, and the slots, in bytes on one GPU."""
    return pool(model, settings, budget, model.max_context or 1).bytes


MEMORY = Memory(
    source="all of the card: cache_size is the user's number, and the largest that fits is found "
    "(exllamav3, cache/cache.py)",
    reserve_source="nothing says what it uses besides; give what you see, and 96 MiB that TabbyAPI "
    "leaves free of the first GPU as it splits a model (--autosplit-reserve)",
    usable=largest_cache,
    spread=ALONE,
)

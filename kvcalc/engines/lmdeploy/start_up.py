"""What LMDeploy keeps back of a GPU before it cuts blocks (0.16.0 to 0.18.0).

Before cache_max_entry_count is taken, logits of a batch's prompts and of twice its sequences come
off what is free (pytorch/engine/executor/base.py, _get_runtime_size); where that leaves fewer than
16 blocks, half as many tokens of prompts are read at once, and so on.
"""

from collections.abc import Mapping
from fractions import Fraction

from kvcalc.engines.lmdeploy.layout import layout
from kvcalc.engines.lmdeploy.settings import LmdeploySettings
from kvcalc.engines.memory import Card, Free
from kvcalc.engines.memory_outside import outside
from kvcalc.engines.memory_part import MemoryPart, exact, not_modelled
from kvcalc.model import Model

SOURCE = "pytorch/engine/executor/base.py (_get_runtime_size)"

LOGIT_BYTES = 2
LEAST_BLOCKS = 16
"""Blocks that are to be left before fewer tokens are read at once."""

BATCHES: Mapping[str, int] = {
    **dict.fromkeys(("a100", "a800"), 384),
    **dict.fromkeys(("h100", "h800", "l20y", "h200"), 1024),
}
"""max_batch_size by what the GPU's name holds, unless given (utils.py, get_max_batch_size)."""

BATCH_ELSEWHERE = 128


def batch(settings: LmdeploySettings, card: Card) -> int:
    """How many sequences run at once: max_batch_size as given, else by the GPU."""
    own = (size for name, size in BATCHES.items() if name in card.name)
    return settings.max_batch_size or next(own, BATCH_ELSEWHERE)


def parts(
    model: Model, settings: LmdeploySettings, card: Card, free: Free
) -> tuple[tuple[MemoryPart, ...], ...]:
    """What is kept back for logits, for an indexer's scores, and what the process takes.

    Raises:
        UnsupportedError: the vocabulary is not known.
    """
    if model.sizes is None:
        raise not_modelled("lmdeploy", f"a batch of {model.name}, whose vocabulary is not known,")
    gone = outside(card, settings.tensor_parallel_size)
    indexed = any(getattr(cache, "index_head_dim", None) for cache, _ in model.caches)
    scores: int = settings.standing.rules["score_workspace"].value if indexed else 0
    left, block = free.bytes - gone.bytes - scores, layout(model, settings).block_bytes
    tokens = settings.max_prefill_token_num
    while (size := _logits(model.sizes.vocab_size, tokens, batch(settings, card))) and tokens > 1:
        if int((left - size) * Fraction(free.share)) // block >= LEAST_BLOCKS:
            break
        tokens //= 2
    kept = [exact("logits", size, SOURCE), exact("scores of an indexer", scores, SOURCE)]
    return ((gone, *(part for part in kept if part.bytes)),)


def _logits(vocabulary: int, tokens: int, sequences: int) -> int:
    """Bytes of the logits of a batch's prompts, and of twice its sequences."""
    return (tokens + 2 * sequences) * vocabulary * LOGIT_BYTES

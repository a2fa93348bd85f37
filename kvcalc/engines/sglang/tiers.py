"""SGLang's defaults by a GPU's memory (srt/arg_groups/memory_hook.py, in server_args.py before)."""

from typing import NamedTuple


class Tier(NamedTuple):
    """SGLang's defaults for cards of less than `below` MiB.

    They are the tokens of a prompt's chunk, and the largest batch of a captured graph, on fewer
    than 4 ranks and on more.
    """

    below: int
    chunked_prefill_size: int
    max_bs: int
    max_bs_from_4_ranks: int


SMALL_CHUNKS = (
    Tier(20 * 1024, 2048, 8, 8),
    Tier(35 * 1024, 2048, 24, 80),
    Tier(60 * 1024, 4096, 32, 160),
    Tier(160 * 1024, 8192, 256, 512),
    Tier(2**60, 16384, 512, 512),
)
TIERS = (SMALL_CHUNKS[0], Tier(35 * 1024, 4096, 48, 160), *SMALL_CHUNKS[2:])
"""Larger chunks on cards of 20 to 35 GiB."""

CHUNK_IF_UNKNOWN = 4096
"""Where no GPU is named."""


def tier_of(tiers: tuple[Tier, ...], memory_mib: int) -> Tier:
    """The tier of a card of that much memory."""
    return next(tier for tier in tiers if memory_mib < tier.below)

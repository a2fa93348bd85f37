from collections.abc import Sequence
from typing import Any

from kvcalc.engines.replay import Replay, Replayed, Request
from kvcalc.model import Model


def run(
    model: Model, settings: Any, listed: Sequence[Request], sizes: Sequence[int | None]
) -> list[Replayed]:
    """A prompt that came before hits but for its last token; nothing is ever lost."""
    before = [{one.prompt for one in listed[:place]} for place in range(len(listed))]
    hits = tuple(
        one.prompt_tokens - 1 if one.prompt in seen else 0
        for one, seen in zip(listed, before, strict=True)
    )
    return [Replayed(hits, refused=(), evicted=(0,), peak=0)] * len(sizes)


REPLAY = Replay(
    blocks=lambda pool: int(pool.figures["num_gpu_blocks"]),
    run=run,
    groups=lambda model, settings: ("all",),
)

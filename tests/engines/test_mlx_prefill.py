"""MLX-LM's growing caches, call by call, for steps that leave odd room (mlx-lm 0.32.2)."""

from collections.abc import Iterator

import kvcalc
from tests.each import each
from tests.shapes import chunked, full, model

GROWTH = 256
ROW = 4_096
"""Bytes of a token of a layer of 8 heads of 128, K and V of 2 bytes."""


def rooms(calls: list[int], chunk: int | None = None) -> Iterator[int]:
    """Tokens that KVCache has room for after each call (models/cache.py, update_and_fetch).

    Where a call does not fit, the room behind the last token is cut off, unless the tokens are
    whole 256, and whole 256 tokens for the call are added. ChunkedKVCache first drops what is
    before the last `chunk` tokens, and all room with it (maybe_trim_front).
    """
    held = room = 0
    for size in calls:
        if chunk is not None and held > chunk:
            held = room = chunk
        if held + size > room:
            kept = held if held % GROWTH else room
            room = kept + -(-size // GROWTH) * GROWTH
        held += size
        yield room


@each("step", [128, 160, 192, 224, 320, 384, 640, 896, 1_000, 1_152, 2_048])
def test_a_full_layer_has_the_room_that_its_calls_leave(step: int) -> None:
    """Some starts of calls are whole 256 tokens: there the room that was left stays."""
    cost = kvcalc.cost(model(full()), "mlx", prefill_step_size=step)
    for calls in range(10):
        for rest in (0, 1, step - 1):
            *_, room = rooms([step] * calls + [rest] * (rest > 0) + [1, 1])
            assert cost(calls * step + rest + 2) == ROW * room, (calls, rest)


@each(("step", "chunk"), [(136, 4_433), (192, 775), (192, 1_551), (192, 1_552), (1_000, 8_192)])
def test_the_last_call_before_a_chunk_is_dropped_may_hold_the_most(step: int, chunk: int) -> None:
    cost = kvcalc.cost(model(chunked(chunk=chunk)), "mlx", prefill_step_size=step)
    for calls in (0, 1, chunk // step, chunk // step + 1, chunk // step + 2, chunk // step + 9):
        for rest in (0, step // 2):
            held = [*rooms([step] * calls + [rest] * (rest > 0) + [1, 1], chunk)]
            context = calls * step + rest + 2
            assert (cost(context), cost.peak(context)) == (ROW * held[-1], ROW * max(held))

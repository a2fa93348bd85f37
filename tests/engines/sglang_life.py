"""One request's life in the two pools of a windowed model, step by step, without the radix cache.

The pages that `WindowPool` counts are the most that a life ever holds. Source: SGLang 0.5.23,
srt/managers/schedule_batch.py (maybe_evict_swa) and srt/mem_cache/common.py
(free_swa_out_of_window_slots).
"""

from collections.abc import Iterator

from kvcalc.engines.sglang.window_pool import WindowPool


def life(prompt: int, new: int, window: int, pool: WindowPool) -> Iterator[tuple[int, int]]:
    """Tokens that a request holds of the full pool and of the window pool, after each step.

    The steps are the chunks of `prompt` tokens, then each of `new` generated ones; `window` is
    what SGLang takes for the window, in tokens.
    """
    page = pool.page
    evicted = 0

    def evict(seen: int, interval: int) -> None:
        nonlocal evicted
        if seen - window >= evicted + interval:
            evicted = max(evicted, (seen - window) // page * page)

    chunk = pool.chunk or prompt
    running = chunk if pool.overlap else 0  # may still read what it has left behind
    for read in range(0, prompt, chunk):
        evict(read - running, 1)
        held = -(-min(read + chunk, prompt) // page) * page
        yield held, held - evicted
    for step in range(new):
        seen = prompt + step
        if step:
            evict(seen, pool.interval)
        held = -(-(seen + 1) // page) * page
        yield held, held - evicted

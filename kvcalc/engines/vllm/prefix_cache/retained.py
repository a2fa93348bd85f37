"""Which blocks of a sliding window get a name: those that a later prompt can use.

vLLM 0.33.0, config/cache.py (prefix_cache_retention_interval) and
v1/core/single_type_kv_cache_manager.py (SlidingWindowManager).
"""

from kvcalc.engines.vllm.prefix_cache.groups import Kind, Rules

Spans = list[tuple[int, int]]


def retained(rules: Rules, kind: Kind, prompt: int, pin: int, within: tuple[int, int]) -> Spans:
    """The blocks of a window's kind that get a name between two depths, first to last.

    They are the window before each end at which a later prompt can start: where one that has this
    prompt goes on, the boundary `pin` that prompts share (0: none), and every multiple of the
    interval. Beside a draft all kinds end a block earlier, and one that loses a block names that,
    too.
    """
    lo, hi = within
    align, block = rules.alignment, kind.block
    interval = align if rules.retention is None else rules.retention
    if interval and kind.need + kind.drop >= interval // block:
        return [within]
    spans: Spans = []
    if rules.retention is not None:
        ends = {prompt - align, prompt - 1 - align} if rules.drops else {prompt - 1}
        ends |= {pin, pin - block * kind.drop} if pin else set()
        for end in ends:
            place = max(0, end) // align * align // block
            spans.append((place - kind.need, place + kind.drop))
    if interval:
        each = interval // block
        last = (hi + kind.need) // each * each
        spans += [
            (place - kind.need, place + kind.drop)
            for place in range(max(1, lo // each) * each, last + 1, each)
        ]
    return _joined(spans, lo, hi)


def _joined(spans: Spans, lo: int, hi: int) -> Spans:
    """Cut spans to what lies between two depths; join those that overlap or touch."""
    joined: Spans = []
    for start, end in sorted(spans):
        start, end = max(start, lo), min(end, hi)
        if start >= end:
            continue
        if joined and joined[-1][1] >= start:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined

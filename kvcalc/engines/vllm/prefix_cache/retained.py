"""Which blocks of a sliding window get a name: those that a later prompt can use.

vLLM 0.33.0, config/cache.py (prefix_cache_retention_interval) and
v1/core/single_type_kv_cache_manager.py (SlidingWindowManager).
"""

from kvcalc.engines.vllm.prefix_cache.groups import Kind, Rules

Spans = list[tuple[int, int]]


def retained(rules: Rules, kind: Kind, prompt: int, pin: int, within: tuple[int, int]) -> Spans:
    """The blocks of a window's kind that get a name between two depths, first to last.

    They are the window before the prompt's last token, before the boundary `pin` that prompts
    share (0: none), and before every multiple of the interval.
    """
    lo, hi = within
    if rules.retention is None:
        return [within]
    align, block = rules.alignment, kind.block
    if kind.drop:
        ends = {prompt // align * align - align, (prompt - 1) // align * align - align}
        ends |= {pin, pin - block} if pin else set()
        beyond = 1  # the block that a draft computes again
    else:
        ends = {(prompt - 1) // align * align, pin // align * align}
        beyond = 0
    spans = [(max(0, end) // block - kind.need, max(0, end) // block + beyond) for end in ends]
    if rules.retention:
        spans += _before_multiples(rules.retention, kind, lo, hi)
    return _joined(spans, lo, hi)


def _before_multiples(interval: int, kind: Kind, lo: int, hi: int) -> Spans:
    spans: Spans = []
    end = -(-(lo + 1) * kind.block // interval) * interval
    while (start := -(-end // kind.block) - kind.need) < hi:
        spans.append((start, end // kind.block))
        end += interval
    return spans


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

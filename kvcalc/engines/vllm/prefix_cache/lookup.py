"""What is found of a prompt: the longest beginning that every kind of group still has.

vLLM 0.33.0, v1/core/single_type_kv_cache_manager.py (find_longest_cache_hit) and
v1/core/kv_cache_coordinator.py (HybridKVCacheCoordinator).
"""

from collections.abc import Mapping, Sequence

from kvcalc.engines.chains import Path
from kvcalc.engines.vllm.prefix_cache.groups import Kind, Rules
from kvcalc.engines.vllm.prefix_cache.named import Named, Span

Paths = Mapping[int, Path]
"""A request's path by the tokens of a block."""


def look_up(rules: Rules, groups: Sequence[Named], paths: Paths, prompt: int) -> tuple[int, int]:
    """The tokens that hit, and the most that any kind had, of a prompt of so many tokens.

    The last token is always computed (kv_cache_manager.py, get_computed_blocks).
    """
    if rules.alone:
        kind = rules.kinds[0]
        path = paths[kind.block]
        found = _match(kind, groups, path, prompt - 1, rules.alignment, kind.drop)
        return found, found
    whole = prompt // rules.unit * rules.unit
    hit, most = prompt - 1, 0
    full: dict[int, int] = {}
    dropped: set[int] = set()
    while True:
        length = hit
        for place, kind in enumerate(rules.kinds):
            if place in full:
                length = min(length, full[place])
                continue
            drop = kind.drop and place not in dropped
            bound = min(length + kind.block, whole) if drop else length
            found = _match(kind, groups, paths[kind.block], bound, rules.alignment, drop)
            most = max(most, found)
            if drop:
                dropped.add(place)
            elif found < length:
                dropped.clear()
            if kind.window is None:
                full[place] = found
            length = found
        if length >= hit or (len(rules.kinds) == 2 and full):
            return length, most
        hit = length


def _match(
    kind: Kind, groups: Sequence[Named], path: Path, bound: int, alignment: int, drop: bool
) -> int:
    """Tokens of a match within `bound` tokens, a multiple of the alignment."""
    step = alignment // kind.block
    members = [groups[group] for group in kind.groups]
    if kind.window is None:
        blocks = min(bound // kind.block, *(named.prefix(path) for named in members))
    else:
        blocks = _windowed(members, path, bound // kind.block, kind.need, step, drop)
    if drop and blocks:
        blocks -= 1
    return blocks // step * alignment


def _windowed(
    members: Sequence[Named], path: Path, bound: int, need: int, step: int, drop: bool
) -> int:
    """Blocks up to the end of the last `need` in a row, else of the row that the first begins.

    With a `drop` one more is needed, and the row without it ends at a multiple of `step`.
    """
    start = end = 0
    for chain, lo, hi in reversed(path):
        if lo >= bound:
            continue
        for span in _common(members, chain, lo, min(hi, bound)):
            if span[1] != start:
                end = (span[1] - drop) // step * step + drop
            start = span[0]
            if end - start >= max(1, need + drop):
                return end
    return end // step * step if start == 0 else 0


def _common(members: Sequence[Named], chain: int, lo: int, hi: int) -> list[Span]:
    """What all groups have between two depths, deepest first."""
    first, *others = members
    common = first.spans(chain, lo, hi)
    for named in others:
        if not common:
            return common
        spans = named.spans(chain, lo, hi)
        if spans != common:
            both = (
                (max(one[0], other[0]), min(one[1], other[1])) for one in common for other in spans
            )
            common = [span for span in both if span[0] < span[1]]
    return common

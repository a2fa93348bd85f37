"""vLLM's start-up check (v1/core/kv_cache_utils.py, get_kv_cache_configs).

A release adds up the layers, the first group or all groups, and compares it with each rank's own
memory or, for the whole model, with the least of a rank.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kvcalc.costs import formula
from kvcalc.engines.vllm.grouping import bytes_per_block
from kvcalc.engines.vllm.plan import Plan, variables
from kvcalc.engines.vllm.rules import StartUp
from kvcalc.formula.expression import Value, added

Needs = Callable[[int], tuple[int, ...]]
"""Bytes on a rank of each stage that the check asks for, of a request's tokens."""


class StartUpCheck(NamedTuple):
    """What the check asks for and has, in bytes on a rank of each stage.

    `longest` is the longest request that would pass, None on a stage without memory.
    """

    needed: tuple[int, ...]
    available: tuple[int, ...]
    longest: tuple[int | None, ...]

    @property
    def short(self) -> int | None:
        """The first stage with too little memory; None if all have enough."""
        stages = zip(self.needed, self.available, strict=True)
        return next((stage for stage, (needs, has) in enumerate(stages) if needs > has), None)


def start_up_check(planned: Plan, memories: Sequence[int], context: int) -> StartUpCheck:
    """Check requests of `context` tokens against `memories`, bytes on a rank of each stage."""
    rules, needs = planned.settings.rules, start_up_needs(planned)
    checked = memories if rules.start_up_each_rank else [min(memories)] * len(memories)
    available = tuple(
        size - rules.start_up_held_blocks * page
        for size, page in zip(checked, planned.bytes_per_block, strict=True)
    )

    def longest(stage: int, size: int) -> int | None:
        if size <= 0:
            return None
        return longest_request(lambda tokens: needs(tokens)[stage] <= size, context)

    return StartUpCheck(
        needed=needs(context),
        available=available,
        longest=tuple(longest(stage, size) for stage, size in enumerate(available)),
    )


def longest_request(passes: Callable[[int], bool], context: int) -> int:
    """Find the longest request of at most `context` tokens that passes; 0 if not even one does."""
    if passes(context):  # a longer one never takes less
        return context
    if not passes(1):
        return 0
    fits, fails = 1, context
    while fails - fits > 1:
        middle = (fits + fails) // 2
        if passes(middle):
            fits = middle
        else:
            fails = middle
    return fits


def start_up_needs(planned: Plan) -> Needs:
    """What the check asks for, on a rank of each stage, to let requests of that many tokens in."""
    settings = planned.settings
    varying = variables(settings, planned.block_size, planned.scales)
    per_page = formula(planned.model, ADDED_UP[settings.rules.start_up](planned), varying)
    pages = checked_pages(planned)
    return lambda context: tuple(page * per_page(context) for page in pages)


def checked_pages(planned: Plan) -> Sequence[int]:
    """What the sums of the check are multiplied by, for each stage: bytes of a block, or 1."""
    rules, stages = planned.settings.rules, len(planned.bytes_per_block)
    if rules.start_up == "layers":
        return (1,) * stages
    if rules.start_up_each_rank:
        return planned.bytes_per_block
    return (bytes_per_block([group.members for group in planned.groups]),) * stages


def _layers(planned: Plan) -> Value:
    """Bytes of each layer by itself, in its own block."""
    alike = Counter(cache for _, cache in planned.caches)
    return added(cache.blocks(cache.block) * (cache.page * times) for cache, times in alike.items())


ADDED_UP: Mapping[StartUp, Callable[[Plan], Value]] = {
    "layers": _layers,
    "first group": lambda planned: planned.groups[0].blocks,
    "groups": lambda planned: planned.blocks_per_request,
}
"""What is added up: bytes of layers, or blocks of groups."""

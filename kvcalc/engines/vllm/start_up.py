"""What vLLM's start-up check asks for (v1/core/kv_cache_utils.py, get_kv_cache_configs).

A release adds up the layers, the first group or all groups, and compares it with each rank's own
memory or, for the whole model, with the least of a rank.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from kvcalc.costs import formula
from kvcalc.engines.vllm.grouping import bytes_per_block
from kvcalc.engines.vllm.plan import Plan, variables
from kvcalc.engines.vllm.rules import StartUp
from kvcalc.formula.expression import Value, added

Needs = Callable[[int], tuple[int, ...]]
"""Bytes on a rank of each stage that the check asks for, of a request's tokens."""


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

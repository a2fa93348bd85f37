"""A trace through vLLM's prefix cache: the groups of the model's plan, and pools of any size."""

from collections.abc import Iterable, Iterator, Sequence

from kvcalc.engines.chains import Chains, coarser
from kvcalc.engines.replay import Replay, Replayed, Request
from kvcalc.engines.vllm.caches import SlidingCache
from kvcalc.engines.vllm.plan import Plan, PlannedGroup, plan
from kvcalc.engines.vllm.prefix_cache.best import best_hits
from kvcalc.engines.vllm.prefix_cache.groups import Kind, Rules
from kvcalc.engines.vllm.prefix_cache.manager import Manager
from kvcalc.engines.vllm.prefix_cache.pace import (
    Asked,
    Outcome,
    as_they_come,
    one_after_another,
)
from kvcalc.engines.vllm.prefix_cache.sizes import Order, Size
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import UnsupportedError
from kvcalc.model import Model
from kvcalc.pools import Pool

RELEASE = "0.33.0"
"""The release whose prefix cache was read and stepped."""

REPLAYED = ("full_attention", "mla_attention", "sliding_window")
"""The kinds of cache whose blocks were followed, by vLLM's names."""

ENDLESS = 2**50
"""Blocks of a pool that is never full."""


def rules_of(planned: Plan) -> Rules:
    """What of a plan its prefix cache depends on.

    Raises:
        UnsupportedError: the release, a setting or a kind of cache that was not replayed.
    """
    settings = planned.settings
    _require_replayed(planned)
    drafted = settings.speculative_method != "none"
    own = len(planned.model.layers)
    marked = [any(place >= own for place, _ in group.members) for group in planned.groups]
    alike: dict[object, list[int]] = {}
    for number, group in enumerate(planned.groups):
        alike.setdefault(_spec(group), []).append(number)
    kinds = []
    for numbers in alike.values():
        group = planned.groups[numbers[0]]
        drops = drafted and (not any(marked) or any(marked[number] for number in numbers))
        kinds.append(Kind(_window(group), group.block, tuple(numbers), drops))
    rules = Rules(
        kinds=tuple(sorted(kinds, key=lambda kind: kind.window is not None)),
        chunk=planned.model.longest_context if settings.whole_prefill else settings.batch,
        asynchronous=settings.asynchronous,
        retention=_retention(settings),
    )
    _require_known(rules)
    return rules


def _retention(settings: VllmSettings) -> int | None:
    asked = settings.prefix_cache_retention_interval
    return None if asked == "none" else asked


def _spec(group: PlannedGroup) -> object:
    """What groups that are looked up together have in common."""
    return group.kind, _window(group), group.cache.shape, group.block, group.cache.page


def _window(group: PlannedGroup) -> int | None:
    cache = group.cache
    return cache.window if isinstance(cache, SlidingCache) else None


def _require_replayed(planned: Plan) -> None:
    settings = planned.settings
    found = next((one for _, one in planned.caches if one.kind not in REPLAYED), None)
    refusals = {
        "release": settings.standing.version != RELEASE
        and f"found {settings.standing.version}, expected {RELEASE}, whose prefix cache was read",
        "enable_prefix_caching": settings.enable_prefix_caching is False
        and "found false: without a prefix cache nothing hits",
        "kv_connector": settings.kv_connector
        and "found a connector, whose hits come from outside of the pool",
        "decode_context_parallel_size": settings.decode_context_parallel_size > 1
        and "found more than 1, under which prefix caching was not replayed",
        "prefill_context_parallel_size": settings.prefill_context_parallel_size > 1
        and "found more than 1, under which prefix caching was not replayed",
        "prefix cache": found is not None
        and f"blocks of {found.layer} layers were not replayed: kvcalc follows full, latent and "
        "sliding ones",
    }
    for what, why in refusals.items():
        if why:
            raise UnsupportedError.of(what, why)


def _require_known(rules: Rules) -> None:
    interval = rules.retention or 0
    if any(kind.drop and kind.window is None and kind.block > rules.unit for kind in rules.kinds):
        raise UnsupportedError.of(
            "speculative_method",
            "found a draft in a full group whose blocks are longer than others': there vllm names "
            "unfinished blocks, too, which was not replayed",
        )
    if interval % rules.alignment or (interval and not rules.windowed):
        raise UnsupportedError.of(
            "prefix_cache_retention_interval",
            f"found {interval:,}, expected 0, or beside windows a multiple of {rules.alignment} "
            "tokens: vllm itself refuses others",
        )


def run(
    model: Model,
    settings: VllmSettings,
    requests: Sequence[Request],
    sizes: Sequence[int | None],
) -> list[Replayed]:
    """Put requests through pools of so many blocks, the null block among them.

    Raises:
        UnsupportedError: as `rules_of`.
    """
    rules = rules_of(plan(model, settings))
    usable = [_usable(size) for size in sizes]
    found: dict[int, Replayed] = {}
    kind = rules.kinds[0]
    timed = any(request.runs is not None for request in requests)
    if rules.alone and kind.window is None and not kind.drop and not timed:
        found = _in_one_order(kind.block, _paths(rules, requests), usable)
    if left := [size for size in dict.fromkeys(usable) if size not in found]:
        managers = [Manager(rules, size) for size in left]
        if timed:
            outcomes = _by_their_times(rules, managers, requests)
        else:
            outcomes = one_after_another(managers, _paths(rules, requests))
        found |= zip(left, map(_replayed, managers, outcomes), strict=True)
    return [found[size] for size in usable]


def _by_their_times(
    rules: Rules, managers: Sequence[Manager], requests: Sequence[Request]
) -> list[Outcome]:
    """Let requests come when they do; the outcomes are in the files' order."""
    order = sorted(range(len(requests)), key=lambda place: requests[place].start)
    outcomes = as_they_come(managers, _paths(rules, (requests[place] for place in order)))
    return [
        Outcome(
            [hit for _, hit in sorted(zip(order, outcome.hits, strict=True))],
            [order[number] for number in outcome.refused],
        )
        for outcome in outcomes
    ]


def _usable(size: int | None) -> int:
    return ENDLESS if size is None else max(0, size - 1)


def best(
    model: Model,
    settings: VllmSettings,
    requests: Sequence[Request],
    sizes: Sequence[int | None],
) -> list[int]:
    """The tokens that the best policy of eviction could hit, of the requests that a pool holds.

    Raises:
        UnsupportedError: as `rules_of`, several groups, a window, a draft, or requests that run at
            once: what one gives up for another is no longer a matter of the order alone.
    """
    rules = rules_of(plan(model, settings))
    kind = rules.kinds[0]
    refusals = {
        "several KV cache groups": not rules.alone,
        "a sliding window": kind.window is not None,
        "a draft": kind.drop,
        "requests that run at once": any(request.runs is not None for request in requests),
    }
    for what, is_so in refusals.items():
        if is_so:
            raise UnsupportedError.of(
                "best",
                f"found {what}; the best of any policy is known of one full or latent group, one "
                "request after another",
            )
    asked = list(_paths(rules, requests))
    return [kind.block * blocks for blocks in best_hits(kind.block, asked, map(_usable, sizes))]


def _in_one_order(block: int, asked: Iterable[Asked], usable: Iterable[int]) -> dict[int, Replayed]:
    """Pools of all sizes that hold every request, in the one order of use that they share."""
    order = Order(block)
    pools = [Size(size) for size in dict.fromkeys(usable)]
    peak = 0
    for one in asked:
        if (holds := -(-one.stored // block)) > peak:
            peak = holds
            pools = [pool for pool in pools if pool.usable >= peak]
        order.serve(one, pools)
    return {pool.usable: Replayed(tuple(pool.hits), (), (pool.evicted,), peak) for pool in pools}


def _replayed(manager: Manager, outcome: Outcome) -> Replayed:
    return Replayed(
        tuple(outcome.hits), tuple(outcome.refused), tuple(manager.evicted), manager.peak
    )


def _paths(rules: Rules, requests: Iterable[Request]) -> Iterator[Asked]:
    return asked_of(rules, requests, Chains(rules.unit))


def asked_of(rules: Rules, requests: Iterable[Request], chains: Chains) -> Iterator[Asked]:
    """Find the path of each request among those of all before it."""
    for request in requests:
        prompt, output = request.prompt_tokens, request.output_tokens
        path = chains.path([*request.prompt, *request.output])
        paths = {kind.block: coarser(path, kind.block // rules.unit) for kind in rules.kinds}
        held = request.runs is not None
        stored = prompt + max(0, output - 1) * (not held)
        yield Asked(prompt, stored, paths, request.start, request.runs or 0, {})


def groups(model: Model, settings: VllmSettings) -> tuple[str, ...]:
    """The groups in the order in which they take and give back blocks."""
    return tuple(
        group.cache.layer if window is None else f"{group.cache.layer} {window:,}"
        for group in plan(model, settings).groups
        for window in [_window(group)]
    )


def num_gpu_blocks(pool: Pool) -> int:
    """The blocks of a pool, the null block among them."""
    found: int = pool.figures["num_gpu_blocks"]
    return found


def block_bytes(model: Model, settings: VllmSettings) -> int:
    """Bytes of a block on the fullest rank."""
    return max(plan(model, settings).bytes_per_block)


def note(settings: VllmSettings) -> str:
    """What was not followed of a draft."""
    if settings.speculative_method == "none":
        return ""
    return (
        "draft: the slots that vllm keeps ahead of a sequence for a draft's tokens are not "
        "counted, by which a request may take a block sooner."
    )


REPLAY = Replay(num_gpu_blocks, run, groups, block_bytes, best, note)

"""A model's plan: its KV cache groups, and what each pipeline stage holds of them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache

from kvcalc.costs import CONTEXT
from kvcalc.engines.own_caches import require_modelled
from kvcalc.engines.run_in import run_in
from kvcalc.engines.shards import divided
from kvcalc.engines.vllm import drafts
from kvcalc.engines.vllm.backend import Chosen, attention_of, backend_of, block_of
from kvcalc.engines.vllm.block_layout import block_outermost, require_layout
from kvcalc.engines.vllm.blocks import (
    unquantised_layers,
    with_room_for_states,
    with_room_for_unquantised,
)
from kvcalc.engines.vllm.caches import Cache, FullCache, Placed, SlidingCache, StateCache
from kvcalc.engines.vllm.context_parallel import refuse_unshared
from kvcalc.engines.vllm.grouping import as_full, bytes_per_block, distinct, grouped
from kvcalc.engines.vllm.kernels import BACKENDS
from kvcalc.engines.vllm.layer_rules import caches_of
from kvcalc.engines.vllm.own_caches import OWN_CACHES
from kvcalc.engines.vllm.plan_context import PlanContext
from kvcalc.engines.vllm.pooled_index import refuse_beside
from kvcalc.engines.vllm.rules import Rules
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.stages import stage_sizes
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value, added, variable
from kvcalc.layers.chunked import ChunkedAttention
from kvcalc.layers.layer import Layer
from kvcalc.model import Model
from kvcalc.records import Record

BATCH = variable("max_num_batched_tokens")
BLOCK = variable("block_size")

UNIFORM_TYPE = "uniform_type"
"""A group whose layers are of one type, each with a spec of its own (UniformTypeKVCacheSpecs)."""


class PlannedGroup(Record):
    """A KV cache group: its members, the tokens of its block and the blocks of one request.

    `kind` is vLLM's kind of spec.
    """

    kind: str
    members: tuple[Placed, ...]
    block: int
    blocks: Value

    @property
    def cache(self) -> Cache:
        """Its first member's cache, which the others are like."""
        return self.members[0][1]


class Plan(Record):
    """The groups of a whole model, and what each stage makes of them.

    `format_by` is what chose the cache format, "" where it was asked for or is the model's own.
    `block_size` is tokens of an attention block; `scales` says whether the plan is the same for
    any other. `caches` are those that were grouped, each as it would be alone. `stages` are the
    layers of each stage, the draft's on the last, and `bytes_per_block` a block's bytes on a rank
    of each.
    """

    model: Model
    settings: VllmSettings
    cache_format: str
    format_by: str
    block_size: int
    scales: bool
    hybrid_manager: bool
    caches: tuple[Placed, ...]
    groups: tuple[PlannedGroup, ...]
    stages: tuple[int, ...]
    bytes_per_block: tuple[int, ...]

    @cached_property
    def bounds_sequences(self) -> bool:
        """Whether max_num_seqs may not exceed the pool's blocks: each has a state in one."""
        return self.settings.rules.blocks_bound_sequences and any(
            isinstance(cache, StateCache) for _, cache in self.caches
        )

    @cached_property
    def blocks_per_request(self) -> Value:
        """Blocks that one request takes, of all groups."""
        counts: dict[Value, int] = {}
        for group in self.groups:
            counts[group.blocks] = counts.get(group.blocks, 0) + 1
        return added(count * blocks for blocks, count in counts.items())


@lru_cache(maxsize=64)  # a cost and its pools share one; a log may try some fifty
def plan(model: Model, settings: VllmSettings) -> Plan:
    """Plan a model's pool as vLLM does before it starts.

    Raises:
        UnsupportedError: vLLM refuses the settings for this model, or cannot run a layer of it.
    """
    require_modelled("vllm", OWN_CACHES, model)
    extra = drafts.draft_layers(
        model, settings.speculative_method, published_types=settings.rules.mtp_layer_types
    )
    hybrid_manager = settings.hybrid_manager(bool(model.caches_of(ChunkedAttention)))
    refuse_beside(model, settings)
    attention = attention_of(model)
    chosen = backend_of(model, settings, attention)
    if hybrid_manager and attention == "compressed":
        require_layout(settings, chosen)
    refuse_unshared(model, settings, chosen.backend)
    _require_shared_heads(model, settings.tensor_parallel_size)
    asked = _context(model, settings, chosen)
    layers = (*model.layers, *extra)
    unquantised = unquantised_layers(settings, layers, len(model.layers), chosen.cache_format)
    rank = with_room_for_unquantised(with_room_for_states(asked, extra), layers, unquantised)
    caches = list(_placed(rank, layers, len(model.layers), unquantised or frozenset()))
    if not caches:
        raise UnsupportedError(f"{model.name} has no layer with a cache on vllm", what=model.name)
    kinds = distinct(caches)
    outermost = block_outermost(settings, chosen.backend, attention, kinds)
    alone = caches if hybrid_manager else as_full(caches)
    groups = grouped(alone, settings.rules, block_outermost=outermost)
    *first, last = stage_sizes(
        len(model.layers), settings.pipeline_parallel_size, settings.pp_layer_partition
    )
    stages = (*first, last + len(extra))
    scales = not outermost and _scales(asked, rank, kinds)
    planned = tuple(_planned(group, rank.block, scales, settings.rules) for group in groups)
    return Plan(
        model=model,
        settings=settings,
        cache_format=chosen.cache_format,
        format_by=chosen.by,
        block_size=rank.block,
        scales=scales,
        hybrid_manager=hybrid_manager,
        caches=tuple(alone),
        groups=planned,
        stages=stages,
        bytes_per_block=_bytes_per_block(planned, stages, outermost),
    )


def _require_shared_heads(model: Model, ranks: int) -> None:
    """Refuse ranks that do not divide the query heads (config/model.py, total_num_attention_heads).

    Ranks may outnumber the KV heads, of which they then hold copies, but never these.
    """
    for cache, _ in model.caches:
        if heads := getattr(cache, "query_heads", None):
            divided(heads, ranks, "attention heads")


def _context(model: Model, settings: VllmSettings, chosen: Chosen) -> PlanContext:
    """What decides a rank's caches, with the block that is asked for."""
    return PlanContext(
        model=model,
        settings=settings,
        backend=chosen.backend,
        cache_format=chosen.cache_format,
        own_format=run_in(model, settings.kv_cache_dtype),
        block=block_of(model, settings, chosen.backend, chosen.cache_format),
        in_flight=batch_of(settings) * settings.batches_in_flight,
        encoder_tokens=settings.max_num_encoder_input_tokens or BATCH,
        lookahead=_lookahead(model, settings),
        shards=settings.decode_context_parallel_size,
    )


def _scales(asked: PlanContext, rank: PlanContext, caches: Sequence[Cache]) -> bool:
    """Whether any other block size gives the same plan.

    So it is where the block that was asked for alone decides each page, and no kernel cuts it.
    """
    block = asked.block
    cuts = BACKENDS[rank.backend].exact or rank.settings.flash_attention_version == 4
    return (
        rank.block == block
        and rank.shared_page is None
        and not (cuts and any(isinstance(one, SlidingCache) for one in caches))
        and all(not isinstance(one, StateCache) and one.page % block == 0 for one in caches)
        and all(one.block == block for one in caches)
    )


def _bytes_per_block(
    groups: Sequence[PlannedGroup], stages: Sequence[int], outermost: bool
) -> tuple[int, ...]:
    """Bytes of a block on a rank of each stage.

    Raises:
        UnsupportedError: a stage has no cache.
    """
    sizes = tuple(
        bytes_per_block(members, block_outermost=outermost)
        for members in stage_members(groups, stages)
    )
    if 0 in sizes:
        raise UnsupportedError.of(
            "pipeline_parallel_size",
            f"found {len(stages)}, but stage {sizes.index(0) + 1} has no layer with a "
            "cache; vllm ends in a division by zero",
        )
    return sizes


def batch_of(settings: VllmSettings) -> Value:
    """Tokens of a batch: the setting's, or the context where a prompt is read in one batch.

    That such a batch may be longer adds nothing to a layer, which keeps the context at most.
    """
    return CONTEXT if settings.whole_prefill else BATCH


def _placed(
    rank: PlanContext, layers: Sequence[Layer], own: int, unquantised: frozenset[int]
) -> Iterator[Placed]:
    """The caches of the model's own layers, the first, and of a draft's."""
    # A draft runs without decode context parallelism, and so stores its context whole.
    alone = rank._replace(shards=1)
    made: dict[tuple[int, bool, bool], list[Cache]] = {}
    for place, layer in enumerate(layers):
        alike = id(layer), place in unquantised, place < own
        if alike not in made:
            made[alike] = caches_of(rank if place < own else alone, layer, place in unquantised)
        for cache in made[alike]:
            yield place, cache


def _planned(members: Sequence[Placed], block: int, scales: bool, rules: Rules) -> PlannedGroup:
    """Work out a group's blocks: of one request the most that any of its members takes."""
    cache = members[0][1]
    symbol: Value = BLOCK * (cache.block // block) if scales else cache.block
    specs = {
        (one.kind, one.shape, one.block, one.page)
        + (() if rules.promoted_share_spec else _windows(one))
        for one in distinct(members)
    }
    kind = cache.kind if len(specs) == 1 else UNIFORM_TYPE
    return PlannedGroup(kind, tuple(members), cache.block, cache.blocks(symbol))


def _windows(cache: Cache) -> tuple[tuple[str, int], ...]:
    return cache.windows if isinstance(cache, FullCache) else ()


def stage_members(
    groups: Sequence[PlannedGroup], stages: Sequence[int]
) -> list[list[list[Placed]]]:
    """The members of each group on each stage, which are dealt that many layers."""
    found = []
    start = 0
    for size in stages:
        found.append(
            [[one for one in group.members if start <= one[0] < start + size] for group in groups]
        )
        start += size
    return found


def _lookahead(model: Model, settings: VllmSettings) -> int:
    """Tokens that a prefill looks ahead: the drafted ones where several MTP modules draft them."""
    if not settings.rules.mtp_lookahead:
        return 1
    if settings.num_prefill_lookahead_tokens is not None:
        return max(1, settings.num_prefill_lookahead_tokens)
    if settings.speculative_method != "mtp":
        return 1
    modules = len(drafts.draft_layers(model, "mtp", published_types=settings.rules.mtp_layer_types))
    return settings.drafts if min(modules, settings.drafts) > 1 else 1


def variables(settings: VllmSettings, block_size: int, scales: bool) -> Mapping[str, int]:
    """The settings that vary within one plan, with their values."""
    varying = {"max_num_batched_tokens": settings.batch}
    return {**varying, "block_size": block_size} if scales else varying

"""The cost of a plan: bytes per block times the blocks of a request."""

from collections import Counter
from collections.abc import Iterator, Mapping

from kvcalc.costs import CONTEXT, SEQUENCES, Cost, Group, Split, Step, formula
from kvcalc.engines.vllm.caches import ChunkedCache, SlidingCache, StateCache
from kvcalc.engines.vllm.plan import BLOCK, Plan, PlannedGroup, plan, variables
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.formula.expression import Value
from kvcalc.formula.formula import Formula
from kvcalc.layers.attention import Attention
from kvcalc.model import Model
from kvcalc.units import format_bytes, plural

STRUCTURE = (
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "decode_context_parallel_size",
    "kv_cache_dtype",
    "disable_hybrid_kv_cache_manager",
)
"""Settings that change the groups, and so the formula itself."""


def cost(model: Model, settings: VllmSettings) -> Cost:
    """Work out what vLLM charges for requests when it plans its pool.

    Raises:
        KvcalcError: vLLM refuses the settings for this model, or cannot run a layer of it.
    """
    return cost_of(plan(model, settings))


def cost_of(planned: Plan) -> Cost:
    """Work out what a plan charges for requests."""
    model, settings = planned.model, planned.settings
    varying = variables(settings, planned.block_size, planned.scales)
    fixed = _fixed(planned)

    def bound(expression: Value) -> Formula:
        return formula(model, expression, varying, fixed)

    blocks = planned.blocks_per_request
    all_ranks = sum(planned.bytes_per_block) * settings.ranks_of_a_stage
    request = blocks * _scaled(planned, all_ranks)
    return Cost(
        model=model,
        engine="vllm",
        kv_cache_dtype=planned.cache_format,
        settings=settings.changed(),
        formula=bound(request * SEQUENCES),
        per_gpu=bound(blocks * _scaled(planned, max(planned.bytes_per_block)) * SEQUENCES),
        split=Split(bound(request)),
        groups=tuple(_groups(planned, bound(0), all_ranks)),
        steps=tuple(_steps(planned, all_ranks)),
        why=_why(planned),
        note=_bound(planned) if planned.bounds_sequences else "",
    )


def _bound(planned: Plan) -> str:
    """Say how much memory it takes to start with as many sequences as vLLM runs by itself."""
    own, block = planned.settings.own_sequences, max(planned.bytes_per_block)
    return (
        f"vllm {planned.settings.standing.version} starts beside recurrent layers only if "
        f"max_num_seqs is at most num_gpu_blocks; its own {own:,} need {format_bytes(own * block)} "
        "of cache memory per GPU, else give --max-num-seqs"
    )


def _scaled(planned: Plan, size: int) -> Value:
    """Bytes of a block, as a number per token where the plan holds for any block size."""
    return BLOCK * (size // planned.block_size) if planned.scales else size


def _fixed(planned: Plan) -> Mapping[str, str]:
    reasons = {
        name: f"{name}: decides vllm's groups; give it to kvcalc.cost as a setting"
        for name in STRUCTURE
    }
    reasons["source"] = (
        "source: vllm charges cross-attention for max_num_encoder_input_tokens, whatever the source"
    )
    if not planned.scales:
        reasons["block_size"] = (
            "block_size: decides the groups of this model on vllm; give it to kvcalc.cost as a "
            "setting"
        )
    return reasons


def _groups(planned: Plan, bound: Formula, all_ranks: int) -> Iterator[Group]:
    """Gather the groups of one kind that take the same blocks, and so have one window."""
    alike: dict[tuple[str, Value], list[PlannedGroup]] = {}
    for group in planned.groups:
        alike.setdefault((group.cache.layer, group.blocks), []).append(group)
    for (kind, blocks), groups in alike.items():
        share = blocks * len(groups) * _scaled(planned, all_ranks) * SEQUENCES
        yield Group(
            kind=kind,
            layers=len({place for group in groups for place, _ in group.members}),
            window=getattr(groups[0].cache, "window", None),
            formula=Formula(share, bound.variables),
            steps=tuple(_group_steps(planned, groups, blocks, share)),
        )


def _group_steps(
    planned: Plan, groups: list[PlannedGroup], blocks: Value, share: Value
) -> Iterator[Step]:
    first = groups[0]
    sizes = ", ".join(str(len(group.members)) for group in groups)
    yield Step("KV cache groups", f"{first.cache.kind}, layers: {sizes}", len(groups), "groups")
    block: Value = BLOCK * (first.block // planned.block_size) if planned.scales else first.block
    yield Step("block size", "of the group", block, "tokens")
    yield from _pages(groups)
    widest = max(planned.bytes_per_block)
    if len(planned.bytes_per_block) == 1:
        unused = sum(
            widest - sum(cache.page - cache.padding for _, cache in one.members) for one in groups
        )
        yield Step("padding", "bytes of these groups' blocks that no layer uses", unused, "bytes")
    if isinstance(first.cache, SlidingCache | ChunkedCache):
        yield Step(
            "tokens retained",
            "the window's or chunk's, and max in-flight tokens",
            first.cache.retained,
            "tokens",
        )
    yield Step("blocks of a group", str(blocks), blocks, "blocks")
    yield Step("all of them", "groups x blocks x bytes per block, all ranks", share, "bytes")


def _pages(groups: list[PlannedGroup]) -> Iterator[Step]:
    """Derive the page of a layer; of caches with several, each with how many have it."""
    pages = Counter((one.derived, one.page) for group in groups for _, one in group.members)
    for (derived, page), count in pages.items():
        of = f"{plural(count, 'layer')}: " if len(pages) > 1 else ""
        yield Step("page size", f"{of}{derived}", page, "bytes")


def _steps(planned: Plan, all_ranks: int) -> Iterator[Step]:
    settings = planned.settings
    batches = settings.batches_in_flight
    batch = "context" if settings.whole_prefill else "max_num_batched_tokens"
    yield Step(
        "max in-flight tokens",
        f"{batch} x {batches} {'batch' if batches == 1 else 'batches'} in flight",
        (CONTEXT if settings.whole_prefill else settings.batch) * batches,
        "tokens",
    )
    yield Step("blocks per request", "of all groups", planned.blocks_per_request, "blocks")
    for stage, size in enumerate(planned.bytes_per_block, 1):
        of = f"stage {stage}, " if len(planned.bytes_per_block) > 1 else ""
        yield Step("bytes per block", f"{of}the widest group on a rank", size, "bytes")
    if settings.ranks_of_a_stage * len(planned.bytes_per_block) > 1:
        yield Step(
            "bytes per block, all ranks",
            f"{plural(len(planned.bytes_per_block), 'stage')} of "
            f"{plural(settings.ranks_of_a_stage, 'rank')}",
            all_ranks,
            "bytes",
        )


def _why(planned: Plan) -> str:
    """Say in one line what makes vLLM's figure."""
    settings = planned.settings
    batches = settings.batches_in_flight
    in_flight = (
        "the whole context" if settings.whole_prefill else f"{settings.batch * batches:,} tokens"
    )
    caches = [cache for group in planned.groups for _, cache in group.members]
    sliding = [cache for cache in caches if isinstance(cache, SlidingCache)]
    parts = []
    if sliding:
        least = min(cache.window for cache in sliding)
        parts.append(f"{in_flight} in flight per sliding layer, not {least:,}")
    elif any(isinstance(cache, ChunkedCache) for cache in caches):
        parts.append(f"{in_flight} in flight per chunked layer, beside its chunk")
    if not planned.hybrid_manager and len(planned.groups) == 1:
        parts.append("every layer kept whole, without the hybrid manager")
    if any(isinstance(cache, StateCache) for cache in caches):
        parts.append(f"blocks of {planned.block_size:,} tokens, so that one holds a state")
    elif not parts:
        parts.append(f"blocks of {planned.block_size:,} tokens")
    chosen = [f"{planned.cache_format} by {planned.format_by}"] if planned.format_by else []
    return "; ".join([*parts, *_not_divided(planned), *chosen])


def _not_divided(planned: Plan) -> Iterator[str]:
    """Say what more ranks and stages do not divide."""
    settings = planned.settings
    heads = [cache.kv_heads for cache in planned.model.caches_of(Attention)]
    if heads and settings.tensor_parallel_size > max(heads):
        yield f"{settings.tensor_parallel_size} ranks hold copies of {max(heads)} KV heads"
    latent = planned.model.kinds & {"latent_attention", "compressed_attention"}
    if latent and settings.ranks_of_a_stage > settings.decode_context_parallel_size:
        yield "latent rows are the same on every rank"
    if len(planned.bytes_per_block) > 1:
        yield "groups are made over the whole model, so a stage pays for its widest share of one"

"""How layers are gathered into KV cache groups (vLLM, v1/core/kv_cache_planning.py).

All groups draw blocks of the same bytes from one pool, so a block is as large as the widest
group's pages together, and each request takes blocks of every group.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import lcm

from kvcalc.engines.vllm.caches import (
    Cache,
    ChunkedCache,
    FullCache,
    LocalCache,
    Placed,
    SlidingLatentCache,
    StateCache,
)
from kvcalc.engines.vllm.packing import packed
from kvcalc.engines.vllm.rules import Pages, Rules
from kvcalc.errors import UnsupportedError

FITS: Mapping[Pages, Callable[[Cache, int], bool]] = {
    "equal": lambda cache, largest: cache.page == largest,
    "divided": lambda cache, largest: not largest % cache.page,
    "padded": lambda cache, largest: cache.pads or not largest % cache.page,
}
"""Whether a cache can take the largest page of all, by the release's rule."""


def distinct(placed: Sequence[Placed]) -> list[Cache]:
    """The caches, in which those of layers that are alike stand once."""
    return list({id(cache): cache for _, cache in placed}.values())


def grouped(
    caches: Sequence[Placed], rules: Rules, *, block_outermost: bool = False
) -> list[list[Placed]]:
    """Gather the caches of a whole model into groups.

    Raises:
        UnsupportedError: they cannot share a pool; the sentence names the layer and why.
    """
    if _share_one_group(caches):
        return [list(caches)]
    if block_outermost and len({cache.page for cache in distinct(caches)}) > 1:
        return packed(caches)
    misfit = _misfit(caches, rules.pages)
    if misfit is None:
        return _dealt(_to_one_page(caches), rules)
    place, cache = misfit
    if not rules.kept_whole_where_unpaddable:
        raise UnsupportedError(
            f"layer {place}: found pages of {cache.page:,} bytes beside larger ones, which this "
            f"release of vllm takes only {rules.pages}",
            what=f"{cache.layer} layers",
        )
    if any(isinstance(one, ChunkedCache | SlidingLatentCache) for _, one in caches):
        raise UnsupportedError(
            f"layer {place}: its rows of latent attention cannot be padded to the largest "
            "page of the other layers, as vllm needs of layers of different kinds",
            what="latent_attention layers",
        )
    return [list(as_full(caches))]


def bytes_per_block(groups: Sequence[Sequence[Placed]], *, block_outermost: bool = False) -> int:
    """Bytes of one block of the pool, on a rank that holds these members of each group."""
    widest = max((sum(cache.page for _, cache in group) for group in groups), default=0)
    if not block_outermost:
        return widest
    stride = lcm(*(cache.alignment for group in groups for _, cache in group))
    return -(-widest // stride) * stride


def _share_one_group(caches: Sequence[Placed]) -> bool:
    return len({(cache.family, cache.block) for cache in distinct(caches)}) == 1


def as_full(caches: Sequence[Placed]) -> list[Placed]:
    """Let sliding and chunked layers keep all tokens, as the pool of one type of layer needs."""
    if len({cache.block for _, cache in caches}) == 1 and all(
        isinstance(cache, FullCache) for _, cache in caches
    ):
        return list(caches)
    full = [cache for _, cache in caches if isinstance(cache, FullCache)]
    promoted = [
        (place, cache.as_full(full[0]) if full and isinstance(cache, LocalCache) else cache)
        for place, cache in caches
    ]
    if not _share_one_group(promoted):
        raise UnsupportedError.of(
            "disable_hybrid_kv_cache_manager",
            "found layers that cannot all be kept as full attention, expected full, "
            "latent, sliding and chunked ones, one of them full",
        )
    if all(cache.pads for _, cache in promoted):
        _refuse_two_windows(promoted)
    return promoted


def _refuse_two_windows(caches: Sequence[Placed]) -> None:
    named = {
        window for _, cache in caches if isinstance(cache, FullCache) for window in cache.windows
    }
    for what, count in Counter(what for what, _ in named).items():
        if count > 1:
            sizes = sorted(size for kind, size in named if kind == what)
            raise UnsupportedError.of(
                "disable_hybrid_kv_cache_manager",
                f"found layers with the {what}s "
                f"{', '.join(f'{size:,}' for size in sizes)}, expected one {what}",
            )


def _misfit(caches: Sequence[Placed], pages: Pages) -> Placed | None:
    """The first cache that cannot take the largest page, with its layer."""
    largest = max(cache.page for cache in distinct(caches))
    return next((placed for placed in caches if not FITS[pages](placed[1], largest)), None)


def _to_one_page(caches: Sequence[Placed]) -> list[Placed]:
    """Give all layers the largest page: by longer blocks where it divides, else by padding."""
    largest = max(cache.page for cache in distinct(caches))
    first = {id(cache): (place, cache) for place, cache in caches[::-1]}
    made = {same: _of_page(largest, place, cache) for same, (place, cache) in first.items()}
    return [(place, made[id(cache)]) for place, cache in caches]


def _of_page(page: int, place: int, cache: Cache) -> Cache:
    if isinstance(cache, StateCache) or page % cache.page:
        return replace(cache, page=page, padding=cache.padding + page - cache.page)
    if page > cache.page and isinstance(cache, LocalCache) and cache.padded:
        raise UnsupportedError.of(
            "kv_cache_dtype_skip_layers",
            f"found layer {place} padded to a page of {cache.page:,} bytes beside pages "
            f"of {page:,}, which vllm cannot make of it",
        )
    ratio = page // cache.page
    return replace(cache, block=cache.block * ratio, page=page, padding=cache.padding * ratio)


def _dealt(caches: Sequence[Placed], rules: Rules) -> list[list[Placed]]:
    """Deal equal layers out to groups of about as many layers as the rarest kind has."""
    kinds: defaultdict[Cache, list[Placed]] = defaultdict(list)
    for place, cache in caches:
        kinds[cache].append((place, cache))
    counts = [len(members) for members in kinds.values()]
    size = rules.group_size(min(counts), max(counts))
    return [
        members[start :: -(-len(members) // size)]
        for members in kinds.values()
        for start in range(-(-len(members) // size))
    ]


def padded_kinds(groups: Sequence[Sequence[Placed]], rules: Rules) -> list[tuple[int, int]]:
    """For each kind whose last group is not full: the layers that pad it, and its own layers."""
    counts = Counter(cache for group in groups for _, cache in group)
    if len(groups) == 1 or len({cache.page for cache in counts}) > 1:
        return []
    size = rules.group_size(min(counts.values()), max(counts.values()))
    return [(-layers % size, layers) for layers in counts.values() if layers % size]

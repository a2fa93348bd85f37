"""Indexers whose keys stand for several tokens: those keys, and the ring of the raw ones.

A pool's tokens become one key. Those that do not fill a pool yet, and those that a draft may take
back, wait in a ring, which a request has one block of. vLLM 0.33.0: models/qwen4_exp (common/
qsa_cache.py, nvidia/indexer_qsa.py, nvidia/qsa.py), models/glm5next/common/attention.py and
v1/attention/backends/mla/indexer.py.
"""

from math import gcd

from kvcalc.engines.vllm.caches import Cache, CircularCache, LatentCache, Row, index_row
from kvcalc.engines.vllm.plan_context import PlanContext
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import UnsupportedError
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model
from kvcalc.units import plural

BESIDE_HEADS = {"auto": 2, "bfloat16": 2, "fp8": 1}
"""Bytes of an element of an indexer's key beside keys and values, by indexer_kv_dtype."""

POSITIONED = ("qwen4_exp",)
"""Model types with images, whose raw keys have three positions of 8 bytes beside them."""


def beside_heads(rank: PlanContext, size: int, pool: int) -> list[Cache]:
    """The caches of an indexer of `size` elements beside keys and values.

    Raises:
        UnsupportedError: vLLM has no such element type for it, or the ring does not divide a block.
    """
    element = index_element(rank.settings)
    positioned = rank.model.model_type in POSITIONED
    raw = 2 * (-(-size // 4) * 4) + 24 if positioned else 2 * size
    capacity = -(-(pool + rank.settings.drafts) // pool) * pool
    return [
        _ring(rank, "full_attention", capacity, raw),
        LatentCache(
            layer="full_attention",
            shape=("indexer", size, element, pool),
            block=rank.block,
            page=rank.block // pool * size * element,
            row=Row(size * element, f"{size} x {plural(element, 'byte')}", pool),
            shards=rank.shards,
        ),
    ]


def beside_rows(rank: PlanContext, size: int, pool: int) -> list[Cache]:
    """The caches of an indexer of `size` elements beside latent rows.

    Raises:
        UnsupportedError: the ring does not divide a block.
    """
    key = size + 4 * (size // 128)
    pools = -(-(pool + rank.settings.drafts) // pool)
    capacity = pool * (1 << (pools - 1).bit_length())
    kernel = gcd(pool * max(key_rows(rank.settings)), rank.block)
    return [
        _ring(rank, "latent_attention", capacity, 2 * 2 * size),  # a raw key and its gate
        LatentCache(
            layer="latent_attention",
            shape=("indexer", size, pool),
            block=rank.block,
            page=rank.block // pool * key,
            row=index_row(key)._replace(tokens=pool),
            alignment=kernel // pool * key if kernel != rank.block else 1,
            shards=rank.shards,
        ),
    ]


def _ring(rank: PlanContext, layer: str, capacity: int, raw: int) -> Cache:
    if rank.block % capacity:
        raise UnsupportedError.of(
            "num_speculative_tokens",
            f"found {rank.settings.drafts}, whose ring of {capacity} tokens does not divide the "
            f"block of {rank.block:,}, as vllm needs",
        )
    return CircularCache(
        layer=layer,
        shape=("ring", raw),
        block=capacity,
        page=capacity * raw,
        row=Row(raw, f"{raw} bytes (a raw key)"),
    )


def index_element(settings: VllmSettings) -> int:
    """Bytes of an element of an indexer's key beside keys and values.

    Raises:
        UnsupportedError: vLLM has no such element type there.
    """
    element = BESIDE_HEADS.get(settings.indexer_kv_dtype)
    if element is None:
        raise UnsupportedError.of(
            "indexer_kv_dtype",
            f"found {settings.indexer_kv_dtype}, expected bfloat16 or fp8 beside keys and values",
        )
    return element


def key_rows(settings: VllmSettings) -> tuple[int, ...]:
    """Keys of a page that the kernels over pooled keys of latent attention read."""
    return (64,) if settings.generation == 12 else (32, 64)


def least_block(model: Model, settings: VllmSettings) -> int:
    """Tokens that blocks are a multiple of, for the kernels over pooled keys beside latent rows."""
    pools = {one.index_pool for one in model.caches_of(LatentAttention) if one.index_pool}
    return max(pools, default=1) * (min(key_rows(settings)) if pools else 1)


def pools_heads(model: Model) -> bool:
    """Whether a pooled indexer stands beside keys and values, which a backend of its own reads."""
    return any(one.index_pool for one in model.caches_of(FullAttention))


def refuse_beside(model: Model, settings: VllmSettings) -> None:
    """Refuse what vLLM does not start with beside pooled keys, or an embedding of past tokens.

    Raises:
        UnsupportedError: ranks that share contexts, stages, a draft of its own, or a release whose
            rings were not read.
    """
    pools = pools_heads(model) or any(one.index_pool for one in model.caches_of(LatentAttention))
    if pools and not settings.rules.pooled_index:
        raise UnsupportedError(
            f"release: found {settings.standing.version}, and kvcalc does not know how vllm keeps "
            f"the pooled keys of {model.name}'s indexers",
            engine="vllm",
            what="indexers with pooled keys",
        )
    refused = {
        "decode_context_parallel_size": pools_heads(model),
        "prefill_context_parallel_size": pools_heads(model),
        "pipeline_parallel_size": "ngram_embedding" in model.kinds,
    }
    for setting, forbids in refused.items():
        if forbids and (found := getattr(settings, setting)) > 1:
            raise UnsupportedError.of(setting, f"found {found}, expected 1 for {model.name}")
    if pools_heads(model) and settings.speculative_method not in ("none", "mtp"):
        raise UnsupportedError.of(
            "speculative_method",
            f"found {settings.speculative_method}, expected mtp, the draft that vllm has for "
            f"{model.name}",
        )

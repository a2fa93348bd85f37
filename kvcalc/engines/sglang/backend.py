"""What SGLang decides by the GPU: the attention backend, its page, and the chunk of a prompt.

Source: SGLang 0.5.23, srt/arg_groups/memory_hook.py and overrides.py.
"""

from typing import NamedTuple

from kvcalc.engines.sglang import architectures
from kvcalc.engines.sglang.architectures import Traits
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.strategy import Strategy
from kvcalc.engines.sglang.tiers import CHUNK_IF_UNKNOWN, Tier, tier_of
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model
from kvcalc.spelling import spelled, unknown


class Hardware(NamedTuple):
    """A GPU: its compute capability, and tokens of a prompt read at once unless set otherwise.

    A `major` of 0 is a GPU that is not NVIDIA's; None: no GPU was named.
    """

    name: str | None
    major: int | None
    chunked_prefill_size: int

    @property
    def sm100(self) -> bool:
        """Whether it is a data centre's Blackwell (compute capability 10)."""
        return self.major == 10

    @property
    def blackwell(self) -> bool:
        """Whether it is of the Blackwell generation (compute capability 10 or 12)."""
        return self.major is not None and self.major >= 10


def hardware(gpu: str | None, tiers: tuple[Tier, ...], blackwell: bool) -> Hardware:
    """Look up a GPU; where none is named, `blackwell` says what another choice implies.

    Raises:
        KvcalcError: no such GPU.
    """
    if gpu is None:
        return Hardware(None, 10 if blackwell else None, CHUNK_IF_UNKNOWN)
    from kvcalc.catalogue.gpus import find

    found = find(gpu)
    major = (found.compute_capability or "0").split(".")[0]
    tier = tier_of(tiers, found.reported_bytes // 2**20)
    return Hardware(found.name, int(major), tier.chunked_prefill_size)


NAMES = """
triton torch_native flex_attention dsa nsa qsa dsv4 compressed fa3 fa4 flashinfer flashmla
trtllm_mla cutedsl_mla tokenspeed_mla trtllm_mha hpc_ops aiter wave intel_amx ascend intel_xpu
"""

BACKENDS = frozenset(NAMES.split())
"""Attention backends (srt/arg_groups/choices.py, ATTENTION_BACKEND_CHOICES)."""

PAGES = {
    "flashmla": (64,),
    "trtllm_mla": (32, 64),
    "cutedsl_mla": (32, 64),
    "tokenspeed_mla": (32, 64),
    "trtllm_mha": (16, 32, 64, 128),
    "hpc_ops": (64,),
}
"""Pages that a backend can have, in tokens; 64 is taken instead of any other."""

FA4 = "fa4"
SPARSE_PAGE = 64
POOLED_PAGE = 64
COMPRESSED_PAGE = 256
FA4_PAGE = 128
INDEX_PAGE = 128
"""Pages of DSA, of pools of keys beside keys and values, DeepSeek V4, FA4 on Blackwell and
MiniMax-M3 (model_overrides/*.py)."""


def backend_of(
    model: Model,
    traits: Traits,
    settings: SglangSettings,
    machine: Hardware,
    strategy: Strategy | None,
) -> str | None:
    """The attention backend: as set, else the model's own on this GPU; None if it is not known.

    Raises:
        RequestError: no such backend.
    """
    backend = settings.attention_backend
    if backend is not None:
        own = spelled(backend, BACKENDS)
        if own is None:
            raise unknown("SGLang's backend", backend, sorted(BACKENDS), field="attention_backend")
        return own
    if settings.kv_cache_dtype == "nvfp4" and not traits.latent:
        return "trtllm_mha"
    if model.model_type == "beam" and machine.major in (9, 10, 12):
        return "trtllm_mha"
    if not machine.sm100 or traits.compressed or traits.sparse:
        return None
    if (settings.speculative_eagle_topk or 1) > 1:
        return None
    kind = model.model_type or ""
    if kind in architectures.PAGED_WITH_BUFFER:
        unbuffered = strategy is not None and strategy.name == "no_buffer"
        drafts = settings.speculative_num_draft_tokens is not None
        return "triton" if unbuffered and not drafts else "trtllm_mha"
    if kind in architectures.BLACKWELL_BACKENDS:
        return architectures.BLACKWELL_BACKENDS[kind]
    if traits.latent:
        return "trtllm_mla" if kind in architectures.DEEPSEEK_FAMILY else "flashinfer"
    return FA4 if traits.asymmetric else "trtllm_mha"


def page_size_of(
    model: Model,
    traits: Traits,
    settings: SglangSettings,
    backend: str | None,
    machine: Hardware,
) -> int:
    """Tokens of a page: as set, unless the model or the backend has its own."""
    if traits.compressed:
        return COMPRESSED_PAGE
    if traits.sparse:
        return SPARSE_PAGE * max(one.index_pool or 1 for one in model.caches_of(LatentAttention))
    if any(one.index_pool for one in model.caches_of(FullAttention)):
        return POOLED_PAGE
    page = settings.page_size or 1
    if model.model_type in architectures.SPARSE_INDEX and settings.page_size is None:
        page = INDEX_PAGE
    if backend in PAGES and page not in PAGES[backend]:
        page = 64
    branches = settings.speculative_eagle_topk or 1
    newest = machine.sm100 or machine.major is None
    if backend == FA4 and newest and not traits.latent and branches == 1:
        page = FA4_PAGE
    return page

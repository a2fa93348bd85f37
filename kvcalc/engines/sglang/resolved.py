"""What SGLang makes of its arguments for a model and a GPU before it cuts any memory.

Source: SGLang 0.5.23, srt/arg_groups/ (overrides.py, kv_cache_hook.py, parallel_hook.py,
validation_hook.py, speculative_hook.py, deepseek_v4_hook.py).
"""

from typing import NamedTuple

from kvcalc.engines.own_caches import require_modelled
from kvcalc.engines.sglang import architectures
from kvcalc.engines.sglang.architectures import Traits, traits_of
from kvcalc.engines.sglang.backend import Hardware, backend_of, hardware, page_size_of
from kvcalc.engines.sglang.checkpoint import checkpoint_format
from kvcalc.engines.sglang.formats import FORMATS, Format
from kvcalc.engines.sglang.own_caches import OWN_CACHES
from kvcalc.engines.sglang.refusals import Choice, refuse
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.strategy import Strategy, strategy_of
from kvcalc.engines.sglang.unread import require_measured
from kvcalc.errors import UnsupportedError
from kvcalc.model import Model

SPECULATIVE_REQUESTS = 48
COMPRESSED_REQUESTS = 256
"""Running requests unless set otherwise: of a drafting server (speculative_hook.py), and of
DeepSeek V4 (deepseek_v4_hook.py)."""

RATIO = 0.8
"""Tokens of the window pool a token of the full pool (srt/arg_groups/fields/schedule.py)."""


class Drafts(NamedTuple):
    """A draft: tokens and steps per round, branches per step, and layers in the full pool."""

    tokens: int | None
    steps: int
    topk: int
    layers: int

    def tokens_a_decode(self, page: int) -> int:
        """Tokens that a request may take in one round (srt/mem_cache/allocation_sizing.py)."""
        if self.tokens is None:
            return 1
        if page == 1 or self.topk == 1:
            return max(self.steps * self.topk, self.tokens)
        branch = (page - 1 + self.steps + page - 1) // page * page
        return max(branch * self.topk, self.tokens)

    def tokens_ahead(self, page: int, overlap: bool) -> int:
        """Tokens that a drafting request takes before it needs them (pool_configurator.py)."""
        if overlap:
            return 2 * self.tokens_a_decode(page)
        steps, tokens = self.steps, self.tokens or 1
        if page > 1:
            steps = -(-(steps + (page if self.topk > 1 else 0)) // page) * page
            tokens = -(-tokens // page) * page
        return max(steps * self.topk, tokens)


FEW_REQUESTS = 32
"""Running requests of a group up to which a server that decodes expects twice as many more."""


class Resolved(NamedTuple):
    """A server's arguments as SGLang resolves them."""

    page: int
    """In tokens."""

    ratio: float
    """Tokens of the window pool per token of the full pool."""

    format: Format

    format_by: str
    """What chose the element type; "" where it was asked for or is the model's own."""

    scaled_rows: bool
    """Whether latent rows of 8 bits carry scales."""

    index_in_8_bits: bool
    """Whether MiniMax-M3's indexer keys have 8 bits."""

    chunk: int | None
    """Tokens of a prompt that one attention group reads at once; None where it reads all."""

    ranks: int
    """Ranks that share a layer's heads."""

    groups: int
    """Data-parallel groups of attention."""

    max_running_requests: int | None
    """Of all groups together."""

    overlap: bool
    strategy: Strategy | None
    drafts: Drafts

    spare_rows: int
    """Rows of the request table beside those of running requests."""

    on_their_way: int | None
    """Requests of an attention group for which a server that decodes alone makes room beside those
    that run; None on one that reads prompts."""

    @property
    def requests_a_group(self) -> int | None:
        """Running requests of one attention group, where their number is set."""
        requests = self.max_running_requests
        return None if requests is None else max(1, requests // self.groups)


def resolve(model: Model, settings: SglangSettings) -> Resolved:
    """Work out what SGLang makes of the settings.

    Raises:
        UnsupportedError: an element type, a backend, a page or a strategy that it refuses.
    """
    require_modelled("sglang", OWN_CACHES, model)
    traits = traits_of(model)
    given = FORMATS[settings.kv_cache_dtype] if settings.kv_cache_dtype else None
    tiers = settings.standing.rules["tiers"].value
    machine = hardware(settings.gpu, tiers, blackwell=given is not None and given.blackwell)
    require_measured(model, traits, settings, machine)
    form, by = (given, "") if given else _own_format(model, traits, machine)
    strategy = strategy_of(model, settings, traits.recurrent)
    backend = backend_of(model, traits, settings, machine, strategy)
    refuse(Choice(model, traits, settings, machine, form, backend))
    page = page_size_of(model, traits, settings, backend, machine)
    chunk = settings.chunked_prefill_size
    chunk = (machine.chunked_prefill_size if chunk is None else chunk) // settings.attn_dp_size
    decodes = settings.disaggregation_mode == "decode"
    if chunk > 0 and chunk % page and not decodes:
        raise UnsupportedError.of(
            "chunked_prefill_size", f"found {chunk}, expected a multiple of the page_size {page}"
        )
    return Resolved(
        page=page,
        ratio=settings.swa_full_tokens_ratio
        or architectures.OWN_RATIO.get(model.model_type or "", RATIO),
        format=form,
        format_by=by,
        scaled_rows=not machine.blackwell or _reads_scales(model, machine),
        index_in_8_bits=form.name == "fp8_e4m3"
        and (machine.major in (None, 9) or (machine.sm100 and backend in (None, "trtllm_mha"))),
        chunk=chunk if chunk > 0 else None,
        ranks=settings.tensor_parallel_size // settings.attn_dp_size,
        groups=settings.attn_dp_size,
        max_running_requests=settings.max_running_requests or _requests(traits, settings),
        overlap=not settings.disable_overlap_schedule,
        strategy=strategy,
        drafts=Drafts(
            settings.speculative_num_draft_tokens,
            settings.speculative_num_steps or 1,
            settings.speculative_eagle_topk or 1,
            settings.draft_layers,
        ),
        spare_rows=settings.standing.rules["spare_rows"].value,
        on_their_way=_on_their_way(settings) if decodes else None,
    )


def _on_their_way(settings: SglangSettings) -> int:
    """Requests that a server that decodes expects (srt/arg_groups/pd_disaggregation_hook.py)."""
    if settings.disaggregation_decode_extra_slots is not None:
        return settings.disaggregation_decode_extra_slots
    if settings.max_running_requests is None:
        return 0
    running = max(1, settings.max_running_requests // settings.attn_dp_size)
    return 2 * running if running <= FEW_REQUESTS else 0


def _reads_scales(model: Model, machine: Hardware) -> bool:
    """Whether rows of 8 bits carry scales on Blackwell too (flashinfer_sparse_mla)."""
    return model.model_type == "glm_moe_dsa" and machine.major == 12


def _requests(traits: Traits, settings: SglangSettings) -> int | None:
    if traits.compressed:
        return COMPRESSED_REQUESTS
    return None if settings.speculative_num_draft_tokens is None else SPECULATIVE_REQUESTS


def _own_format(model: Model, traits: Traits, machine: Hardware) -> tuple[Format, str]:
    """The element type where none is set, and what says so; "" for the model's own.

    By the architecture and the GPU first (overrides.py), then by the checkpoint.
    """
    kind = model.model_type or ""
    if kind in architectures.OWN_FORMATS:
        return FORMATS[architectures.OWN_FORMATS[kind]], f"sglang's choice for {kind}"
    if traits.compressed:
        return FORMATS["fp8_e4m3"], f"sglang's choice for {model.name}"
    if traits.sparse and kind in architectures.SINKS:
        return FORMATS["bfloat16"], ""
    if traits.sparse and machine.blackwell:
        return FORMATS["fp8_e4m3"], f"sglang's choice for sparse attention on {machine.name}"
    if traits.sparse:
        return FORMATS["bfloat16"], ""
    if (asked := checkpoint_format(model)) is not None and model.cache_scheme is not None:
        return FORMATS[asked], model.cache_scheme.origin
    if model.dtype == "float32":
        return FORMATS["float16"], ""  # model_config.py, _get_and_verify_dtype
    if model.dtype not in FORMATS:
        raise UnsupportedError.of(
            "kv_cache_dtype", f"missing, and sglang runs no model in {model.dtype}"
        )
    return FORMATS[model.dtype], ""

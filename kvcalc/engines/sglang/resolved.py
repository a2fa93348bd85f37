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
from kvcalc.engines.sglang.formats import FORMATS, FP4_BACKENDS, Format
from kvcalc.engines.sglang.own_caches import OWN_CACHES
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.strategy import Strategy, strategy_of
from kvcalc.engines.sglang.unread import require_measured
from kvcalc.errors import UnsupportedError, quote
from kvcalc.model import Model

SPECULATIVE_REQUESTS = 48
COMPRESSED_REQUESTS = 256
"""Running requests unless set otherwise: of a drafting server (speculative_hook.py), and of
DeepSeek V4 (deepseek_v4_hook.py)."""

RATIO = 0.8
"""Tokens of the window pool a token of the full pool (srt/arg_groups/fields/schedule.py)."""


SPARSE_FORMATS = ("bfloat16", "fp8_e4m3")
"""Element types of sparse latent rows (overrides.py, _dsa_kv_cache_dtype_default)."""


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


class Resolved(NamedTuple):
    """A server's arguments as SGLang resolves them.

    `page` is in tokens; `chunk` in tokens of one attention group, None where prompts are read
    whole; `ranks` are those that share a layer's heads, `groups` the attention's data-parallel
    groups. `format_by` is what chose the element type, "" where it was asked for or is the model's
    own. `max_running_requests` counts all groups together. `scaled_rows` says that latent rows
    of 8 bits carry scales, `index_in_8_bits` that MiniMax-M3's indexer keys have 8 bits. The
    request table has `spare_rows`.
    """

    page: int
    ratio: float
    format: Format
    format_by: str
    scaled_rows: bool
    index_in_8_bits: bool
    chunk: int | None
    ranks: int
    groups: int
    max_running_requests: int | None
    overlap: bool
    strategy: Strategy | None
    drafts: Drafts
    spare_rows: int

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
    _refuse(model, traits, form, backend, machine)
    if traits.compressed and settings.speculative_num_draft_tokens is not None:
        raise UnsupportedError.of(
            "speculative_num_draft_tokens",
            f"found {settings.speculative_num_draft_tokens}, but the rings that sglang "
            f"keeps for drafts of {model.name} are not modelled",
        )
    if traits.pooled and settings.speculative_num_draft_tokens is not None:
        raise UnsupportedError.of(
            "speculative_num_draft_tokens",
            f"found {settings.speculative_num_draft_tokens}, but what sglang keeps for drafts of "
            f"{model.name} beside its pools of keys is not modelled",
        )
    page = page_size_of(model, traits, settings, backend, machine)
    _require_requests(settings)
    chunk = settings.chunked_prefill_size
    chunk = (machine.chunked_prefill_size if chunk is None else chunk) // settings.attn_dp_size
    if chunk > 0 and chunk % page:
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
    )


def _reads_scales(model: Model, machine: Hardware) -> bool:
    """Whether rows of 8 bits carry scales on Blackwell too (flashinfer_sparse_mla)."""
    return model.model_type == "glm_moe_dsa" and machine.major == 12


def _require_requests(settings: SglangSettings) -> None:
    """Refuse requests that leave an attention group none (srt/managers/tp_worker.py).

    Raises:
        UnsupportedError: the release gives it none.
    """
    asked, groups = settings.max_running_requests, settings.attn_dp_size
    if asked is not None and asked < groups and not settings.standing.rules["one_at_least"].value:
        raise UnsupportedError.of(
            "max_running_requests",
            f"found {asked}, expected at least the {groups} of attn_dp_size on sglang "
            f"{settings.standing.version}",
        )


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


def _refuse(
    model: Model, traits: Traits, form: Format, backend: str | None, machine: Hardware
) -> None:
    """Refuse what SGLang's checks refuse.

    Raises:
        UnsupportedError: the element type or the backend, and what is expected.
    """
    accepted = architectures.ACCEPTED_BACKENDS.get(model.model_type or "")
    if accepted and backend and backend not in accepted:
        raise UnsupportedError.of(
            "attention_backend",
            f"found {quote(backend)}, expected one of {', '.join(sorted(accepted))} for "
            f"{model.model_type} on sglang",
        )
    if form.blackwell and not machine.blackwell:
        raise UnsupportedError.of(
            "kv_cache_dtype", f"{form.name} needs a Blackwell GPU, not {machine.name}"
        )
    if (traits.sparse or traits.compressed) and machine.major == 0:
        raise UnsupportedError.of(
            "gpu", f"{machine.name} stores {model.name} by rules that are not modelled"
        )
    stored = ("bfloat16",) if model.model_type in architectures.SINKS else SPARSE_FORMATS
    if traits.sparse and form.name not in stored:
        raise UnsupportedError.of(
            "kv_cache_dtype",
            f"found {form.name}, expected {' or '.join(stored)} for sparse attention "
            f"{'with sinks ' if len(stored) == 1 else ''}on sglang",
        )
    if traits.compressed and form.name != "fp8_e4m3":
        raise UnsupportedError.of(
            "kv_cache_dtype", f"found {form.name}, expected fp8_e4m3 for {model.name} on sglang"
        )
    if traits.compressed and machine.sm100:
        raise UnsupportedError.of(
            "gpu", f"on {machine.name} sglang stores {model.name} in a layout that is not modelled"
        )
    if form.name == "mxfp8" and (traits.latent or backend not in (None, "fa4")):
        raise UnsupportedError.of(
            "kv_cache_dtype",
            "mxfp8 needs attention_backend fa4 and keys and values, found "
            + ("latent rows" if traits.latent else quote(backend)),
        )
    if form.name == "nvfp4" and (traits.latent or backend not in (None, "trtllm_mha")):
        raise UnsupportedError.of(
            "kv_cache_dtype",
            "nvfp4 is read by trtllm_mha, which wants keys and values, found "
            + ("latent rows" if traits.latent else quote(backend)),
        )
    if form.packed and backend and backend not in FP4_BACKENDS[traits.latent]:
        raise UnsupportedError.of(
            "attention_backend",
            f"found {quote(backend)}, expected one of "
            f"{', '.join(FP4_BACKENDS[traits.latent])} for {form.name} on sglang",
        )

"""vLLM's settings, by its own flags' names (config/*.py, engine/arg_utils.py)."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from kvcalc.dtypes import ALIASES
from kvcalc.engines.engine import About, Bytes, Count, whole
from kvcalc.engines.released import ReleasedSettings
from kvcalc.engines.releases import Releases
from kvcalc.engines.vllm import formats, kernels
from kvcalc.engines.vllm.kernels import KERNEL_BLOCK
from kvcalc.engines.vllm.releases import RELEASES
from kvcalc.engines.vllm.rules import Batch, Rules, StatesMode
from kvcalc.errors import RequestError, UnsupportedError
from kvcalc.frozen import unexpected
from kvcalc.spelling import spelled, unknown

UNNAMED_GPU_MEMORY = 80 * 1024
"""MiB of the GPU where none is named: an H100's; an H200's batches are the same."""

OWN_BATCHES: Mapping[str, tuple[Batch, ...]] = {
    "LLM_CLASS": (Batch(70 * 1024, 16_384, 1_024), Batch(0, 8_192, 256)),
    **dict.fromkeys(("API_SERVER", "OPENAI_BATCH_RUNNER"), (Batch(0, 2_048, 128),)),
}
"""Batches of what is not OpenAI's server, in every release (engine/arg_utils.py,
get_batch_defaults; config/scheduler.py, DEFAULT_MAX_NUM_BATCHED_TOKENS)."""

SMALL_BATCH = 256
"""Tokens of a batch over kernels for small batches (config/scheduler.py)."""

SMALL_BATCH_GPUS = ("a100",)
"""GPUs of over 70 GiB that take the smallest batch all the same (engine/arg_utils.py)."""

ARGUMENTS = "engine/arg_utils.py"

INDEX_TYPES = {"bf16": "bfloat16", "fp8_e4m3": "fp8"}
"""Other names of the element types of indexers' keys (config/attention.py)."""

LAYOUTS = {"NHD": "LBNHC", "HND": "LBHNC"}
"""Older names of layouts (v1/attention/backends/utils.py)."""


def _format(name: object) -> str:
    if not isinstance(name, str):
        raise RequestError.of("kv_cache_dtype", name, f"one of {', '.join(formats.FORMATS)}")
    own = spelled(name, [*formats.FORMATS, *formats.UNREAD], ALIASES)
    if own is None:
        raise unknown("vLLM's element type", name, formats.FORMATS, field="kv_cache_dtype")
    if own in formats.UNREAD:
        raise UnsupportedError.of(
            "kv_cache_dtype", f"found {own}, which kvcalc does not count: {formats.UNREAD[own]}"
        )
    return own


def _layers(value: object) -> object:
    """Take indices of layers as numbers or as text: "0,1,30,31", "sliding_window", "" for none."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        return value
    parts = tuple(str(part) for part in value)
    for part in parts:
        if part != "sliding_window" and not (part.isdecimal() and len(part) < 8):
            raise RequestError.of(
                "kv_cache_dtype_skip_layers", part, "layers' indices or sliding_window"
            )
    return parts


def _or_none(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    """Refuse in one sentence what pydantic refuses in two, whose field is a way through a union."""
    try:
        return handler(value)
    except ValidationError:
        raise unexpected("0 to 2^40, or none") from None


OneOrMore = Annotated[int, BeforeValidator(whole), Field(ge=1, le=2**20)]
NoneOrMore = Annotated[int, BeforeValidator(whole), Field(ge=0, le=2**20)]


class VllmSettings(ReleasedSettings):
    """The settings of vLLM that its KV cache depends on.

    `gpu` is a GPU's name, for the defaults that depend on its memory; without one they are those
    of an H100 or H200. What is not given is the release's own default.
    """

    RELEASES: ClassVar[Releases] = RELEASES

    kv_cache_dtype: Annotated[
        Annotated[str, BeforeValidator(_format)] | None,
        About("cache format; auto: the model's element type", "config/cache.py"),
    ] = None
    block_size: Annotated[
        Count | None,
        About("tokens; 16 unless the attention backend asks otherwise", "config/cache.py"),
    ] = None
    max_num_batched_tokens: Annotated[
        Count | None,
        About("tokens; by the GPU's memory, 8,192 where none is named", ARGUMENTS),
    ] = None
    max_num_seqs: Annotated[
        Count | None,
        About("sequences at once; by the GPU's memory, 1,024 where none is named", ARGUMENTS),
    ] = None
    enforce_eager: Annotated[
        bool, About("true or false; true: no CUDA graphs", "config/model.py")
    ] = False
    max_cudagraph_capture_size: Annotated[
        Count | None,
        About("tokens; twice max_num_seqs, at most 512", "config/compilation.py"),
    ] = None
    kv_cache_memory_bytes: Annotated[
        Bytes | None,
        About("bytes of the pool on a GPU, instead of a share of it", "config/cache.py"),
    ] = None
    enable_chunked_prefill: Annotated[
        bool | None,
        About("true or false; false: a batch holds the context", "config/scheduler.py"),
    ] = None
    performance_mode: Annotated[
        Literal["balanced", "interactivity", "throughput"],
        About("throughput doubles a batch that is not given", "config/vllm.py"),
    ] = "balanced"
    usage_context: Annotated[
        Literal["OPENAI_API_SERVER", "LLM_CLASS", "API_SERVER", "OPENAI_BATCH_RUNNER"],
        About("what runs it, which decides a batch that is not given", "engine/arg_utils.py"),
    ] = "OPENAI_API_SERVER"
    data_parallel_size: Annotated[
        OneOrMore, About("replicas; one of them is counted", "config/parallel.py")
    ] = 1
    enable_expert_parallel: Annotated[
        bool, About("true or false; decides a batch beside all2all_backend", "config/parallel.py")
    ] = False
    all2all_backend: Annotated[
        Annotated[str, Field(min_length=1, max_length=100)] | None,
        About("kernels that tokens reach experts by", "config/parallel.py"),
    ] = None
    runner: Annotated[
        Literal["auto", "generate", "pooling"],
        About("pooling: without asynchronous scheduling", "config/model.py"),
    ] = "auto"
    async_scheduling: Annotated[
        bool | None, About("true or false; true from 0.14.0 on", "config/vllm.py")
    ] = None
    disable_hybrid_kv_cache_manager: Annotated[
        bool | None, About("true or false; by the model and the connector", "config/vllm.py")
    ] = None
    kv_connector: Annotated[
        Annotated[str, Field(min_length=1, max_length=1_000)] | None,
        About("names of --kv-transfer-config, with commas", "config/kv_transfer.py"),
    ] = None
    enable_kv_cache_events: Annotated[
        bool, About("true or false (--kv-events-config)", "config/kv_events.py")
    ] = False
    pipeline_parallel_size: Annotated[OneOrMore, About("stages", "config/parallel.py")] = 1
    pp_layer_partition: Annotated[
        Annotated[str, Field(max_length=10_000)] | None,
        About("layers of each stage, as 24,24 (VLLM_PP_LAYER_PARTITION)", "envs.py"),
    ] = None
    decode_context_parallel_size: Annotated[
        OneOrMore, About("ranks that share each context", "config/parallel.py")
    ] = 1
    prefill_context_parallel_size: Annotated[OneOrMore, About("ranks", "config/parallel.py")] = 1
    enable_prefix_caching: Annotated[
        bool | None,
        About("true or false; with recurrent layers true from 0.28.0 on", "engine/arg_utils.py"),
    ] = None
    prefix_cache_retention_interval: Annotated[
        Annotated[int, BeforeValidator(whole), Field(ge=0, le=2**40)] | Literal["none"],
        WrapValidator(_or_none),
        About("tokens between the windows that later prompts find; none: all", "config/cache.py"),
    ] = 0
    mamba_cache_mode: Annotated[
        Literal["align", "none", "all"] | None,
        About("by the layers with prefix caching, none without", "config/cache.py"),
    ] = None
    mamba_ssm_cache_dtype: Annotated[
        Annotated[
            Literal["auto", "float32", "float16", "bfloat16"],
            BeforeValidator(
                lambda name: ALIASES.get(name, name) if isinstance(name, str) else name
            ),
        ],
        About("element type of states", "config/cache.py"),
    ] = "auto"
    prefill_checkpoint_blocks: Annotated[
        Annotated[int, BeforeValidator(whole), Field(ge=0, le=1)] | None,
        About("blocks; 1 for Mamba 2 from 0.32.0 on, else 0", "v1/kv_cache_interface.py"),
    ] = None
    num_speculative_tokens: Annotated[
        NoneOrMore | None, About("tokens drafted a step", "config/speculative.py")
    ] = None
    speculative_method: Annotated[
        Literal["none", "mtp", "eagle", "eagle3"],
        About("adds the draft's layers", "config/speculative.py"),
    ] = "none"
    num_prefill_lookahead_tokens: Annotated[
        NoneOrMore | None,
        About("tokens; drafts of several MTP modules, else 1", "config/vllm.py"),
    ] = None
    max_num_encoder_input_tokens: Annotated[
        Count | None, About("tokens; max_num_batched_tokens", "config/scheduler.py")
    ] = None
    language_model_only: Annotated[
        bool, About("true or false; true: no tower is loaded", "config/multimodal.py")
    ] = False
    attention_backend: Annotated[
        str | None,
        BeforeValidator(lambda name: _backend(name)),
        About(
            "a backend's name, in any case; the first that stores the cache format",
            "v1/attention/backends/registry.py",
        ),
    ] = None
    kv_cache_layout: Annotated[
        Literal["LBNHC", "LBHNC", "BLHNC", "BLNHC"] | None,
        BeforeValidator(lambda name: LAYOUTS.get(name, name) if isinstance(name, str) else name),
        About("order of dimensions (VLLM_KV_CACHE_LAYOUT)", "v1/kv_cache_layout.py"),
    ] = None
    indexer_kv_dtype: Annotated[
        Literal["auto", "bfloat16", "fp8", "mxfp4"],
        BeforeValidator(
            lambda name: INDEX_TYPES.get(name, name) if isinstance(name, str) else name
        ),
        About("element type of indexers' keys", "config/attention.py"),
    ] = "auto"
    kv_cache_dtype_skip_layers: Annotated[
        Annotated[tuple[str, ...], BeforeValidator(_layers), Field(max_length=100_000)] | None,
        About("layers kept in the model's type: indices or sliding_window", "config/cache.py"),
    ] = None
    flash_attention_version: Annotated[
        Annotated[int, BeforeValidator(whole), Field(ge=2, le=4)] | None,
        About("version; by the GPU", "config/attention.py"),
    ] = None
    gpu: Annotated[
        Annotated[str, Field(min_length=1, max_length=100)] | None,
        About("a GPU's name, see kvcalc gpus", "kvcalc"),
    ] = None

    @model_validator(mode="after")
    def _kernels_read_whole_blocks(self) -> "VllmSettings":
        block = self.block_size
        if block not in (None, 1) and block % KERNEL_BLOCK:
            raise RequestError.of("block_size", block, f"a multiple of {KERNEL_BLOCK}, or 1")
        return self

    @model_validator(mode="after")
    def _ranks_fit(self) -> "VllmSettings":
        ranks, prefill = self.tensor_parallel_size, self.prefill_context_parallel_size
        decode = self.decode_context_parallel_size
        if prefill == 1 and ranks % decode:
            raise RequestError.of(
                "decode_context_parallel_size",
                decode,
                f"a divisor of tensor_parallel_size, {ranks}",
            )
        if prefill > 1 and decode not in (1, prefill, ranks * prefill):
            raise RequestError.of(
                "decode_context_parallel_size",
                decode,
                f"1, {prefill} or {ranks * prefill} with prefill_context_parallel_size {prefill}",
            )
        return self

    @cached_property
    def rules(self) -> Rules:
        """What holds at the release, beside the defaults of settings."""
        return Rules(**{name: change.value for name, change in self.standing.rules.items()})

    @property
    def batch(self) -> int:
        """Tokens of a batch: as asked, else by kernels, the GPU's memory and the mode."""
        if self.max_num_batched_tokens is not None:
            return self.max_num_batched_tokens
        over = self.all2all_backend if self.enable_expert_parallel else None
        small = self.data_parallel_size > 1 and over in self.rules.small_batch_kernels
        return (SMALL_BATCH if small else self._own_batch.tokens) * self._times

    @property
    def own_sequences(self) -> int:
        """What max_num_seqs is unless given: by the GPU's memory, at most the batch's tokens."""
        return min(self._own_batch.sequences * self._times, self.batch)

    @property
    def sequences_at_once(self) -> int:
        """max_num_seqs, as given or as it is by itself."""
        return self.max_num_seqs or self.own_sequences

    @property
    def _times(self) -> int:
        return 2 if self.performance_mode == "throughput" else 1

    @cached_property
    def generation(self) -> int | None:
        """The named GPU's compute capability before its dot, 0 for one that is not NVIDIA's."""
        if self.gpu is None:
            return None
        from kvcalc.catalogue.gpus import find

        return int((find(self.gpu).compute_capability or "0").split(".")[0])

    @cached_property
    def _own_batch(self) -> Batch:
        batches = OWN_BATCHES.get(self.usage_context, self.rules.batches)
        memory = UNNAMED_GPU_MEMORY
        if self.gpu is not None:
            from kvcalc.catalogue.gpus import find

            gpu = find(self.gpu)
            memory = gpu.reported_bytes // 2**20
            small = gpu.compute_capability in self.rules.small_batch_capabilities
            if small or any(name in gpu.name.lower() for name in SMALL_BATCH_GPUS):
                return batches[-1]
        return next(batch for batch in batches if memory >= batch.memory)

    @property
    def drafts(self) -> int:
        """Tokens drafted a step."""
        if self.num_speculative_tokens is None:
            return 0 if self.speculative_method == "none" else 1
        return self.num_speculative_tokens

    @property
    def batches_in_flight(self) -> int:
        """Batches whose tokens are charged as in flight (config/vllm.py, max_in_flight_tokens)."""
        return self.rules.batches_in_flight(self.pipeline_parallel_size, self.asynchronous)

    @property
    def asynchronous(self) -> bool:
        """Whether a batch is scheduled while the one before it runs."""
        waits = self.runner == "pooling" and self.rules.pooling_waits
        return bool(self.own("async_scheduling")) and not (waits and self.async_scheduling is None)

    @property
    def whole_prefill(self) -> bool:
        """Whether a prompt is read in one batch, which then is as long as the context."""
        return self.enable_chunked_prefill is False

    def hybrid_manager(self, chunked: bool) -> bool:
        """Whether layers of several kinds keep what each needs.

        Chunked layers may forbid it, alone or beside a draft of the target's hidden states.

        Raises:
            RequestError: it is asked for where vLLM refuses to start so.
        """
        rules, asked = self.rules, self.disable_hybrid_kv_cache_manager
        drafted = chunked and self.speculative_method != "none"
        if asked is not None:
            if drafted and not asked:
                raise RequestError.of(
                    "disable_hybrid_kv_cache_manager",
                    asked,
                    f"true, as vllm has it with {self.speculative_method} and chunked layers",
                )
            return not asked
        connectors = {*(self.kv_connector or "").split(",")} - {""}
        return (
            not drafted
            and (rules.chunks_in_hybrid_manager or not chunked)
            and (rules.events_in_hybrid_manager or not self.enable_kv_cache_events)
            and connectors <= rules.hybrid_connectors
        )

    def states_mode(self, kind: str) -> StatesMode:
        """Which states are kept of a kind of recurrent layer.

        A mode that is asked for turns prefix caching on, where it is not turned off; "all" of a
        kind without it is "align" (model_executor/models/config.py).
        """
        asked = self.mamba_cache_mode
        cached = self.own("enable_prefix_caching") if asked is None else asked != "none"
        if self.enable_prefix_caching is False or not cached:
            return "none"
        own = self.rules.prefix_states(kind)
        return "align" if asked == "align" or (asked and own != "all") else own

    @property
    def ranks_of_a_stage(self) -> int:
        """Ranks that hold a stage, each as much."""
        return self.tensor_parallel_size * self.prefill_context_parallel_size


def _backend(name: object) -> object:
    """Take a backend's name as vLLM does: in any case, auto and kernels alone for none."""
    if not isinstance(name, str):
        return name
    upper = name.upper()
    if upper == "AUTO" or upper in kernels.KERNELS_ALONE:
        return None
    if upper in kernels.UNREAD:
        raise UnsupportedError.of(
            "attention_backend", f"found {upper}, whose blocks kvcalc does not know"
        )
    if upper not in kernels.BACKENDS:
        raise unknown("vLLM's backend", name, list(kernels.BACKENDS), field="attention_backend")
    return upper

"""The rules of vLLM that differ by release: what each may be.

A rule is a function or a word of a closed vocabulary; the modules that work by it have a table of
the words. `releases` says which rule holds from which version on.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Literal, NamedTuple

from kvcalc.engines.vllm.sparse_backends import SparseBackends
from kvcalc.layers.recurrent import Recurrent
from kvcalc.model import Model

Pages = Literal["equal", "divided", "padded"]
"""Layers' pages that differ: refused; those that do not divide the largest refused; or padded."""

StartUp = Literal["layers", "first group", "groups"]
"""What the start-up check adds up: each layer alone, the first group's blocks, all groups'."""

Label = Literal["groups", "concurrency"]
"""What "GPU KV cache size" counts: blocks a group, or concurrency times max_model_len."""

Scheme = Literal["ignored", "overrules", "auto"]
"""What compressed-tensors' kv_cache_scheme does: nothing, wins over kv_cache_dtype, or is auto."""

Runner = Literal["V1", "V2"]
"""Which of vLLM's model runners starts."""

Sampling = Literal["sorted", "selected", "masked", "fused"]
"""How a sampler finds the tokens to draw from, which decides its tensors."""

GraphEstimate = Literal["none", "sampled", "captured"]
"""What the pool leaves for CUDA graphs: nothing, a few times the count, or a whole capture."""

Charged = Literal["before fusion", "fused", "graphs profiled", "all consumed"]
"""What is charged beside PyTorch's memory: before all-reduces were fused with norms, with their
buffers, after graphs were profiled, and all that the device has less."""

StatesMode = Literal["none", "align", "all"]
"""States of a recurrent layer (mamba_cache_mode): one, the last few, or one for each block."""

VIDEO_POSITIONS = frozenset({"qwen2_vl", "qwen2_5_vl", "glm4v", "glm4v_moe"})
"""Models with positions of images' rows and columns (SupportsMRoPE), of which vLLM lets tables of
rotary positions reach as far as the longest video, in every release."""


class Batch(NamedTuple):
    """From that many MiB of GPU memory on, that many tokens and sequences a batch (API server)."""

    memory: int
    tokens: int
    sequences: int


class Rules(NamedTuple):
    """What holds at a release, beside the defaults of settings; the last fields are of a start."""

    batches_in_flight: Callable[[int, bool], int]
    """Batches that a sliding or chunked layer is charged for, by stages and async scheduling."""

    group_size: Callable[[int, int], int]
    """Layers of a group, by how many the rarest and the commonest kind has."""

    pages: Pages

    kept_whole_where_unpaddable: bool
    """Whether every layer is kept whole where pages cannot be made one, instead of a refusal."""

    promoted_share_spec: bool
    """Whether equal layers share one spec without the hybrid manager."""

    sliding_values: bool
    """Whether a sliding layer's values have a length of their own."""

    compressed_attention: frozenset[str]
    """The formats in which the pools of compressed attention are known."""

    chunks_in_hybrid_manager: bool
    """Whether chunked layers leave the hybrid manager on."""

    hybrid_connectors: frozenset[str]
    """The KV connectors that leave it on."""

    events_in_hybrid_manager: bool
    """Whether --kv-events-config leaves it on."""

    prefix_states: Callable[[str], StatesMode]
    """What prefix caching keeps of a kind of recurrent layer."""

    draft_states: frozenset[StatesMode]
    """The modes of states of which drafts have copies."""

    checkpoint_blocks: Mapping[str, int]
    """Blocks for a checkpoint inside a prefill, by the kind of recurrent layer."""

    checkpoint_steps: Mapping[str, int]
    """Tokens that blocks are a multiple of, by the kinds of recurrent layers whose kernels export
    states on some GPUs."""

    pooled_index: bool
    """Whether indexers are known whose keys stand for several tokens."""

    latent_step: int
    """Tokens that blocks of latent attention are a multiple of beside states."""

    asked_block_steps: bool
    """Whether a block grows in steps of the one that is asked for."""

    mtp_lookahead: bool
    """Whether several MTP modules widen the windows by what they look ahead."""

    kept_formats_raise_block: bool
    """Whether layers that are kept in the model's type make the block grow."""

    mtp_layer_types: bool
    """Whether mtp_layer_types and mtp_sliding_windows of the file are read."""

    modelopt_formats: frozenset[str]
    """ModelOpt's algorithms that a checkpoint's `auto` becomes."""

    own_formats: Mapping[str, str]
    """What `auto` of a model type is on GPUs of compute capability 10.x."""

    sparse_backends: SparseBackends
    """The backends of sparse latent attention, by the GPU's generation."""

    scheme_of_heads: Scheme

    start_up: StartUp

    start_up_each_rank: bool
    """Whether each rank is checked against its own memory, not against the least."""

    start_up_held_blocks: int
    """Blocks that the start-up check leaves out."""

    label: Label

    memory_share: Fraction
    """The default of gpu_memory_utilization."""

    blocks_bound_sequences: bool
    """Whether a pool with recurrent states needs a block for each of max_num_seqs."""

    small_batch_capabilities: frozenset[str]
    """Compute capabilities of GPUs that take the smallest batch whatever their memory."""

    batches: tuple[Batch, ...]

    small_batch_kernels: frozenset[str]
    """All-to-all backends with a small default batch."""

    pooling_waits: bool
    """Whether pooling models run without async scheduling."""

    v2_runner: Callable[[Model], bool]
    """Whether a model gets the V2 runner."""

    sampling: Mapping[Runner, Sampling]

    graphs: Mapping[Runner, GraphEstimate]

    charged: Charged

    moe_workspace_is_kept: bool
    """Whether the experts' workspace stays for the next run."""

    penalty_tables_are_charged: bool
    """Whether tables that stay after the profile run are charged."""

    cublas_is_charged: bool
    """Whether cuBLAS's workspace is part of the peak."""

    large_blocks_are_whole: bool
    """Whether PyTorch leaves segments over 20 MiB whole as weights are loaded."""

    mxfp4_scales_stay: bool
    """Whether scales of mxfp4 experts stay beside those that kernels read."""

    flashinfer_mxfp4_step: int
    """What FlashInfer's kernels pad the width of mxfp4 experts to."""

    sampled_with_a_prefill: bool
    """Whether the first full graph that is sampled reads a whole batch of context."""

    video_positions: frozenset[str]
    """Model types whose tables of rotary positions reach further than a context, for videos."""

    fp4_index: Mapping[str, bool]
    """Keys of --attention-config that store the index of compressed attention in 4 bits, each with
    whether its rows then take fewer bytes."""

    variables: Mapping[str, str]
    """Variables of the environment that not every release reads, and the setting of each."""


def one_batch(stages: int, async_scheduling: bool) -> int:
    """One batch, whatever is in flight."""
    return 1


def every_batch(stages: int, async_scheduling: bool) -> int:
    """A batch a stage, and with async scheduling one more (V2 model runner)."""
    return stages + async_scheduling


def least(fewest: int, most: int) -> int:
    """As many layers as the rarest kind has."""
    return fewest


def within_a_quarter(fewest: int, most: int) -> int:
    """As many as the commonest kind has, where it is less than 1.25 times the rarest."""
    return most if 4 * most < 5 * fewest else fewest


def within_a_half(fewest: int, most: int) -> int:
    """As many as the commonest kind has, where it is less than 1.5 times the rarest."""
    return most if 2 * most < 3 * fewest else fewest


def a_state_a_block_or_none(kind: str) -> StatesMode:
    """A state for each block of Mamba layers; other models have no prefix caching."""
    return "all" if kind in MAMBA else "none"


def a_state_a_block_or_the_last(kind: str) -> StatesMode:
    """A state for each block of Mamba layers, the last few of others."""
    return "all" if kind in MAMBA else "align"


def the_last_states(kind: str) -> StatesMode:
    """The last few states."""
    return "align"


MAMBA = ("mamba", "mamba2")
"""Kinds whose models state SupportsMambaPrefixCaching (model_executor/models)."""


def no_model(model: Model) -> bool:
    """The V2 runner for none by default."""
    return False


def every_model(model: Model) -> bool:
    """The V2 runner for each model."""
    return True


def listed(*types: str) -> Callable[[Model], bool]:
    """The V2 runner for a list of model types."""
    return lambda model: model.model_type in types


def dense_or_listed(*types: str) -> Callable[[Model], bool]:
    """The V2 runner for a list of model types, and for each without experts or states."""

    def chosen(model: Model) -> bool:
        mixed = model.sizes is not None and model.sizes.experts is not None
        states = any(isinstance(cache, Recurrent) for cache, _ in model.caches)
        return model.model_type in types or not (mixed or states)

    return chosen

"""The rules of llama.cpp that differ by build; `releases` says which holds from when on.

A rule is a function, a set of GGUF architectures or a word of a closed vocabulary.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from kvcalc.errors import UnsupportedError

Windows = Literal["none", "batch", "micro-batch"]
"""What a sliding layer keeps beside its window: it has all cells, or a batch or micro-batch."""

Indexed = Literal["none", "all layers", "full layers"]
"""Which layers of GLM's architecture have an indexer's cache: of those that share one, too."""

WithoutContext = Literal["4096", "together", "each"]
"""Tokens without -c: 4,096; the model's own context for all slots together; or for each."""

Slots = Callable[[int | None, bool, bool], tuple[int, bool]]
"""llama-server's slots, and whether they share a buffer: of -np, -kvu, and whether it drafts."""

KEPT = (
    "earlier prompts, up to 8,192 MiB unless --cache-ram says otherwise, and of each slot "
    "checkpoints of states and windows (--ctx-checkpoints)"
)
"""What llama-server keeps in main memory as it runs (tools/server/README.md)."""


class Rules(NamedTuple):
    """What holds at a build, beside the defaults of settings."""

    padding: Callable[[bool], int]
    """Cells that a stream is a multiple of, by whether flash attention is on."""

    windows: Windows

    padded_values: bool
    """Whether V rows are as wide as the widest without flash attention."""

    latent_values: bool
    """Whether latent attention keeps a V beside its K."""

    sliding_types: bool
    """Whether sliding layers keep the types of the others."""

    alike: frozenset[str]
    """Kinds of layers whose K and V must have one type."""

    no_windows: frozenset[str]
    """Architectures that did not slide yet."""

    nextn_held: frozenset[str]
    """Architectures that keep their NextN layers in the main context."""

    nextn_slides: frozenset[str]
    """Those of them whose NextN layers slide there."""

    rollback: frozenset[str]
    """Architectures with a spare state per drafted token (llm_arch_supports_rs_rollback)."""

    drafts: frozenset[str]
    """Architectures with a graph for their NextN layers and a context for these alone
    (LLM_GRAPH_TYPE_DECODER_MTP; not `mimo2`, whose graph wants fused weights that no converter
    writes)."""

    indexed: Indexed

    not_read: frozenset[str]
    """Architectures whose cache was another, which was not read."""

    max_sequences: int
    """The most sequences of a context."""

    slots: Slots

    without_context: WithoutContext

    main_memory: bool
    """Whether llama-server keeps earlier prompts in main memory."""

    shared_draft: bool
    """Whether the slots share a draft's context."""

    reserves_one: frozenset[str]
    """Architectures whose graph of a prompt is built once more for one sequence (sched_reserve),
    which fails where the streams do not divide its tokens."""

    all_logits: bool
    """Whether the graph has room for the logits of each token of a micro-batch."""

    first_offloaded: Callable[[int, int], int]
    """The first block on a device, by how many are there and how many there are with the output;
    those behind it are there too."""


def by_kernel(flash_attention: bool) -> int:
    """What the kernel of attention reads at once (get_padding)."""
    return 256 if flash_attention else 32


def unpadded(flash_attention: bool) -> int:
    """As many cells as tokens."""
    return 1


def to_256(flash_attention: bool) -> int:
    """Whole 256 cells, whatever the kernel."""
    return 256


def output_last(offloaded: int, whole: int) -> int:
    """The layers are offloaded from the last one on, and the output after all of them."""
    return max(whole - 1 - offloaded, 0)


def output_first(offloaded: int, whole: int) -> int:
    """The output is offloaded, and then the layers from the last one on."""
    return whole - offloaded


def output_unread(offloaded: int, whole: int) -> int:
    """The same where all are offloaded, or none.

    Raises:
        UnsupportedError: some are.
    """
    if 0 < offloaded < whole:
        raise UnsupportedError(
            f"n_gpu_layers: found {offloaded}, and whether the output is one of them before b7475 "
            "and after b7446 was not read; ask for another build",
            engine="llama.cpp",
            what="n_gpu_layers",
        )
    return whole - offloaded


SLOTS = 4
"""Slots of llama-server where their number is left to it."""


def one_slot(parallel: int | None, unified: bool, drafts: bool) -> tuple[int, bool]:
    """One slot unless more are asked for."""
    return (1 if parallel is None else parallel), unified


def four_for_one(parallel: int | None, unified: bool, drafts: bool) -> tuple[int, bool]:
    """Four slots in one buffer instead of one slot in a buffer of its own."""
    return (SLOTS, True) if parallel in (None, 1) and not unified else (parallel or 1, unified)


def four_for_one_without_draft(
    parallel: int | None, unified: bool, drafts: bool
) -> tuple[int, bool]:
    """The same, but with a draft one slot stays one."""
    return (one_slot if drafts else four_for_one)(parallel, unified, drafts)


def four_unless_asked(parallel: int | None, unified: bool, drafts: bool) -> tuple[int, bool]:
    """Four slots in one buffer where no number is given, or -1."""
    return (SLOTS, True) if parallel is None or parallel < 0 else (parallel, unified)

"""How a model's cache is laid out: the tensors of a block and of a state, and the blocks."""

from typing import NamedTuple

from kvcalc.costs import CONTEXT, window_of
from kvcalc.engines.lmdeploy import builders
from kvcalc.engines.lmdeploy.settings import LmdeploySettings, cache_format
from kvcalc.engines.lmdeploy.tensors import Tensor, aligned, in_block, in_state
from kvcalc.errors import RequestError, UnsupportedError
from kvcalc.formula.expression import Value, cdiv, maximum
from kvcalc.layers.layer import Layer
from kvcalc.model import Model

FLASH_MLA_BLOCK = 64


class Layout(NamedTuple):
    """A layout on one rank of `ranks`.

    `layers` are those with tensors in a block of `block_tokens`, how many there are of each, and
    the tensors; `state` is one sequence's; `blocks` is how many a sequence of the context holds.
    """

    model: Model
    kv_cache_dtype: str
    ranks: int
    block_tokens: int
    layers: list[tuple[Layer, int, list[Tensor]]]
    state: list[Tensor]
    blocks: Value

    @property
    def block_bytes(self) -> int:
        """Bytes of a block: all layers."""
        sizes = [(aligned(tensors), count) for _, count, tensors in self.layers]
        return sum(size * count for size, count in sizes if isinstance(size, int))


def layout(model: Model, settings: LmdeploySettings) -> Layout:
    """Lay a model's cache out.

    Raises:
        KvcalcError: a model or a kind of layer that it does not build, or a setting it refuses.
    """
    builders.require(model, settings.standing.version)
    form, ranks = cache_format(model, settings), settings.tensor_parallel_size
    tokens = _block_tokens(model, settings)
    layers = [
        (layer, count, tensors)
        for layer, count in model.groups
        if (tensors := in_block(model, layer, tokens, form, ranks))
    ]
    window = window_of(model, model.window or 0)
    return Layout(
        model=model,
        kv_cache_dtype=form.policy.name,
        ranks=ranks,
        block_tokens=tokens,
        layers=layers,
        state=in_state(model, window, ranks, 4 if settings.fp32_mamba_ssm_dtype else 2),
        blocks=_blocks(model, tokens),
    )


def _block_tokens(model: Model, settings: LmdeploySettings) -> int:
    """Tokens of a block: as set, or what DeepSeek V4's kernels make of them.

    Raises:
        KvcalcError: no power of 2, or below 16 (messages.py, kernel_block_size); or other than 64
            for flash_mla (pytorch/engine/executor/base.py, _adjust_block_size).
    """
    size = settings.cache_block_seq_len
    if model.model_type in builders.COMPRESSED:
        tokens: int = settings.standing.rules["compressed_block"].value(size)
        return tokens
    if model.model_type in builders.SPARSE and size != FLASH_MLA_BLOCK:
        raise UnsupportedError.of(
            "cache_block_seq_len", f"found {size}, expected {FLASH_MLA_BLOCK} (flash_mla)"
        )
    if size < 16 or size & (size - 1):
        raise RequestError.of("cache_block_seq_len", size, "a power of 2 and at least 16")
    return size


def _blocks(model: Model, tokens: int) -> Value:
    """Blocks of one sequence: those of all its tokens, less those that left the one window.

    The window counts from the tokens before the one computed (window_block_manager.py).
    """
    blocks = cdiv(CONTEXT, tokens)
    window = builders.window(model)
    return blocks if window is None else blocks - maximum(CONTEXT - 1 - window, 0) // tokens

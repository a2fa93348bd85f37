"""DeepSeek V4's caches: a window, compressed rows, their index and the states they are made from.

vLLM 0.33.0: v1/attention/backends/mla/sparse_swa.py and models/deepseek_v4. Blocks are the
outermost dimension, so pages of different bytes lie side by side.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from kvcalc.engines.vllm.caches import Cache, LatentCache, Row, SlidingLatentCache, index_row
from kvcalc.engines.vllm.formats import COMPRESSED_ROWS, PLAIN
from kvcalc.engines.vllm.kernels import BACKENDS
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value
from kvcalc.units import plural

if TYPE_CHECKING:
    from kvcalc.layers.latent import CompressedAttention

WINDOW_BLOCK = 64
ALIGNMENTS = {"FLASHMLA_SPARSE_DSV4": 576, "FLASHINFER_MLA_SPARSE_DSV4": 512}
INDEX_ROWS = {"auto": 132, "fp8": 132, "mxfp4": 68}
"""Bytes of an indexer's row of 128 elements and its scales."""


class State(NamedTuple):
    """Rows of float32 that wait to be compressed: their elements, block and window, in tokens."""

    name: str
    elements: int
    block: int
    window: int


STATES = {
    4: (State("index", 512, 4, 8), State("main", 2_048, 4, 8)),
    128: (State("main", 1_024, 8, 128),),
}
"""The states of a layer of each ratio."""


def compressed_caches(
    layer: "CompressedAttention",
    *,
    backend: str,
    cache_format: str,
    indexer: str,
    block: int,
    retained: Callable[[int], Value],
    in_flight: Value,
) -> list[Cache]:
    """The caches of one layer, in the order in which vLLM builds them.

    Raises:
        UnsupportedError: the head size, the ratio or an element type is not one that vLLM has.
    """
    align = ALIGNMENTS[backend]
    packed = COMPRESSED_ROWS.get(cache_format)
    if layer.head_dim != 512 or (layer.ratio and layer.ratio not in STATES):
        raise UnsupportedError(
            f"vllm does not support compressed_attention layers of {layer.head_dim} elements and "
            f"ratio {layer.ratio}",
            what="compressed_attention layers",
        )
    row = packed or layer.head_dim * PLAIN[cache_format]
    kept = Row(row, f"{row} bytes ({cache_format})" if packed else _words(layer.head_dim, row))
    align = align if packed else ALIGNMENTS["FLASHINFER_MLA_SPARSE_DSV4"]

    def page(size: int) -> int:
        return -(-size // align) * align

    def sliding(name: str, tokens: int, window: int, one: Row, tokens_retained: Value) -> Cache:
        return SlidingLatentCache(
            layer="compressed_attention",
            shape=(name,),
            block=tokens,
            page=page(tokens * one.bytes),
            token=one.bytes,
            row=one,
            kernels=BACKENDS[backend],
            alignment=align,
            window=window,
            retained=tokens_retained,
        )

    def rows(name: str, one: Row) -> Cache:
        return LatentCache(
            layer="compressed_attention",
            shape=(name, layer.ratio),
            block=block,
            page=page(block // layer.ratio * one.bytes),
            alignment=align,
            row=one._replace(tokens=layer.ratio),
        )

    window = sliding("window", WINDOW_BLOCK, layer.window, kept, retained(layer.window))
    if not layer.ratio:
        return [window]
    waiting: Mapping[str, Cache] = {
        state.name: sliding(
            f"{state.name} state",
            state.block,
            state.window,
            Row(4 * state.elements, _words(state.elements, 4 * state.elements)),
            state.window - 1 + in_flight,
        )
        for state in STATES[layer.ratio]
    }
    index = []
    if "index" in waiting:
        if indexer not in INDEX_ROWS or layer.index_head_dim != 128:
            raise UnsupportedError.of(
                "indexer_kv_dtype",
                f"found {indexer} for rows of {layer.index_head_dim} elements, expected "
                "fp8 or mxfp4 for rows of 128",
            )
        index = [rows("index", index_row(INDEX_ROWS[indexer])), waiting["index"]]
    return [*index, window, rows("compressed", kept), waiting["main"]]


def _words(elements: int, row: int) -> str:
    return f"{elements:,} x {plural(row // elements, 'byte')}"

"""DeepSeek V4's caches: a window, compressed rows, their index and the states they are made from.

vLLM 0.33.0: v1/attention/backends/mla/sparse_swa.py and models/deepseek_v4. Blocks are the
outermost dimension, so pages of different bytes lie side by side.
"""

from typing import TYPE_CHECKING, NamedTuple

from kvcalc.engines.vllm.caches import Cache, LatentCache, Row, SlidingLatentCache, index_row
from kvcalc.engines.vllm.formats import COMPRESSED_ROWS, PLAIN
from kvcalc.engines.vllm.kernels import ALIASES, BACKENDS
from kvcalc.engines.vllm.plan_context import PlanContext
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value
from kvcalc.units import plural

if TYPE_CHECKING:
    from kvcalc.layers.latent import CompressedAttention

HEAD_DIM = 512
WINDOW_BLOCK = 64
ALIGNMENTS = {"FLASHMLA_SPARSE_DSV4": 576, "FLASHINFER_MLA_SPARSE_DSV4": 512}
UNPACKED_ALIGNMENT = ALIGNMENTS["FLASHINFER_MLA_SPARSE_DSV4"]
INDEX_HEAD_DIM = 128
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


class Pages(NamedTuple):
    """The pages of a layer's caches on a rank; each is padded to a multiple of `align` bytes."""

    rank: PlanContext
    ratio: int
    align: int

    def sliding(self, name: str, block: int, row: Row, window: int, retained: Value) -> Cache:
        """A cache of the last tokens, a row each."""
        return SlidingLatentCache(
            layer="compressed_attention",
            shape=(name,),
            block=block,
            page=self._padded(block * row.bytes),
            token=row.bytes,
            row=row,
            kernels=BACKENDS[self.rank.backend],
            alignment=self.align,
            window=window,
            retained=retained,
        )

    def compressed(self, name: str, row: Row) -> Cache:
        """A cache of all tokens, of which `ratio` share a row."""
        return LatentCache(
            layer="compressed_attention",
            shape=(name, self.ratio),
            block=self.rank.block,
            page=self._padded(self.rank.block // self.ratio * row.bytes),
            alignment=self.align,
            row=row._replace(tokens=self.ratio),
        )

    def state(self, state: State) -> Cache:
        """The rows that wait to be compressed: a window of them, and those in flight."""
        row = _row(state.elements, 4 * state.elements)
        retained = state.window - 1 + self.rank.in_flight
        return self.sliding(f"{state.name} state", state.block, row, state.window, retained)

    def _padded(self, size: int) -> int:
        return -(-size // self.align) * self.align


def compressed_caches(rank: PlanContext, layer: "CompressedAttention", form: str) -> list[Cache]:
    """The caches of one layer, in the order in which vLLM builds them.

    Raises:
        UnsupportedError: the head size, the ratio or an element type is not one that vLLM has.
    """
    if layer.head_dim != HEAD_DIM or (layer.ratio and layer.ratio not in STATES):
        raise UnsupportedError(
            f"vllm does not support compressed_attention layers of {layer.head_dim} elements and "
            f"ratio {layer.ratio}",
            what="compressed_attention layers",
        )
    form = ALIASES.get((rank.backend, form), form)
    packed = COMPRESSED_ROWS.get(form)
    if packed:
        row = Row(packed, f"{packed} bytes ({form})")
    else:
        row = _row(layer.head_dim, layer.head_dim * PLAIN[form])
    align = ALIGNMENTS[rank.backend] if packed else UNPACKED_ALIGNMENT
    pages = Pages(rank, layer.ratio, align)
    window = pages.sliding("window", WINDOW_BLOCK, row, layer.window, rank.retained(layer.window))
    if not layer.ratio:
        return [window]
    states = {state.name: pages.state(state) for state in STATES[layer.ratio]}
    index = []
    if "index" in states:
        index = [pages.compressed("index", _index_row(rank, layer)), states["index"]]
    return [*index, window, pages.compressed("compressed", row), states["main"]]


def _index_row(rank: PlanContext, layer: "CompressedAttention") -> Row:
    indexer = rank.settings.indexer_kv_dtype
    if indexer not in INDEX_ROWS or layer.index_head_dim != INDEX_HEAD_DIM:
        raise UnsupportedError.of(
            "indexer_kv_dtype",
            f"found {indexer} for rows of {layer.index_head_dim} elements, expected "
            f"fp8 or mxfp4 for rows of {INDEX_HEAD_DIM}",
        )
    return index_row(INDEX_ROWS[indexer])


def _row(elements: int, size: int) -> Row:
    return Row(size, f"{elements:,} x {plural(size // elements, 'byte')}")

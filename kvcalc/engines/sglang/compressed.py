"""DeepSeek V4's pools: packed rows of three rates in padded pages, and states that compress.

Source: SGLang 0.5.23, srt/mem_cache/deepseek_v4_memory_pool.py, deepseek_v4_compress_state.py
(FlashMLA's layout, KVLayout.V4) and DSV4PoolConfigurator in pool_configurator.py. Tensor parallel
does not divide them.
"""

from kvcalc.engines.sglang.buffers import FULL, REQUEST, WINDOW, BufferBytes, require_shared
from kvcalc.errors import UnsupportedError
from kvcalc.layers.latent import CompressedAttention

ROW = 584
"""Bytes of a row: 448 elements of 8 bits, 64 of 16, 7 scales and a byte of padding."""
HEAD_DIM = 512
PADDING = 576
"""Pages are rounded up to a multiple of it, in bytes."""
INDEX_ROW = 132
"""Bytes of an indexer's key: 128 elements of 8 bits and a float32 scale."""
INDEX_DIM = 128
RING = {4: 8, 128: 128}
"""Rows of state that wait to be compressed: a window page's (ratio 4), a request's (128)."""


def compressed_buffers(layer: CompressedAttention, page: int, ranks: int) -> list[BufferBytes]:
    """The buffers of a layer, in pages of `page` tokens.

    Raises:
        UnsupportedError: heads that the ranks cannot share (models/deepseek_v4.py, n_local_heads),
            or a ratio or sizes that SGLang's kernels do not take.
    """
    require_shared(layer.query_heads, ranks)
    if layer.head_dim != HEAD_DIM or layer.index_head_dim not in (None, INDEX_DIM):
        raise UnsupportedError.of(
            "head_dim",
            f"found {layer.head_dim} and an indexer of {layer.index_head_dim}, expected "
            f"{HEAD_DIM} and {INDEX_DIM} on sglang",
        )
    if layer.ratio not in (0, 4, 128):
        raise UnsupportedError.of("ratio", f"found {layer.ratio}, expected 0, 4 or 128 on sglang")
    window = _padded(page)
    buffers = [BufferBytes(WINDOW, "swa.kv", f"{page} rows of {ROW} bytes, padded", window, window)]
    if layer.ratio == 0:
        return buffers
    rows = page // layer.ratio
    size = _padded(rows)
    # A pool holds one more page of `page` rows, whatever its own rate.
    spare = page // rows * size
    name = f"full.c{layer.ratio}_kv"
    buffers.append(BufferBytes(FULL, name, f"{rows} rows of {ROW} bytes, padded", size, spare))
    if layer.ratio == 128:
        state = RING[128] * 2 * HEAD_DIM * 4
        working = f"{RING[128]} rows of 2 x {HEAD_DIM} float32"
        # A slot for no request, one ring and a row more, rounded up to a ring: 3.
        buffers.append(BufferBytes(REQUEST, "state.c128", working, state, 3 * state))
        return buffers
    keys = rows * INDEX_ROW
    working = f"{rows} keys of {INDEX_ROW} bytes"
    buffers.append(BufferBytes(FULL, "full.c4_index_k", working, keys, page // rows * keys))
    for name, dim in (("state.c4", HEAD_DIM), ("state.c4_index", INDEX_DIM)):
        row = 4 * dim * 4
        working = f"{RING[4]} rows of 4 x {dim} float32"
        # One ring and a row more, rounded up to 4 rows: 12.
        buffers.append(BufferBytes(WINDOW, name, working, RING[4] * row, 12 * row))
    return buffers


def _padded(rows: int) -> int:
    return -(-rows * ROW // PADDING) * PADDING

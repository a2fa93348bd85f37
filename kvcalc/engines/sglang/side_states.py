"""What a request keeps beside its pages and its slot of state (Qwen4-Exp, GLM-5.3-Flash).

SGLang 0.5.23, srt/mem_cache/qsa_kv_pool.py and ple_state_pool.py, and memory_pool.py
(_init_kpool_compress_tail_buffers). None of it is counted when a memory is cut into pools.
"""

from collections.abc import Iterator

from kvcalc.engines.sglang.buffers import REQUEST, SIDE, BufferBytes, LayerBuffers
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.latent import LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import NgramEmbedding
from kvcalc.model import Model

ELEMENT, POSITION = 2, 8
"""Bytes of an element in bfloat16, and of a position or a token's number."""

AXES = 3
"""Positions of a token (MRoPE)."""


def pending_keys(layer: Layer, model: Model) -> list[BufferBytes]:
    """Raw keys of the tokens that do not fill a pool yet; of latent rows their gates too."""
    if isinstance(layer, FullAttention) and layer.index_pool and layer.index_head_dim:
        size = layer.index_pool * layer.index_head_dim * ELEMENT
        return [_request("qsa.key_state", f"{layer.index_pool} keys of bfloat16", size, 1)]
    if isinstance(layer, LatentAttention) and layer.index_pool and layer.index_head_dim:
        facts = model.config_facts
        if facts is None or not facts.index_kpool_compress:
            return []
        size = 2 * layer.index_pool * layer.index_head_dim * ELEMENT
        working = f"{layer.index_pool} keys and gates of bfloat16"
        return [_request("compress_tail", working, size, 2)]
    return []


def embedding_window(layer: NgramEmbedding) -> list[BufferBytes]:
    """The tokens that an embedding's convolution reaches back to, whole on every rank."""
    columns = layer.taps - 1
    size = layer.width * columns * ELEMENT
    working = f"{layer.width} channels x {columns} of bfloat16"
    return [BufferBytes(SIDE, "ple.conv_state", working, size, size)]


def of_all_layers(model: Model) -> Iterator[LayerBuffers]:
    """What layers share: positions of raw keys, and an embedding's last tokens."""
    pools = {one.index_pool for one in model.caches_of(FullAttention) if one.index_pool}
    for pool in pools:
        size = pool * AXES * POSITION
        ring = _request("qsa.rope_position", f"{pool} tokens x {AXES} positions", size, 1)
        yield LayerBuffers("full_attention", 1, None, (ring,))
    for ngram in {one.ngram for one in model.caches_of(NgramEmbedding)}:
        size = (ngram - 1) * POSITION
        context = BufferBytes(SIDE, "ple.context", f"{ngram - 1} tokens", size, size)
        yield LayerBuffers("ngram_embedding", 1, None, (context,))


def _request(name: str, working: str, size: int, spare: int) -> BufferBytes:
    return BufferBytes(REQUEST, name, working, size, spare * size)

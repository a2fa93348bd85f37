"""Specifications of layers from their sizes alone, and the published models of vllm_versions."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.oracles.measure.vllm_planner import Specs, made, torch

Layer = Mapping[str, Any]


def full(heads: int, size: int) -> Layer:
    return {"kind": "full", "kv_heads": heads, "key_dim": size, "value_dim": size}


def sliding(heads: int, size: int, window: int) -> Layer:
    return {**full(heads, size), "kind": "sliding", "window": window}


ROW: Layer = {"kind": "mla", "key_dim": 576}
INDEX: Layer = {"kind": "index", "key_dim": 132}
CHUNKED: Layer = {**full(8, 128), "kind": "chunked", "chunk": 8_192}
DELTA_NET: Layer = {"kind": "state", "shapes": [[8_192, 3], [32, 128, 128]], "types": "bb"}
MAMBA_2: Layer = {"kind": "state", "shapes": [[6_144, 3], [64, 64, 128]], "types": "bf"}

K_EXAONE = [*[sliding(8, 128, 128)] * 3, full(8, 128)] * 12
NEMOTRON = "MMM*MMM*MMM*MMM*MMM*MMMM*MMMM"

MODELS: Mapping[str, Sequence[Layer]] = {
    "K-EXAONE w128": K_EXAONE,
    "K-EXAONE w4096": [*[sliding(8, 128, 4_096)] * 3, full(8, 128)] * 12,
    "K-EXAONE w128 +MTP": [*K_EXAONE, sliding(8, 128, 128)],
    "gpt-oss-120b": [sliding(8, 64, 128), full(8, 64)] * 18,
    "Llama-4-Scout": [*[CHUNKED] * 3, full(8, 128)] * 12,
    "Llama-3.1-8B": [full(8, 128)] * 32,
    "DeepSeek-V3": [ROW] * 61,
    "DeepSeek-V3.2": [ROW, INDEX] * 61,
    "Gemma 4 26B-A4B": [*[sliding(8, 256, 1_024)] * 5, full(2, 512)] * 5,
    "Qwen3-Next-80B": [*[DELTA_NET] * 3, full(2, 256)] * 12,
    "Nemotron-3-Nano": [MAMBA_2 if one == "M" else full(2, 128) for one in NEMOTRON],
}
"""The layers with a cache, in order, of the published files (tests/oracles/configs)."""

TYPES = {"b": torch.bfloat16, "f": torch.float32}


def specs(
    layers: Sequence[Layer],
    block: int | None,
    ranks: int,
    form: str,
    *,
    attention_block: int | None = None,
    mamba_block: int | None = None,
    mode: str = "none",
) -> Specs:
    """A specification of each layer; a state is padded to the page of attention."""
    latent = any(layer["kind"] == "mla" for layer in layers)
    tokens = attention_block or block or (64 if latent else 16)
    element = torch.uint8 if form == "fp8" else torch.bfloat16
    page = None
    if attention_block and any(layer["kind"] == "state" for layer in layers):
        first = next(layer for layer in layers if layer["kind"] != "state")
        page = tokens * first["kv_heads"] * 2 * first["key_dim"] * element.itemsize
    return {
        f"l{place}": spec(layer, tokens, ranks, element, mamba_block, page, mode)
        for place, layer in enumerate(layers)
    }


def spec(
    layer: Layer,
    tokens: int,
    ranks: int,
    element: Any,
    mamba_block: int | None,
    page: int | None,
    mode: str,
) -> Any:
    if layer["kind"] == "state":
        return made(
            "Mamba",
            block_size=mamba_block,
            shapes=tuple(map(tuple, layer["shapes"])),
            dtypes=tuple(TYPES[one] for one in layer["types"]),
            page_size_padded=page,
            mamba_cache_mode=mode,
        )
    sizes = {"block_size": tokens, "head_size": layer["key_dim"], "dtype": element}
    if layer["kind"] == "index":
        return made("MLAAttention", **{**sizes, "dtype": torch.uint8}, num_kv_heads=1)
    if layer["kind"] == "mla":
        return made("MLAAttention", **sizes, num_kv_heads=1, cache_dtype_str="auto")
    sizes |= {
        "num_kv_heads": max(1, layer["kv_heads"] // ranks),
        "head_size_v": layer["value_dim"],
        "sliding_window": layer.get("window"),
        "attention_chunk_size": layer.get("chunk"),
        # What FlashAttention says of itself in the releases that ask: its pages may be padded.
        "indexes_kv_by_block_stride": True,
    }
    kinds = {
        "full": "FullAttention",
        "sliding": "SlidingWindow",
        "chunked": "ChunkedLocalAttention",
    }
    return made(kinds[layer["kind"]], **sizes)

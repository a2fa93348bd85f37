"""What a GGUF file's keys say about attention: heads, windows, latent rows and indexers."""

from typing import Any

from kvcalc.catalogue.gguf import (
    CACHELESS,
    INDEXED_AFTER_DENSE,
    PLAIN,
    RECURRENT,
    SLIDING_LAYERS,
    WINDOWS,
    Window,
)
from kvcalc.layers import layer
from kvcalc.layers.layer import Layer
from kvcalc.model import MAX_GROUPS
from kvcalc.readers.gguf.keys import Keys

KNOWN = PLAIN | CACHELESS | RECURRENT.keys() | WINDOWS.keys()
BUILT_IN_INDEXERS_CONTEXT = 2**20
"""From this many layers, llama.cpp has its own list for `glm-dsa` files without the types key."""
BUILT_IN_INDEXERS = {0, 1, *range(2, 78, 4)}
"""That list: the layers of GLM-5.2 that own an indexer."""


def attention_layers(keys: Keys) -> list[Layer | None]:
    """Each layer's attention; None for a layer without KV heads."""
    queries = keys.sizes("attention.head_count")
    kv_heads = queries
    if keys.get("attention.head_count_kv") is not None:
        kv_heads = keys.sizes("attention.head_count_kv")
    common = next((heads for heads in queries if heads), 0)
    plain = keys.size("embedding_length") // common if common else 0
    wide = _dims(keys, "", plain, plain)
    swa = _dims(keys, "_swa", *wide)
    latents = (_latent(keys, "", wide[0]), _latent(keys, "_swa", swa[0]))
    windows = _windows(keys)
    indexers = _indexers(keys)
    known: dict[tuple[Any, ...], Layer | None] = {}
    layers = []
    for row in zip(queries, kv_heads, windows, indexers, _ratios(keys), strict=True):
        if row not in known:
            if len(known) == MAX_GROUPS:
                raise keys.error("attention.head_count_kv", "more", f"{MAX_GROUPS} unlike layers")
            known[row] = _layer(keys, latents, wide, swa, *row)
        layers.append(known[row])
    return layers


def _layer(
    keys: Keys,
    latents: tuple[dict[str, Any] | None, dict[str, Any] | None],
    wide: tuple[int, int],
    swa: tuple[int, int],
    queries: int,
    kv_heads: int,
    window: int,
    indexer: int,
    ratio: int | None,
) -> Layer | None:
    if not kv_heads:
        return None
    index = {"index_head_dim": indexer} if indexer else {}
    heads = {"query_heads": queries or None}
    if ratio is not None:
        facts = {"head_dim": wide[0], "window": window, "ratio": ratio} | index
        return layer({"kind": "compressed_attention"} | heads | facts)
    latent = (window and latents[1]) or latents[0]
    if latent is not None:
        return layer(latent | heads | index | ({"window": window} if window else {}))
    key, value = swa if window else wide
    heads |= {"kv_heads": kv_heads, "head_dim": key}
    heads |= {"v_head_dim": value} if value != key else {}
    if not window:
        whole = layer({"kind": "full_attention"} | heads | index)
        if keys.architecture != "t5":
            return whole
        source = layer({"kind": "cross_attention"} | heads)
        return layer({"kind": "combined"} | {"parts": (whole, source)})
    rule = WINDOWS.get(keys.architecture)
    if rule is not None and rule.chunked:
        return layer({"kind": "chunked_attention", "chunk": window} | heads)
    return layer({"kind": "sliding_attention", "window": window} | heads)


def _dims(keys: Keys, suffix: str, key: int, value: int) -> tuple[int, int]:
    return (
        keys.size(f"attention.key_length{suffix}", key),
        keys.size(f"attention.value_length{suffix}", value),
    )


def _latent(keys: Keys, suffix: str, key_length: int) -> dict[str, Any] | None:
    """The latent row; None for files without the two keys of MLA's heads, which cache full heads.

    With the suffix "_swa", the row of sliding layers, if they have one of their own.
    """
    rank = keys.size(f"attention.kv_lora_rank{suffix}")
    heads = [keys.size(f"attention.{side}_length_mla{suffix}") for side in ("key", "value")]
    if not rank or not all(heads):
        return None
    rope = keys.size("rope.dimension_count") or key_length - rank
    if keys.get(f"attention.key_length{suffix}") is not None and key_length != rank + rope:
        raise keys.error(
            f"attention.key_length{suffix}", key_length, f"{rank + rope}, latent and rope"
        )
    sparse = bool(keys.size("attention.indexer.key_length")) and not suffix
    fields = {"kv_lora_rank": rank, "qk_rope_head_dim": rope, "sparse": sparse}
    return {"kind": "latent_attention"} | fields


def _ratios(keys: Keys) -> list[int] | list[None]:
    """DeepSeek V4's ratio of compression in each layer; None elsewhere."""
    if keys.architecture == "qwen4exp":
        keys.get(
            "attention.compress_ratios"
        )  # how its indexer pools; the indexer caches the key of every token
    if keys.architecture != "deepseek4":
        return [None] * keys.layers
    if keys.get("attention.compress_ratios") is None:
        raise keys.error("attention.compress_ratios", None, "a ratio for each layer")
    return keys.sizes("attention.compress_ratios")


def _indexers(keys: Keys) -> list[int]:
    """The size of the key of each layer's own indexer; 0 for a layer without one."""
    size = keys.size("attention.indexer.key_length")
    owners = keys.owners("attention.indexer.types")
    if not size:
        return [0] * keys.layers
    if owners is not None:
        return [size * owner for owner in owners]
    if keys.architecture == "deepseek4":
        return [size * (ratio == 4) for ratio in _ratios(keys)]
    if keys.architecture in INDEXED_AFTER_DENSE:
        dense = keys.size("leading_dense_block_count")
        return [size * (at >= dense) for at in range(keys.layers)]
    if keys.architecture == "glm-dsa" and keys.size("context_length") >= BUILT_IN_INDEXERS_CONTEXT:
        return [size * (at in BUILT_IN_INDEXERS) for at in range(keys.layers)]
    return [size] * keys.layers


def _windows(keys: Keys) -> list[int]:
    """Each layer's window; 0 if the layer sees the whole context."""
    name, given = keys.architecture, keys.get("attention.sliding_window")
    window = keys.size("attention.sliding_window")
    rule = WINDOWS.get(name)
    if name == "deepseek4":
        keys.get("attention.sliding_window_pattern")
        return [keys.required("attention.sliding_window")] * keys.layers
    if name == "lfm2":
        keys.get("attention.sliding_window_pattern")
        return [window] * keys.layers
    if rule is None:
        if (
            name in KNOWN or not window
        ):  # llama.cpp lets none of these slide, whatever their files say
            keys.get("attention.sliding_window_pattern")
            return [0] * keys.layers
        rule = Window(0)
        if isinstance(keys.get("attention.sliding_window_pattern"), int):
            rule = Window(keys.required("attention.sliding_window_pattern"))
    elif given is None:
        if rule.absent is None:
            raise keys.error("attention.sliding_window", None, "the window of the sliding layers")
        window = rule.absent
    elif not window and rule.absent != 0 and not rule.chunked:
        raise keys.error("attention.sliding_window", given, "a window above 0")
    if not window or SLIDING_LAYERS.get(name, keys.layers) != keys.layers:
        keys.get("attention.sliding_window_pattern")
        return [0] * keys.layers
    return [(rule.fixed or window) * flag for flag in _pattern(keys, rule)]


def _pattern(keys: Keys, rule: Window) -> list[bool]:
    """Which layers slide."""
    flags = keys.flags("attention.sliding_window_pattern")
    if flags is not None:
        return flags
    if not rule.period:
        found = keys.get("attention.sliding_window_pattern")
        raise keys.error("attention.sliding_window_pattern", found, "a flag for each layer")
    period = keys.size("attention.sliding_window_pattern", rule.period)
    if not period:
        return [True] * keys.layers  # with a period of 0, llama.cpp lets every layer slide
    full = 0 if rule.full_first else period - 1
    return [at % period != full for at in range(keys.layers)]

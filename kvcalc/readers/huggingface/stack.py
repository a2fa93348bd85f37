"""The layers in order, each of its type; some have keys of their own, some run more than once."""

from collections.abc import Mapping, Sequence
from typing import Any

from kvcalc.errors import SourceError, quote
from kvcalc.layers.composed import Combined, SharedCache
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import NgramEmbedding
from kvcalc.readers.huggingface.keys import Keys
from kvcalc.readers.huggingface.kinds import layer_of
from kvcalc.readers.huggingface.types import FULL, SLIDING, mtp_types
from kvcalc.readers.huggingface.windows import windows_of

GLOBAL = {"global_head_dim": "head_dim", "num_global_key_value_heads": "num_key_value_heads"}
"""Sizes of the full layers only, if the file gives them (Gemma 4)."""


OTHER = {"num_attention_groups": "num_key_value_heads"}
"""Names in the table of sizes for one type of layer (Step 3.5)."""


def stack(keys: Keys, types: list[str]) -> tuple[Layer, ...]:
    """Make the layers of their types.

    Raises:
        SourceError: a type has no rule, or sizes are missing.
    """
    made: dict[tuple[str, str], Layer] = {}
    layers = []
    across = set(keys.list_of("cross_attention_layers", int))
    windows = windows_of(keys, len(types))
    for place, kind in enumerate(types):
        if place in across:  # Mllama: these attend only to the image
            kind = "cross_attention"
        own = _own(keys, place, kind)
        if windows is not None and kind == SLIDING:
            own = {**own, "sliding_window": windows[place]}
        key = (kind, repr(own))
        if key not in made:
            made[key] = layer_of(kind, keys.within(own) if own else keys)
        layers.append(made[key])
    _embed(keys, layers)
    _share(keys, layers)
    _loop(keys, layers)
    return tuple(layers)


def mtp_layers(keys: Keys, types: list[str], layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Make the MTP layers to which the file gives types or windows of their own; () if to none.

    A layer is like the first of its type (vLLM 0.33.0, model_arch_config_convertor.py). If the file
    gives only types or only windows, the other is that of the layers at the same places
    (model_executor/models/exaone_moe.py).

    Raises:
        SourceError: lists contradict each other, or sizes are missing.
    """
    own = mtp_types(keys)
    listed = keys.get("mtp_sliding_windows")
    count = len(own) or (len(listed) if isinstance(listed, list) else 0)
    kinds = own or types[:count]
    if not set(kinds) <= {FULL, SLIDING, *types} or count > len(types):
        return ()
    windows = windows_of(keys, count, "mtp_") or (windows_of(keys, len(types)) or ())[:count]
    made = []
    for place, kind in enumerate(kinds):
        if windows and kind in (FULL, SLIDING):
            window = windows[place] if kind == SLIDING else 0
            slides = keys.within({"sliding_window": window})
            made.append(layer_of(SLIDING, slides) if window else layer_of(FULL, keys))
        else:
            made.append(layers[types.index(kind)] if kind in types else layer_of(kind, keys))
    return tuple(made)


def _own(keys: Keys, place: int, kind: str) -> Mapping[str, Any]:
    """The keys of one layer."""
    listed = keys.table_of("per_layer_config")
    for name in (str(place), f"{place:02}"):
        if isinstance(listed.get(name), dict):
            table: Mapping[str, Any] = listed[name]
            return table
    blocks = keys.list_of("block_configs", dict)
    if blocks:
        attention = blocks[place].get("attention") if place < len(blocks) else None
        share = attention.get("n_heads_in_group") if isinstance(attention, dict) else None
        if share is None:
            return {}
        if type(share) is not int or share < 1:
            raise SourceError(
                f"n_heads_in_group: found {quote(share)}, expected a positive integer"
            )
        return {"num_key_value_heads": keys.size("num_attention_heads") // share}
    if kind == FULL and any(keys.has(key) for key in GLOBAL):
        return {name: keys.get(key) for key, name in GLOBAL.items() if keys.has(key)}
    other = keys.table_of("attention_other_setting")
    if other and other.get("attention_type") == kind:
        return {OTHER.get(name, name): value for name, value in other.items()}
    by_type: Mapping[str, Mapping[str, Any]] = keys.defaults.get("type_config", {})
    return by_type.get(kind, {})


def _embed(keys: Keys, layers: list[Layer]) -> None:
    """Put an embedding of past tokens beside what some layers cache (Qwen4-Exp's PLE)."""
    for place in keys.list_of("ple_layer_ids", int):
        if not 1 <= place <= len(layers):
            raise SourceError(f"ple_layer_ids: found {place}, expected 1 to {len(layers)}")
        embedding = NgramEmbedding(
            kernel=keys.size("ple_conv_kernel_size"),
            ngram=keys.size("ngram_size"),
            width=keys.size("hc_count") * keys.size("hidden_size"),
        )
        layers[place - 1] = Combined(parts=(*layers[place - 1].caches, embedding))


def _share(keys: Keys, layers: list[Layer]) -> None:
    """Let layers read the cache of earlier ones (Gemma 3n, Gemma 4; Mistral Large 4)."""
    shared = keys.count("num_kv_shared_layers")
    if shared >= len(layers):
        raise SourceError(
            f"num_kv_shared_layers: found {quote(shared)}, expected less than the layers"
        )
    for place in range(len(layers) - shared, len(layers)):
        layers[place] = SharedCache()
    sources = keys.list_of("kv_source_layers", int) or range(len(layers))
    if len(sources) != len(layers):
        raise SourceError(f"kv_source_layers: found {len(sources)}, expected {len(layers)}")
    for place, source in enumerate(sources):
        if source == place:
            continue
        if not 0 <= source < place or sources[source] != source:
            raise SourceError(
                f"kv_source_layers: found {source} for layer {place}, expected an earlier layer "
                "that reads its own"
            )
        if getattr(layers[place], "index_head_dim", None):
            raise SourceError(
                f"kv_source_layers: layer {place} reads the rows of layer {source} and keeps an "
                "indexer's keys alone, which no kind of layer does"
            )
        layers[place] = SharedCache()


def _loop(keys: Keys, layers: list[Layer]) -> None:
    """Give a layer that runs several times one cache per pass."""
    if keys.has("n_recurrent_loops", "n_input_layers", "n_recurrent_layers"):
        first = keys.size("n_input_layers")
        looped = range(first, first + keys.size("n_recurrent_layers"))
        passes = keys.size("n_recurrent_loops")
    elif keys.has("loop_num_passes", "loop_layer_index_start", "loop_layer_index_end"):
        looped = range(keys.count("loop_layer_index_start"), keys.size("loop_layer_index_end"))
        passes = keys.size("loop_num_passes")
    else:
        return
    if looped.stop > len(layers) or passes > 1000:
        raise SourceError(f"loops: found {looped.stop} layers, {passes} times, expected fewer")
    for place in looped:
        layers[place] = Combined(parts=(layers[place],) * passes)

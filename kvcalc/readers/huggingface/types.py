"""Which type each layer has, by a list, a pattern, a period, or the class's own rule."""

from collections.abc import Callable
from itertools import cycle, islice

from kvcalc.errors import SourceError, quote
from kvcalc.readers.huggingface.keys import Keys
from kvcalc.readers.huggingface.windows import windows_of

MAX_LAYERS = 100_000
"""The most layers: more than any published model has, and still quick to read."""

FULL, SLIDING, CHUNKED, LINEAR = (
    "full_attention",
    "sliding_attention",
    "chunked_attention",
    "linear_attention",
)

OLD_NAMES = {
    "attention": FULL,
    "mamba": LINEAR,
    "deepseek_sparse_attention": "indexed_attention",
    "qwen_sparse_attention": "indexed_attention",
    "sparse": "minimax_m3_sparse",
    "kda": LINEAR,
}
"""Names of earlier releases (transformers 5.24.0, configuration_utils.py)."""

LETTERS = {"L": SLIDING, "G": FULL, "M": LINEAR, "*": FULL, "-": "mlp", "E": "moe"}
"""Letters of pattern strings: "LLLG" (EXAONE) and "M*-E" (Nemotron-H)."""


def layer_types(keys: Keys) -> list[str]:
    """Give each layer its type, in order; one whose own window is 0 sees the whole context.

    Raises:
        SourceError: keys contradict each other, or a count is out of range.
    """
    types = _said(keys)
    windows = windows_of(keys, len(types))
    if windows is None:
        return types
    pairs = zip(types, windows, strict=True)
    if keys.in_file("layer_types"):
        return [FULL if kind == SLIDING and not window else kind for kind, window in pairs]
    slides = {True: SLIDING, False: FULL}
    return [slides[window > 0] if kind in (FULL, SLIDING) else kind for kind, window in pairs]


def _said(keys: Keys) -> list[str]:
    for key, rule in RULES.items():
        if keys.in_file(key):
            types = rule(keys)
            if types is not None:
                return _indexed(keys, _checked(keys, key, types))
    types = _by_class(keys)
    if not keys.has("sliding_window"):  # null in the file: no layer of the class's pattern slides
        types = [FULL if kind == SLIDING else kind for kind in types]
    return _indexed(keys, types)


def count(keys: Keys) -> int:
    """Read how many layers there are.

    Raises:
        SourceError: the number is missing, or more than a model can have.
    """
    layers = keys.size("num_hidden_layers")
    if keys.table.get("num_hidden_layers") is None:
        layers *= keys.defaults.get("attentions_a_block", 1)
    if layers > MAX_LAYERS:
        raise SourceError(f"num_hidden_layers: found {layers}, expected at most {MAX_LAYERS:,}")
    return layers


def _checked(keys: Keys, key: str, types: list[str]) -> list[str]:
    if keys.get("num_hidden_layers") is not None and len(types) != count(keys):
        raise SourceError(
            f"{key}: describes {len(types)} layers, expected the {count(keys)} of num_hidden_layers"
        )
    return types


def _listed(keys: Keys) -> list[str] | None:
    """A list with one type per layer."""
    kinds = _kinds(keys, "layer_types")
    return kinds[: count(keys)] if len(kinds) == _with_mtp(keys) else kinds


def mtp_types(keys: Keys) -> list[str]:
    """Give the MTP layers their types, which may follow the layers' own (Step 3.5); [] if unsaid.

    Raises:
        SourceError: a key is not a list of types, or a count is out of range.
    """
    kinds = _kinds(keys, "layer_types") if keys.in_file("layer_types") else []
    trailing = kinds[count(keys) :] if len(kinds) == _with_mtp(keys) else []
    return _kinds(keys, "mtp_layer_types") or trailing


def _kinds(keys: Keys, key: str) -> list[str]:
    return [OLD_NAMES.get(kind, kind) for kind in keys.list_of(key, str)]


def _with_mtp(keys: Keys) -> int | None:
    """How many layers there are with those of MTP; None if either is unsaid."""
    mtp = keys.count("num_nextn_predict_layers")
    return count(keys) + mtp if mtp and keys.has("num_hidden_layers") else None


def _indexed(keys: Keys, types: list[str]) -> list[str]:
    """Tell layers with an indexer of their own from layers that share another's."""
    layers = range(len(types))
    shared: list[bool] = [False] * len(types)
    if keys.has("indexer_types") and (
        keys.in_file("indexer_types") or len(keys.list_of("indexer_types", str)) == len(types)
    ):
        owners = keys.list_of("indexer_types", str)
        if len(owners) != len(types):
            raise SourceError(f"indexer_types: found {len(owners)}, expected {len(types)}")
        shared = [owner == "shared" for owner in owners]
    elif isinstance(every := keys.get("index_topk_freq"), int) and every > 1:
        given = keys.in_file("index_skip_topk_offset")
        offset = keys.count("index_skip_topk_offset") if given else 2
        shared = [max(layer - offset + 1, 0) % every != 0 for layer in layers]
    return [
        "index_shared_attention" if kind == "indexed_attention" and alone else kind
        for kind, alone in zip(types, shared, strict=True)
    ]


def _lettered(keys: Keys) -> list[str] | None:
    """A string with one letter per layer."""
    pattern = keys.get("hybrid_override_pattern")
    if not isinstance(pattern, str) or set(pattern) - set(LETTERS):
        raise SourceError(f"hybrid_override_pattern: found {quote(pattern)}")
    return [LETTERS[letter] for letter in pattern]


def _sliding_pattern(keys: Keys) -> list[str] | None:
    """A string of letters that repeats, or a period whose last layer is full."""
    if not keys.has("sliding_window"):
        return None
    pattern = keys.get("sliding_window_pattern")
    if type(pattern) is int and pattern > 0:
        return _every(keys, pattern, pattern - 1, SLIDING)
    if not isinstance(pattern, str) or not pattern or set(pattern) - {"L", "G"}:
        raise SourceError(
            f"sliding_window_pattern: found {quote(pattern)}, expected letters L and G or a period"
        )
    return [LETTERS[letter] for letter in islice(cycle(pattern), count(keys))]


def _every(keys: Keys, period: int, offset: int, other: str) -> list[str]:
    return [FULL if layer % period == offset else other for layer in range(count(keys))]


def _last_of(keys: Keys, key: str, other: str) -> list[str]:
    """Full at the last layer of each period."""
    return _every(keys, keys.size(key), keys.size(key) - 1, other)


def _by_period(keys: Keys) -> list[str] | None:
    """One layer of each period attends (Jamba), except where a class has hybrid layers (Zamba)."""
    if "hybrid" in keys.defaults.get("layer_types", ()):
        return None
    return _every(keys, keys.size("attn_layer_period"), keys.count("attn_layer_offset"), LINEAR)


def _flags(keys: Keys) -> list[str] | None:
    """A list with a 1 for each sliding layer (MiMo-V2)."""
    return [SLIDING if flag else FULL for flag in keys.list_of("hybrid_layer_pattern", int)]


def _ratios(keys: Keys) -> list[str] | None:
    """One compression ratio per layer (DeepSeek V4); a draft layer's may follow."""
    kinds = {0: SLIDING, 4: "compressed_sparse_attention", 128: "heavily_compressed_attention"}
    ratios = keys.list_of("compress_ratios", int)
    if set(ratios) - set(kinds):
        raise SourceError(f"compress_ratios: found {quote(ratios)}, expected 0, 4 and 128")
    return [kinds[ratio] for ratio in ratios[: count(keys)]]


def _no_rope(keys: Keys) -> list[str] | None:
    """A list with a 0 for each layer without rotary positions, which is not chunked (Llama 4)."""
    if not keys.has("attention_chunk_size"):
        return None
    return [CHUNKED if flag else FULL for flag in keys.list_of("no_rope_layers", int)] or None


def _blocks(keys: Keys) -> list[str] | None:
    """One table per layer (Nemotron-NAS); the heads of each layer are read with its type."""
    types = []
    for place, block in enumerate(keys.list_of("block_configs", dict)):
        attention = block.get("attention")
        if not isinstance(attention, dict):
            raise SourceError(f"block_configs.{place}: expected a table with attention")
        for key in ("window_length", "sparsify", "num_sink_tokens"):
            if attention.get(key) is not None:
                raise SourceError(f"block_configs.{place}.attention.{key}: no rule reads it")
        none = attention.get("no_op") or attention.get("replace_with_linear")
        types.append("mlp" if none else FULL)
    return types


def _sparse_frequency(keys: Keys) -> list[str] | None:
    """A list with a 1 for each layer that has an indexer (MiniMax-M3)."""
    flags = keys.list_of("sparse_attention_freq", int)
    return ["minimax_m3_sparse" if flag else FULL for flag in flags]


def _attention_types(keys: Keys) -> list[str] | None:
    """A list with a 0 for each layer of lightning attention (MiniMax-Text-01)."""
    flags = keys.list_of("attn_type_list", int)
    return [FULL if flag else "lightning_attention" for flag in flags]


def _full_indices(keys: Keys) -> list[str] | None:
    """A list of the layers that attend; the others are short convolutions (LFM2)."""
    full = set(keys.list_of("full_attn_idxs", int))
    return [FULL if layer in full else "conv" for layer in range(count(keys))]


def _linear_lists(keys: Keys) -> list[str] | None:
    """Two lists of layers counted from 1 (Kimi-Linear)."""
    full = keys.table_of("linear_attn_config").get("full_attn_layers")
    if not isinstance(full, list) or any(type(layer) is not int for layer in full):
        raise SourceError(
            f"linear_attn_config.full_attn_layers: found {quote(full)}, expected a list"
        )
    full = set(full)
    return [FULL if layer + 1 in full else LINEAR for layer in range(count(keys))]


def _attention_indices(keys: Keys) -> list[str] | None:
    """A list of the layers that attend; the others keep a state (Bamba)."""
    full = set(keys.list_of("attn_layer_indices", int))
    return [FULL if layer in full else LINEAR for layer in range(count(keys))]


RULES: dict[str, Callable[[Keys], list[str] | None]] = {
    "layer_types": _listed,
    "hybrid_override_pattern": _lettered,
    "compress_ratios": _ratios,
    "hybrid_layer_pattern": _flags,
    "attn_type_list": _attention_types,
    "full_attn_idxs": _full_indices,
    "attn_layer_indices": _attention_indices,
    "block_configs": _blocks,
    "sparse_attention_freq": _sparse_frequency,
    "linear_attn_config": _linear_lists,
    "no_rope_layers": _no_rope,
    "sliding_window_pattern": _sliding_pattern,
    "global_attn_every_n_layers": lambda keys: _last_of(
        keys, "global_attn_every_n_layers", SLIDING
    ),
    "full_attention_interval": lambda keys: _last_of(keys, "full_attention_interval", LINEAR),
    "layer_group_size": lambda keys: _last_of(keys, "layer_group_size", LINEAR),
    "attn_layer_period": _by_period,
}
"""The keys that give the layers' types, in the order in which they are tried."""


def _by_class(keys: Keys) -> list[str]:
    """The types without any of those keys: the class's own pattern, else one type for all."""
    listed = keys.defaults.get("layer_types")
    if listed is not None and keys.get("num_hidden_layers") in (None, len(listed)):
        return list(listed)
    layers = count(keys)
    if keys.has("use_sliding_window", "max_window_layers"):
        full = keys.count("max_window_layers") if keys.flag("use_sliding_window") else layers
        return [FULL if layer < full else SLIDING for layer in range(layers)]
    pattern = keys.defaults.get("layer_pattern")
    if pattern is not None:
        return list(islice(cycle(pattern), layers))
    if listed is not None:
        raise SourceError(
            f"layer_types: missing, and its class has a list of its own for {len(listed)} layers "
            f"alone, not for {layers}"
        )
    if keys.has("sliding_window") and keys.flag("use_sliding_window", True):
        return [SLIDING] * layers
    if keys.has("attention_chunk_size"):
        return [CHUNKED] * layers
    return [FULL] * layers

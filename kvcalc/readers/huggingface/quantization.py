"""What a checkpoint says about the element type of its own KV cache.

It stands in the quantization_config of config.json, or in ModelOpt's hf_quant_config.json beside
it: as `kv_cache_quant_algo`, a word, or in newer files as `kv_cache_scheme`, a table. Each engine
reads its own choice of them (vLLM 0.33.0, utils/torch_utils.py and transformers_utils; SGLang
0.5.23, model_loader/weight_utils.py and layers/quantization).
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kvcalc.checkpoint import CacheScheme
from kvcalc.errors import SourceError, quote

BESIDE = "hf_quant_config.json"
PLACES = ("quantization_config", "compression_config")
KEYS = ("kv_cache_scheme", "kv_cache_quant_algo")
"""The keys that say how the cache is stored; the first one wins."""

NAMES = {(8, "float"): "FP8", (4, "float"): "NVFP4"}
"""Words for what a table gives as bits and a type."""

LEGACY = ("FP8", "FP8_PER_CHANNEL_PER_TOKEN", "FP8_PB_WO", "NVFP4", "MIXED_PRECISION")
"""Algorithms of weights that identify a ModelOpt file without a quant_method."""


class Quantized(NamedTuple):
    """A table of quantisation, and the file and key where it stood."""

    table: Mapping[str, Any]
    origin: str


def scheme_of(
    table: Mapping[str, Any], text: Mapping[str, Any], beside: Callable[[], Any]
) -> tuple[CacheScheme | None, tuple[str, ...]]:
    """Read the scheme from a config.json's table and its language model's, with notes on it.

    `beside` gives the table of hf_quant_config.json, or None without that file; it is called only
    if the first file leaves the question open.

    Raises:
        SourceError: a table or a scheme has another type.
    """
    own = _own(table, text)
    if own is None:
        other = _beside(beside())
        found = None if other is None else _scheme(other, second=False)
        return found, () if other is None else _unread(other)
    found = _scheme(own, second=False)
    if found is None and _leaves_open(own.table) and (other := _beside(beside())) is not None:
        return _scheme(other, second=True), _unread(own) + _unread(other)
    return found, _unread(own)


def _own(table: Mapping[str, Any], text: Mapping[str, Any]) -> Quantized | None:
    for origin, around in (("", table), ("text_config.", text)):
        for key in PLACES:
            found = around.get(key)
            if found is None:
                continue
            if not isinstance(found, dict):
                raise SourceError(f"{origin}{key}: found {quote(found)}, expected a table")
            return Quantized(found, f"config.json, {origin}{key}")
    return None


def _beside(found: Any) -> Quantized | None:
    if found is None:
        return None
    if not isinstance(found, dict):
        raise SourceError(f"{BESIDE}: found {quote(found)}, expected an object")
    return Quantized(found, BESIDE)


def _leaves_open(table: Mapping[str, Any]) -> bool:
    """Whether SGLang reads the file beside too: mixed precision, without layers or a scheme."""
    return table.get("quant_algo") == "MIXED_PRECISION" and not (
        "quantized_layers" in table and any(key in table for key in KEYS)
    )


def _scheme(quantized: Quantized, *, second: bool) -> CacheScheme | None:
    table = quantized.table
    inner = table.get("quantization")
    tables = [("quantization.", inner)] if isinstance(inner, dict) else []
    places = [*tables, ("", table)]
    for key in KEYS:
        for within, place in places:
            value = place.get(key)
            if not value:
                continue
            origin = f"{quantized.origin}, {within}{key}"
            return CacheScheme(
                method=_method(quantized, places[0][1]),
                origin=origin,
                second=second,
                **_said(key, value),
            )
    return None


def _said(key: str, value: object) -> dict[str, Any]:
    """Read a scheme: a word, or a table of bits, type and scales."""
    if isinstance(value, str):
        return {"algorithm": value, "dynamic": False}
    if not isinstance(value, dict):
        raise SourceError(f"{key}: found {quote(value)}, expected a word or a table")
    bits, kind = value.get("num_bits"), value.get("type")
    scales = {name: value.get(name) for name in ("dynamic", "strategy", "symmetric")}
    wrong = [
        name for name in ("dynamic", "symmetric") if type(scales[name]) not in (bool, type(None))
    ]
    if wrong or not isinstance(scales["strategy"], str | None):
        raise SourceError(f"{key}: found {quote(value)}, expected flags and a strategy")
    name = NAMES.get((bits, kind)) if type(bits) is int and isinstance(kind, str) else None
    return {"algorithm": name or f"{kind} of {bits} bits"[:100], **scales}


def _method(quantized: Quantized, inner: Mapping[str, Any]) -> str:
    """The method of quantisation; ModelOpt files before 0.31 are identified by their producer.

    A hf_quant_config.json that has lost its producer is identified by its name.
    """
    table = quantized.table
    method = table.get("quant_method")
    producer = table.get("producer")
    made = isinstance(producer, dict) and producer.get("name") == "modelopt"
    made = made or (producer is None and quantized.origin == BESIDE)
    if (made or "modelopt_quant_config" in inner) and inner is not table:
        algorithm = inner.get("quant_algo")
        if isinstance(algorithm, str) and algorithm.upper() in LEGACY:
            return "modelopt"
    return method.lower().replace("_", "-") if isinstance(method, str) and method else "unnamed"


def _unread(quantized: Quantized) -> tuple[str, ...]:
    """Note other keys of such a table that may be about the cache."""
    return tuple(
        f"{quantized.origin}: the key {quote(key)} may be about the KV cache, and was not read"
        for key, value in quantized.table.items()
        if value and isinstance(key, str) and "kv_cache" in key and key not in KEYS
    )

"""How a file says that its weights are quantised, by the method that wrote it.

Source: vLLM 0.33.0, model_executor/layers/quantization; the formats' own documents.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kvcalc.errors import SourceError, quote
from kvcalc.parameters.quantization import Format, Quantization

PLACES = ("quantization_config", "compression_config")

KEPT = ("ignore", "modules_to_not_convert", "exclude_modules", "ignored_layers")
"""Keys of the modules that are kept as they were."""

ALGORITHMS: Mapping[str, Format] = {
    "FP8": "fp8_tensor",
    "FP8_PB_WO": "fp8_block",
    "FP8_PER_CHANNEL_PER_TOKEN": "fp8_channel",
    "NVFP4": "nvfp4",
    "W4A16_NVFP4": "w4a16_nvfp4",
    "W4A16_AWQ": "int4",
    "W4A8_AWQ": "int4",
}
"""ModelOpt's algorithms."""

SCHEMES: Mapping[tuple[object, object, object], Format] = {
    (8, "float", "block"): "fp8_block",
    (8, "float", "channel"): "fp8_channel",
    (8, "float", "tensor"): "fp8_tensor",
    (8, "int", "channel"): "fp8_channel",
    (4, "int", "group"): "int4",
    (4, "float", "tensor_group"): "nvfp4",
    (4, "float", "group"): "mxfp4",
}
"""Compressed-tensors' weights: bits, type and strategy."""

BLOCK = 128
"""Both sides of a block where a file does not say."""


def quantization_of(
    table: Mapping[str, Any], text: Mapping[str, Any], beside: Callable[[], Any]
) -> Quantization | None:
    """Read how the weights are stored; None where the file says nothing of it.

    `beside` gives the table of hf_quant_config.json, or None without that file.

    Raises:
        SourceError: a table or a list has another type.
    """
    found = next(
        (own for around in (table, text) for key in PLACES if (own := around.get(key))), None
    )
    if found is None:
        found = beside()
        inner = found.get("quantization") if isinstance(found, dict) else None
        if not isinstance(inner, dict):
            return None
        found = {"quant_method": "modelopt", **inner}
    if not isinstance(found, dict):
        raise SourceError(f"quantization_config: found {quote(found)}, expected a table")
    method = found.get("quant_method")
    if not isinstance(method, str) or not method:
        return None
    method = method.lower()
    rule = METHODS.get(method)
    said = rule(found, text) if rule else {}
    kept = tuple(_texts(found, next((key for key in KEPT if found.get(key)), KEPT[0])))
    return Quantization(method=method[:200], kept=kept, **said)


def _texts(table: Mapping[str, Any], key: str) -> Iterator[str]:
    listed = table.get(key) or []
    if not isinstance(listed, list):
        raise SourceError(f"{key}: found {quote(listed)}, expected a list of modules")
    yield from (name for name in listed if isinstance(name, str) and 0 < len(name) <= 1000)


def _fp8(table: Mapping[str, Any], text: Mapping[str, Any]) -> dict[str, Any]:
    """FP8 by blocks, or by one scale a tensor; DeepSeek V4's experts may be in FP4."""
    block = table.get("weight_block_size")
    named = {"named": ((EXPERTS, "mxfp4"),)} if text.get("expert_dtype") == "fp4" else {}
    if not block:
        return {"format": "fp8_tensor", **named}
    side = block[0] if isinstance(block, list) and block and type(block[0]) is int else BLOCK
    return {"format": "fp8_block", "group_size": side, **named}


EXPERTS = r"re:.*\bmlp\.experts\b"


def _compressed(table: Mapping[str, Any], text: Mapping[str, Any]) -> dict[str, Any]:
    """Compressed-tensors: groups of targets, each with its scheme."""
    groups = table.get("config_groups")
    said: dict[str, Any] = {}
    named: list[tuple[str, Format]] = []
    for group in groups.values() if isinstance(groups, dict) else ():
        weights = group.get("weights") if isinstance(group, dict) else None
        if not isinstance(weights, dict):
            continue
        kind = (weights.get("num_bits"), weights.get("type"), weights.get("strategy"))
        if kind[2] is None and kind[:2] == (4, "float"):  # ModelOpt's spelling
            kind = (*kind[:2], "tensor_group")
        scheme = SCHEMES.get(kind)
        if scheme is None:
            return {}
        targets = list(_texts(group, "targets"))
        block = weights.get("block_structure")
        side = block[0] if isinstance(block, list) and block else weights.get("group_size")
        if type(side) is int and side > 0:
            said["group_size"] = side
        if "Linear" in targets or not targets:
            said["format"] = scheme
        named += [(target, scheme) for target in targets if target != "Linear"]
    return {**said, "named": tuple(named), "named_alone": bool(named) and "format" not in said}


def _modelopt(table: Mapping[str, Any], text: Mapping[str, Any]) -> dict[str, Any]:
    algorithm = table.get("quant_algo")
    layers = table.get("quantized_layers")
    if isinstance(layers, dict):
        own = {
            name: ALGORITHMS.get(str(said.get("quant_algo")))
            for name, said in layers.items()
            if isinstance(said, dict)
        }
        if None in own.values():
            return {}
        return {"named": tuple(own.items()), "named_alone": True, "group_size": BLOCK}
    found = ALGORITHMS.get(str(algorithm))
    group = table.get("group_size")
    return {
        "format": found,
        "group_size": group if type(group) is int and group > 0 else BLOCK,
    }


def _grouped(table: Mapping[str, Any], text: Mapping[str, Any]) -> dict[str, Any]:
    """AWQ and GPTQ: 4 bits with scales and zero points for each group of a row."""
    bits, group = table.get("bits", table.get("w_bit")), table.get("group_size", 128)
    if bits != 4 or type(group) is not int or group < 1:
        return {}
    return {"format": table["quant_method"].lower(), "group_size": group}


METHODS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]] = {
    "fp8": _fp8,
    "compressed-tensors": _compressed,
    "modelopt": _modelopt,
    "modelopt_fp4": _modelopt,
    "modelopt_mixed": _modelopt,
    "awq": _grouped,
    "gptq": _grouped,
    "mxfp4": lambda table, text: {"format": "mxfp4"},
}
"""What each method says of formats and groups; one without a row has no known format."""

"""A model as a preset file, which reads back as the same model."""

import json
from collections.abc import Mapping
from itertools import cycle, islice
from string import ascii_uppercase
from typing import Any

from kvcalc.errors import RequestError, printable
from kvcalc.frozen import Frozen
from kvcalc.layers.layer import Layer
from kvcalc.model import Model
from kvcalc.readers.reading import Reading

FACTS = (
    "hub_id",
    "model_type",
    "parameters",
    "active_parameters",
    "dtype",
    "weights_dtype",
    "cache_scheme",
    "config_facts",
    "max_context",
    "num_nextn_predict_layers",
)


WEIGHTS = ("sizes", "quantization")


def to_preset(reading: Reading) -> str:
    """Write a model as TOML; the source of its facts is what it was read from.

    Raises:
        RequestError: there are more different layers than letters.
    """
    model = reading.model
    kinds = list(dict.fromkeys([*(layer for layer, _ in model.groups), *model.mtp_layers]))
    if len(kinds) > len(ascii_uppercase):
        raise RequestError.about(
            "preset", f"{model.name} has {len(kinds)} different layers, over 26"
        )
    letters = dict(zip(kinds, ascii_uppercase, strict=False))
    facts = {name: getattr(model, name) for name in FACTS if getattr(model, name) is not None}
    for name, fact in facts.items():
        if isinstance(fact, Frozen):
            facts[name] = fact.model_dump(exclude_defaults=True)
    facts |= {name: list(getattr(model, name)) for name in ("contexts", "windows")}
    facts = {name: value for name, value in facts.items() if value != []}
    facts |= {"num_layers": len(model.layers), "pattern": _pattern(model, letters)}
    if model.mtp_layers:
        facts["mtp_pattern"] = "".join(letters[layer] for layer in model.mtp_layers)
    lines = [f"name = {_value(model.name)}", *(f"{k} = {_value(v)}" for k, v in facts.items())]
    for layer, letter in letters.items():
        table = {"kind": layer.kind, **layer.shape}
        lines += ["", f"[layers.{letter}]", *(f"{k} = {_value(v)}" for k, v in table.items())]
    lines += _weights(model)
    given = [*facts, "layers", *(name for name in WEIGHTS if getattr(model, name) is not None)]
    lines += ["", "[[sources]]", f"facts = {_value(given)}"]
    lines += [
        f"title = {_value('read by kvcalc')}",
        f"address = {_value(printable(reading.source)[:200])}",
    ]
    return "\n".join(lines) + "\n"


def _weights(model: Model) -> list[str]:
    """The lines of what the weights follow from, and how they are stored; as far as is known."""
    lines = []
    for name in WEIGHTS:
        record = getattr(model, name)
        table = {} if record is None else record.model_dump(exclude_defaults=True, mode="json")
        inner = {key: table.pop(key) for key in ("experts", "tower") if key in table}
        for title, own in {name: table, **{f"{name}.{k}": v for k, v in inner.items()}}.items():
            if own:
                lines += ["", f"[{title}]", *(f"{k} = {_value(v)}" for k, v in own.items())]
    return lines


def _pattern(model: Model, letters: Mapping[Layer, str]) -> str:
    """The shortest pattern that repeats to the model's layers."""
    whole = "".join(letters[layer] for layer in model.layers)
    for length in range(1, len(whole) + 1):
        if "".join(islice(cycle(whole[:length]), len(whole))) == whole:
            return whole[:length]
    return whole


def _value(value: Any) -> str:
    """Write a value as TOML, whose strings, numbers and lists are JSON's."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

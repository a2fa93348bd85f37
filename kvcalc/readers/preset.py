"""Presets, from the catalogue or a file: the model, and the source of each of its facts."""

from pathlib import Path
from typing import Any

from kvcalc.catalogue.folder import folder, known_table
from kvcalc.errors import KvcalcError, SourceError
from kvcalc.layers import known_layer
from kvcalc.model import Model, repeated
from kvcalc.parameters.sizes import known_sizes
from kvcalc.readers.reading import Reading


def read(path: Path) -> Reading:
    """Read a preset file.

    Raises:
        SourceError: it cannot be read, is not TOML, or is not a preset; the sentence names the
            file and the key.
    """
    if path.parent == folder("models"):
        return _of_catalogue(path)
    from kvcalc.catalogue.preset import parse

    preset = parse(path)
    try:
        model = preset.model()
    except KvcalcError as error:
        raise SourceError.of(path, error) from None
    origins = {
        fact: f"{source.title}, {source.address}"
        for source in preset.sources
        for fact in source.facts
    }
    return Reading(model, str(path), origins)


def _of_catalogue(path: Path) -> Reading:
    """Read one of kvcalc's own presets; the tests compare each with the result of `parse`.

    It needs no checks, and pydantic's would take a tenth of a cold start.
    """
    table = known_table(path)
    layers = {letter: known_layer(fields) for letter, fields in table["layers"].items()}
    facts: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in table.items()
        if name in Model.model_fields
    }
    if "config_facts" in table:
        from kvcalc.checkpoint import ConfigFacts

        facts["config_facts"] = ConfigFacts.model_construct(**table["config_facts"])
    trunk = {letter: layers[letter] for letter in layers if letter in table["pattern"]}
    facts["layers"] = repeated(table["pattern"], trunk, table["num_layers"])
    facts["mtp_layers"] = tuple(layers[letter] for letter in table.get("mtp_pattern", ""))
    if "sizes" in facts:
        facts["sizes"] = known_sizes(facts["sizes"])
    if "quantization" in facts:
        from kvcalc.parameters.quantization import known_quantization

        facts["quantization"] = known_quantization(facts["quantization"])
    origins = {
        fact: f"{source['title']}, {source['address']}"
        for source in table["sources"]
        for fact in source["facts"]
    }
    return Reading(Model.model_construct(**facts), f"the preset {path.stem}", origins)

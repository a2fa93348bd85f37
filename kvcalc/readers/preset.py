"""Presets, of the catalogue or of a file: the model, and the source of each of its facts."""

from pathlib import Path

from kvcalc.catalogue.models import parse
from kvcalc.catalogue.source import folder
from kvcalc.errors import KvcalcError, SourceError
from kvcalc.readers.reading import Reading


def read(path: Path) -> Reading:
    """Read a preset file.

    Raises:
        KvcalcError: it cannot be read, is not TOML, or is not a preset; the sentence names the
            file and the key.
    """
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
    own = path.parent == folder()
    return Reading(model, f"the preset {path.stem}" if own else str(path), origins)

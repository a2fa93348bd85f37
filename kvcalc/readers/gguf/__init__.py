"""GGUF files: only their metadata, as llama.cpp reads it, never their tensors."""

from pathlib import Path

from kvcalc.errors import KvcalcError, SourceError
from kvcalc.files import opened
from kvcalc.readers.gguf.metadata import Stream, read_metadata
from kvcalc.readers.gguf.model import model_of, reading_of
from kvcalc.readers.reading import Reading

__all__ = ["model_of", "read", "read_metadata", "read_stream"]


def read(path: Path) -> Reading:
    """Read a GGUF file, or the first part of a split one.

    Raises:
        SourceError: the file cannot be read, is not GGUF, or does not describe a model; the
        sentence
            names the file and the key.
    """
    with opened(path) as file:
        return read_stream(file, str(path))


def read_stream(stream: Stream, source: str) -> Reading:
    """Read the metadata at the start of a stream; `source` is the path or address it came from.

    Raises:
        SourceError: the stream is not GGUF, or does not describe a model; the sentence names the
            source and the key.
    """
    try:
        return reading_of(read_metadata(stream), Path(source).stem, source)
    except KvcalcError as error:
        raise SourceError.of(source, error) from None

"""How many bytes a model's weights take, from its files or from its number of parameters."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kvcalc.catalogue import models
from kvcalc.dtypes import dtype as dtype_of
from kvcalc.errors import KvcalcError, RequestError, SourceError, quote
from kvcalc.files import opened
from kvcalc.model import Model
from kvcalc.readers import safetensors
from kvcalc.units import parse_memory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kvcalc.readers.gguf.tensors import Tensor as GgufTensor
    from kvcalc.readers.hub import HubId

PART = re.compile(r"-00001-of-(?P<parts>[0-9]{5})\.gguf$")
"""The end of the name of the first part of a split GGUF file."""


PACKED = ("mxfp4",)
"""Formats in which only some layers are stored, with scales beside them."""


@dataclass(frozen=True)
class Weights:
    """Bytes of all weights, their element type as their source writes it, and what that source is.

    `parameters` is their number, if the source gives it.
    """

    bytes: int
    dtype: str
    source: str
    parameters: int | None = None


def weights_of(model: Model, given: Weights | int | None) -> Weights:
    """Give a model's weights: those given, read or as bytes; else counted from its parameters.

    Raises:
        RequestError: the weights given are not valid, or their size is not known.
    """
    if given is None:
        return of_parameters(model)
    if isinstance(given, Weights):
        return given
    if type(given) is not int or given < 0:
        raise RequestError.of("weights", given, "bytes, as 240_000_000_000")
    return Weights(given, "", "as given")


def read_weights(
    source: str | None, model: Model, weights_dtype: str | None = None, given: str | None = None
) -> Weights:
    """Find how many bytes a model's weights take.

    `given` is a size ("240GB"), which wins. Else the model's folder, GGUF file or Hub repository
    says; without these, or if `weights_dtype` asks for another element type, parameters are
    counted.

    Raises:
        SourceError: a file cannot be read.
        RequestError: the size of the weights is not known.
    """
    if given is not None:
        return Weights(parse_memory(given, "--weights"), "", "as given")
    found = _of_files(source) if source else None
    if found is not None and weights_dtype is None:
        return found
    return of_parameters(model, weights_dtype, found.parameters if found else None)


def of_parameters(
    model: Model, weights_dtype: str | None = None, counted: int | None = None
) -> Weights:
    """Count a model's parameters, each an element of a type, by default the published one.

    Raises:
        RequestError: the number of parameters or the element type is not known.
    """
    parameters = model.parameters or counted
    if parameters is None:
        raise RequestError.about(
            "weights", f"{model.name} does not say how many parameters it has; give --weights 240GB"
        )
    published = weights_dtype or model.weights_dtype or model.dtype
    if weights_dtype is None and published in PACKED:
        raise RequestError.about(
            "weights",
            f"{model.name} is published in {published}, whose bytes the number of parameters "
            "does not tell; give --weights 14GB, or --weights-dtype",
        )
    element = dtype_of(published)
    count = f"{parameters:,} parameters"
    return Weights(element.row_bytes(parameters), element.name, count, parameters)


def _of_files(source: str) -> Weights | None:
    """Read the weights of a folder, a GGUF file or a repository; None for any other model."""
    path = Path(source)
    if models.find(source) is not None and not ("/" in source and path.exists()):
        return None
    if path.is_dir():
        return _of_folder(path)
    if path.suffix == ".gguf" and path.is_file():
        return _of_gguf(path)
    if path.exists():
        return None
    from kvcalc.readers import hub

    hub_id = hub.parse(source)
    return None if hub_id is None else _of_hub(hub_id)


def _of_folder(folder: Path) -> Weights | None:
    tensors = safetensors.read_folder(folder)
    if tensors:
        return _summed(tensors, f"headers of {folder.name}/*.safetensors")
    index = folder / safetensors.INDEX
    if not index.is_file():
        return None
    return Weights(safetensors.read_index(index), "", index.name)


def _of_gguf(path: Path) -> Weights:
    from kvcalc.readers.gguf.tensors import read_tensors

    match = PART.search(path.name)
    parts = int(match["parts"]) if match else 1
    tensors: list[GgufTensor] = []
    for number in range(1, parts + 1):
        name = PART.sub(f"-{number:05}-of-{parts:05}.gguf", path.name) if match else path.name
        with opened(path.with_name(name)) as file:
            try:
                tensors += read_tensors(file)
            except KvcalcError as error:
                raise SourceError.of(path, error) from None
    return _summed(tensors, f"the tensor table of {path.name}")


def _of_hub(hub_id: "HubId") -> Weights | None:
    """Read a repository's index or header by ranges; None where it holds neither."""
    from kvcalc.readers import hub
    from kvcalc.readers.gguf.tensors import read_tensors

    files = hub.list_files(hub_id)
    if not hub_id.quantisation and safetensors.INDEX in files:
        with hub.open_file(hub_id, safetensors.INDEX) as stream:
            content = stream.read(safetensors.MAX_INDEX_BYTES)
        return Weights(
            safetensors.total_size(content, safetensors.INDEX),
            "",
            f"{safetensors.INDEX} of {hub_id.repository}",
        )
    if not hub_id.quantisation and "model.safetensors" in files:
        with hub.open_file(hub_id, "model.safetensors") as stream:
            tensors = safetensors.read_header(stream, "model.safetensors")
        return _summed(tensors, f"model.safetensors of {hub_id.repository}")
    if not any(name.endswith(".gguf") for name in files):
        return None
    with hub.open_gguf(hub_id) as stream:
        if PART.search(stream.name):
            raise RequestError.about(
                "weights", f"{quote(stream.name)} is split; give --weights 240GB"
            )
        return _summed(read_tensors(stream), f"the tensor table of {stream.name}")


def _summed(tensors: "Iterable[safetensors.Tensor | GgufTensor]", source: str) -> Weights:
    sizes: Counter[str] = Counter()
    elements = 0
    for tensor in tensors:
        sizes[tensor.dtype] += tensor.bytes
        elements += tensor.elements
    most = sizes.most_common(1)[0][0] if sizes else ""
    return Weights(sum(sizes.values()), most, source, elements or None)

"""How many bytes a model's weights take, from its files or from its number of parameters."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kvcalc.catalogue import models
from kvcalc.dtypes import DTYPES
from kvcalc.dtypes import dtype as dtype_of
from kvcalc.errors import KvcalcError, RequestError, SourceError, UnsupportedError, quote
from kvcalc.files import opened
from kvcalc.model import Model
from kvcalc.parameters.stored import Stored
from kvcalc.records import Record
from kvcalc.spelling import unknown
from kvcalc.units import parse_memory

if TYPE_CHECKING:
    from kvcalc.readers import safetensors
    from kvcalc.readers.hub import HubId

PART = re.compile(r"-00001-of-(?P<parts>[0-9]{5})\.gguf$")
"""The end of the name of the first part of a split GGUF file."""


class Weights(Record):
    """Bytes of all weights, their element type as their source writes it, and what that source is.

    `parameters` is their number, if the source gives it. `published` ones are as the checkpoint
    has them, so that what an engine loads of its tensors is known; `tensors` are those of a GGUF
    file, one by one. `converted` ones are of another format, and in other files than the model's.
    """

    bytes: int
    dtype: str
    source: str
    parameters: int | None = None
    published: bool = False
    tensors: tuple[Stored, ...] = ()
    converted: bool = False


def weights_of(model: Model, given: Weights | int | None) -> Weights:
    """Give a model's weights: those given, read or as bytes; else counted from its parameters.

    Raises:
        RequestError: the weights given are not valid, or their size is not known.
    """
    if given is None:
        return of_shape(model)
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
    says; without these, or if `weights_dtype` asks for another format, parameters are counted.

    Raises:
        SourceError: a file cannot be read.
        RequestError: the size of the weights is not known.
    """
    if given is not None:
        return Weights(parse_memory(given, "--weights"), "", "as given")
    found = _of_files(source) if source else None
    if found is not None and weights_dtype is None:
        return replace(found, published=_as_published(found, model))
    return of_shape(model, weights_dtype, found.parameters if found else None)


CLOSE = 1_000
"""A checkpoint is as published if its bytes are the rule's to one part in this many."""


def _as_published(found: Weights, model: Model) -> bool:
    """Whether files hold what the rule says of the checkpoint: then an engine's own rule holds.

    They may hold layers that draft too, with an embedding and a head of their own.
    """
    try:
        least, most = model.stored_bytes(), model.stored_bytes(mtp=True)
    except UnsupportedError:
        return False
    if least is None or most is None:
        return False
    again = sum(2 * one.elements for one in model.tensors or () if one.role in ENDS)
    most += again * (model.num_nextn_predict_layers or 0) if most > least else 0
    return least * (CLOSE - 1) <= found.bytes * CLOSE <= most * (CLOSE + 1)


ENDS = ("embedding", "lm_head")


def of_shape(model: Model, weights_dtype: str | None = None, counted: int | None = None) -> Weights:
    """Add up a model's tensors as published, or as another format stores them.

    Raises:
        RequestError: the number of parameters or the element type is not known.
    """
    total = model.counted.total if model.counted else model.parameters or counted
    if total is None:
        ruled = (
            f", and no rule counts those of {quote(model.model_type)}" if model.model_type else ""
        )
        raise RequestError.about(
            "weights",
            f"{model.name} does not say how many parameters it has{ruled}; give --weights 240GB",
        )
    count = f"{total:,} parameters"
    if weights_dtype is not None and not _is_own(model, weights_dtype):
        return _in_format(model, weights_dtype, total, count)
    if model.counted:
        return _stored(model, total, count)
    element = dtype_of(weights_dtype or model.weights_dtype or model.dtype)
    return Weights(element.row_bytes(total), element.name, count, total)


def _is_own(model: Model, name: str) -> bool:
    """Whether a format is the one that the checkpoint is published in."""
    from kvcalc.readers import weight_formats

    if model.quantization is None:
        return model.counted is not None and weight_formats.named(name) == model.dtype
    known = weight_formats.CHECKPOINTS.get(weight_formats.named(name) or "")
    return known is not None and known.format == model.quantization.format


def _in_format(model: Model, text: str, total: int, count: str) -> Weights:
    """Store a model otherwise than it was published.

    Raises:
        RequestError: there is no such format, or what it makes of this model is not known.
    """
    from kvcalc.readers import weight_formats

    name = weight_formats.named(text)
    if name is None:
        error = unknown("element type", text, weight_formats.NAMES, field="weights_dtype")
        raise RequestError(
            f"{error}; of another, give a file that has it, or --weights 240GB",
            field="weights_dtype",
            found=text,
            expected=error.expected,
        )
    try:
        found = weight_formats.packed(model, name)
    except UnsupportedError as error:
        raise RequestError(f"{error}; give --weights 240GB", field="weights") from None
    if found is not None:
        return Weights(found.bytes, name, count, total, converted=True, tensors=found.tensors)
    if name not in DTYPES:
        raise RequestError.about(
            "weights", f"what {name} makes of {model.name} is not known; give --weights 240GB"
        )
    return Weights(DTYPES[name].row_bytes(total), name, count, total, converted=True)


def _stored(model: Model, total: int, count: str) -> Weights:
    """A checkpoint as published: quantised as its file says, else in the model's own type."""
    try:
        stored = model.stored_bytes()
    except UnsupportedError as error:
        raise RequestError(
            f"{error}; give --weights 240GB, or --weights-dtype", field="weights"
        ) from None
    method = model.quantization.method if model.quantization else model.dtype
    return Weights(stored or 0, method, count, total, published=True)


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
    from kvcalc.readers import safetensors

    found = _summed(safetensors.read_folder(folder), f"headers of {folder.name}/*.safetensors")
    if found.bytes:
        return found
    index = folder / safetensors.INDEX
    if not index.is_file():
        return None
    return Weights(safetensors.read_index(index), "", index.name)


def _of_gguf(path: Path) -> Weights:
    from kvcalc.readers.gguf.tensors import read_tensors

    match = PART.search(path.name)
    parts = int(match["parts"]) if match else 1
    tensors: list[Stored] = []
    for number in range(1, parts + 1):
        name = PART.sub(f"-{number:05}-of-{parts:05}.gguf", path.name) if match else path.name
        with opened(path.with_name(name)) as file:
            try:
                tensors += [one._replace(file=number - 1) for one in read_tensors(file)]
            except KvcalcError as error:
                raise SourceError.of(path, error) from None
    return replace(_summed(tensors, f"the tensor table of {path.name}"), tensors=tuple(tensors))


def _of_hub(hub_id: "HubId") -> Weights | None:
    """Read a repository's index or header by ranges; None where it holds neither."""
    from kvcalc.readers import hub, safetensors
    from kvcalc.readers.gguf.tensors import read_tensors

    files = hub.list_files(hub_id)
    if not hub_id.quantisation and safetensors.INDEX in files:
        with hub.open_file(hub_id, safetensors.INDEX) as stream:
            size = safetensors.total_size(stream, stream.size, safetensors.INDEX)
        return Weights(size, "", f"{safetensors.INDEX} of {hub_id.repository}")
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
        stored = tuple(read_tensors(stream))
        return replace(_summed(stored, f"the tensor table of {stream.name}"), tensors=stored)


def _summed(tensors: Iterable["safetensors.Tensor | Stored"], source: str) -> Weights:
    sizes: Counter[str] = Counter()
    elements = 0
    for tensor in tensors:
        sizes[tensor.dtype] += tensor.bytes
        elements += tensor.elements
    most = sizes.most_common(1)[0][0] if sizes else ""
    return Weights(sum(sizes.values()), most, source, elements or None)

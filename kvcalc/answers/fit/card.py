"""The GPU of a fit: one of the catalogue, or any with a given memory."""

from kvcalc.catalogue.gpus import find
from kvcalc.engines.memory import Card
from kvcalc.errors import RequestError

DRIVER_IS_HIGH = (
    "the memory is the driver's figure: what a framework sees is up to 1.8 % less "
    "(RTX 3090: 23.58 of 24 GiB; A100 40GB: 39.38 of 40 GiB)"
)


def card(gpu: str | None, memory: int | None = None, name: str | None = None) -> Card:
    """Give a GPU of the catalogue, or one of a given memory in bytes, under any name.

    Raises:
        RequestError: neither or both are given, or the GPU is not known.
    """
    if (gpu is None) == (memory is None):
        raise RequestError.about("gpu", "give one, by --gpu h200 or by --gpu-memory 141GB")
    if gpu is None:
        if type(memory) is not int or memory < 1:
            raise RequestError.of("gpu_memory", memory, "bytes")
        return Card(name or f"{memory} bytes", memory, memory)
    known = find(gpu)
    notes = [] if known.framework_visible else [DRIVER_IS_HIGH]
    if known.single_source:
        notes.append(f"only one source has the memory of {known.product}")
    return Card(known.name, known.usable_bytes, known.reported_bytes, tuple(notes))

"""The GPU of a fit: one of the catalogue, or any with a given memory."""

from kvcalc.catalogue.gpus import find
from kvcalc.engines.memory import Card
from kvcalc.errors import RequestError

DRIVER_IS_HIGH = (
    "the memory is the driver's figure: what a framework sees is up to 2.1 % less "
    "(L4: 22.03 of 22.49 GiB; H200: 139.80 of 140.40 GiB)"
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
    return Card(
        known.name, known.usable_bytes, known.reported_bytes, tuple(notes), known.least_bytes
    )

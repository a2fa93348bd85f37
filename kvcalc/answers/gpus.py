"""The catalogue of GPUs, one record per GPU."""

from dataclasses import dataclass

from kvcalc.catalogue.gpus import catalogue
from kvcalc.records import Records


@dataclass(frozen=True)
class GpuRow:
    """A GPU: what its driver reports, if anything, in MiB and bytes.

    `framework_visible_bytes` is what a framework mostly sees. `single_source` marks a memory
    that only one source has; `compute_capability` is NVIDIA's.
    """

    gpu: str
    product: str
    memory_mib: int | None
    memory_bytes: int | None
    framework_visible_bytes: int | None
    compute_capability: str | None
    single_source: bool
    note: str | None


def gpus() -> Records[GpuRow]:
    """Read the whole catalogue."""
    return Records(
        GpuRow(
            gpu=gpu.name,
            product=gpu.product,
            memory_mib=gpu.memory_mib,
            memory_bytes=gpu.memory_bytes,
            framework_visible_bytes=gpu.framework_visible,
            compute_capability=gpu.compute_capability,
            single_source=gpu.single_source,
            note=gpu.note,
        )
        for gpu in catalogue()
    )

"""The catalogue of GPUs for people, a line each."""

from collections.abc import Sequence

from kvcalc.answers.gpus import GpuRow
from kvcalc.outputs.page import Page
from kvcalc.units import binary_size

ONE_SOURCE = "*"


def gpus_page(rows: Sequence[GpuRow]) -> Page:
    """Lay out the catalogue."""
    return Page(
        title="GPUs",
        columns=("gpu", "card", "driver\nMiB", "driver\nGiB", "framework\nsees", "compute"),
        rows=tuple(
            (
                row.gpu,
                row.product,
                f"{row.memory_mib:,}" + (ONE_SOURCE if row.single_source else ""),
                binary_size(row.memory_bytes),
                ""
                if row.framework_visible_bytes is None
                else binary_size(row.framework_visible_bytes),
                row.compute_capability or "",
            )
            for row in rows
        ),
        text_columns=2,
        notes=(
            f"{ONE_SOURCE} only one source has the figure.",
            "driver: what nvidia-smi or rocm-smi prints; a framework sees less where it is given.",
            *(f"{row.gpu}: {row.note}." for row in rows if row.note),
        ),
    )

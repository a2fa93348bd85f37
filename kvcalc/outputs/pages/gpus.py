"""The catalogue of GPUs for people, one line per GPU."""

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
                ("" if row.memory_mib is None else f"{row.memory_mib:,}")
                + (ONE_SOURCE if row.single_source else ""),
                _size(row.memory_bytes),
                _size(row.framework_visible_bytes),
                row.compute_capability or "",
            )
            for row in rows
        ),
        text_columns=2,
        notes=(
            f"{ONE_SOURCE} only one source has the figure.",
            "driver: what nvidia-smi or rocm-smi prints; a framework sees less where it is given.",
            *(f"{', '.join(gpus)}: {note}." for note, gpus in _notes(rows).items()),
        ),
    )


def _notes(rows: Sequence[GpuRow]) -> dict[str, list[str]]:
    """The notes, each with the GPUs that it is of."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            found.setdefault(row.note, []).append(row.gpu)
    return found


def _size(size_bytes: int | None) -> str:
    return "" if size_bytes is None else binary_size(size_bytes)

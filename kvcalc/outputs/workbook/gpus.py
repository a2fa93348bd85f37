"""*GPUs*: a table of the memory of each GPU, with its sources."""

from kvcalc.catalogue.gpus import Gpu, catalogue
from kvcalc.outputs.workbook.cells import Sheet, Table
from kvcalc.outputs.workbook.layout import FIRST_ROW, GPUS

NOT_REPORTED = "not reported"

FORMULAS = {
    "memory_bytes": f'=IF(ISNUMBER({{memory_mib}}),{{memory_mib}}*1048576,"{NOT_REPORTED}")',
    "usable_bytes": (
        "=IF(ISNUMBER({framework_visible_bytes}),{framework_visible_bytes},{memory_bytes})"
    ),
}
WIDTHS = (16, 28, 13, 18, 24, 18, 18, 18, 16, 40, 80)


def gpus_sheet() -> Sheet:
    """Lay out the catalogue; its first column is the list that *Plan* offers."""
    sheet = Sheet("GPUs", WIDTHS, frozen=(FIRST_ROW, 1), locked=False)
    sheet.put(0, 0, "GPUs", "title")
    note = "What the driver reports, and the least a framework was seen to report. Add your own."
    sheet.put(1, 0, note, "note")
    sheet.row(FIRST_ROW - 1, list(GPUS), "head")
    last = FIRST_ROW + len(catalogue()) - 1
    table = Table("gpu_catalogue", FIRST_ROW - 1, last, GPUS, FORMULAS)
    sheet.tables.append(table)
    for number, gpu in enumerate(catalogue(), FIRST_ROW):
        facts = _facts(gpu)
        sheet.row(number, [facts[name] for name in GPUS])
        for name in ("compute_capability", "note", "sources"):
            sheet.put(number, GPUS.index(name), facts[name], "wrapped")
        for name in ("memory_mib", "framework_visible_bytes", "least_bytes"):
            sheet.put(number, GPUS.index(name), facts[name], "number")
        for name in FORMULAS:
            value = facts[name]
            shown = NOT_REPORTED if value is None else value
            sheet.live(number, GPUS.index(name), table.of_row(name, number), shown)
    return sheet


def _facts(gpu: Gpu) -> dict[str, int | str | None]:
    return {
        "gpu": gpu.name,
        "product": gpu.product,
        "memory_mib": gpu.memory_mib,
        "memory_bytes": gpu.memory_bytes,
        "framework_visible_bytes": gpu.framework_visible,
        "usable_bytes": gpu.usable_bytes,
        "least_bytes": gpu.least_bytes,
        "compute_capability": gpu.compute_capability,
        "one_source_only": "yes" if gpu.single_source else "no",
        "note": gpu.note,
        "sources": "\n".join(f"{one.title} ({one.address})" for one in gpu.sources)[:2000],
    }

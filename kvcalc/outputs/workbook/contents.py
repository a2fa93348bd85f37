"""All sheets of a planner's workbook, in their order, and its defined names."""

from kvcalc.answers.workbook import Workbook
from kvcalc.outputs.workbook.cells import Sheet
from kvcalc.outputs.workbook.checks import checks_sheet
from kvcalc.outputs.workbook.engines import engines_sheet
from kvcalc.outputs.workbook.formulas import formulas_sheet
from kvcalc.outputs.workbook.gpus import gpus_sheet
from kvcalc.outputs.workbook.models import models_sheet
from kvcalc.outputs.workbook.plan import plan_sheet
from kvcalc.outputs.workbook.starts import starts_sheet
from kvcalc.outputs.workbook.sweep import sweep_sheet
from kvcalc.outputs.workbook.workload import workload_sheet

NAMES = ("Plan", "Workload", "Sweep", "Formulas", "Start", "Models", "Engines", "GPUs", "Checks")
"""The sheets' names, in their order: files of them are looked for before anything is worked out."""


def sheets(book: Workbook) -> tuple[list[Sheet], dict[str, str]]:
    """Lay out every sheet, and give the defined names, each of one cell.

    Raises:
        KvcalcError: a model's formula cannot be worked out.
    """
    starts, checks = starts_sheet(book), checks_sheet(book)
    formulas = formulas_sheet(book, starts)
    plan, names = plan_sheet(book, formulas, starts, checks)
    workload, of_workload = workload_sheet(book, formulas)
    laid_out = [
        plan,
        workload,
        sweep_sheet(book),
        formulas,
        starts.sheet,
        models_sheet(book),
        engines_sheet(book),
        gpus_sheet(),
        checks,
    ]
    return laid_out, {**names, **of_workload}

"""A planner's workbook of live formulas, written to files."""

from collections.abc import Iterable
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

from kvcalc.answers.workbook import Workbook, workbook
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.errors import RequestError
from kvcalc.model import Model
from kvcalc.outputs.workbook.contents import NAMES, sheets
from kvcalc.outputs.workbook.writer import write_csv, write_xlsx
from kvcalc.outputs.write import refuse_to_overwrite, unwritten
from kvcalc.readers import read_all
from kvcalc.scratch import replacing


def sheet(
    models: str | Path | Model | Iterable[str | Path | Model],
    output: str | Path | None = None,
    *,
    csv: str | Path | None = None,
    among: Iterable[str] = (),
    dtypes: Iterable[str] = (),
    ranks: Iterable[int] = (),
    context: int | None = None,
    sequences: int = 1,
    gpu: str | None = None,
    gpus: int | None = None,
    force: bool = False,
    command: str = "kvcalc.sheet",
    settings: Settings | None = None,
    **given: Any,
) -> Workbook:
    """Write a workbook of live formulas to the .xlsx file `output`, to CSV files in `csv`, or both.

    `models` are models, or as for `kvcalc.load`; `among` names engines, `dtypes` element types and
    `ranks` tensor-parallel sizes in addition to those of every workbook. `context` is tokens of one
    sequence, by default the first model's maximum. `gpu` is one on which the engines' defaults are
    taken, and of which there are `gpus`. Settings are given as to `kvcalc.cost`, and each is passed
    to the engines that have it. The workbook names `command` as what made it.

    Raises:
        KvcalcError: as `kvcalc.load`; or no file is named, a file exists without `force`, an engine
            is not known, there are too many combinations, or no engine accepts its own.
    """
    asked = request.named(settings, given)
    path = None if output is None else Path(output)
    folder = None if csv is None else Path(csv)
    _refuse(path, folder, force)
    book = workbook(
        read_all(models),
        among=among,
        dtypes=dtypes,
        ranks=ranks,
        context=context,
        sequences=sequences,
        gpu=gpu,
        gpus=gpus,
        settings=asked,
        command=command,
        version=_version(),
        date=date.today().isoformat(),
    )
    laid_out, names = sheets(book)
    with ExitStack() as written:  # all files of the set are written before one is replaced
        if folder is not None:
            write_csv(folder, laid_out, written)
        if path is not None:
            write_xlsx(written.enter_context(replacing(path)), laid_out, names)
    return book


def _refuse(path: Path | None, folder: Path | None, force: bool) -> None:
    if path is None and folder is None:
        raise RequestError.about("output", "missing; give -o plan.xlsx, --csv DIR or both")
    if path is not None and path.suffix.lower() != ".xlsx":
        raise unwritten(path, [".xlsx"])
    files = [] if folder is None else [folder / f"{name}.csv" for name in NAMES]
    for file in files if path is None else [path, *files]:
        refuse_to_overwrite(file, force)


def _version() -> str:
    from importlib.metadata import version

    return version("kvcalc")

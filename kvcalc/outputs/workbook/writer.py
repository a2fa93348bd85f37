"""Writes sheets, as one .xlsx file or as a folder of CSV files with the same values."""

import csv
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from kvcalc.errors import RequestError, quote, reason
from kvcalc.outputs.table import harmless
from kvcalc.outputs.workbook.cells import Cell, Chart, Choice, Sheet, Table, beside, letters
from kvcalc.outputs.workbook.styles import STYLES, TOP
from kvcalc.outputs.workbook.xlsx import held, new_workbook, result
from kvcalc.scratch import replacing

PAGE = 240
"""Characters across a page: at more, landscape A4 (297 mm) and Letter (11 in) print below 7 points.

A column is as many wide as it has digits of 11 points, 7 pixels each at 96 to the inch.
"""
CHART_ROWS = 19
"""The rows of 20 pixels beneath the first that a chart of 360 pixels lies over."""


def write_xlsx(path: Path, sheets: Sequence[Sheet], names: Mapping[str, str]) -> None:
    """Write sheets to a workbook; `names` are its defined names, each with its cell.

    Raises:
        MissingExtraError: XlsxWriter is not installed.
    """
    with new_workbook(path) as book:
        styles = {name: book.add_format({**TOP, **style}) for name, style in STYLES.items()}
        for name, place in names.items():
            book.define_name(name, f"={place}")
        for sheet in sheets:
            _write_sheet(book, book.add_worksheet(sheet.name), sheet, styles)


def write_csv(folder: Path, sheets: Sequence[Sheet], written: ExitStack) -> None:
    """Write each sheet's values to a CSV file of its name, in a folder that is made if missing.

    The files are in place when `written` is closed; a folder that was made goes if it fails.

    Raises:
        RequestError: the folder or a file cannot be written.
    """
    try:
        if not folder.exists():
            folder.mkdir()
            written.push(lambda failed, *_: _unmade(folder) if failed else None)
    except (OSError, ValueError) as error:
        named = f"--csv {quote(str(folder), 300)}"
        why = f"cannot be made ({reason(error)})"
        raise RequestError.about("csv", why, named=named, found=str(folder)) from None
    for sheet in sheets:
        rows, columns = (max(places) + 1 for places in zip(*sheet.cells, strict=True))
        part = written.enter_context(replacing(folder / f"{sheet.name}.csv"))
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            writer = csv.writer(file)
            for row in range(rows):
                cells = [sheet.cells.get((row, column)) for column in range(columns)]
                writer.writerow(["" if one is None else _text(one.value) for one in cells])


def _unmade(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _text(value: str | int | float) -> str | int | float:
    return harmless(value) if isinstance(value, str) else value


def _write_sheet(book: Any, written: Any, sheet: Sheet, styles: Mapping[str, Any]) -> None:
    for table in sheet.tables:
        _add_table(written, table)
    for (row, column), cell in sheet.cells.items():
        _write_cell(written, row, column, cell, styles[cell.style])
    for choice in sheet.choices:
        written.data_validation(choice.row, choice.column, choice.row, choice.column, _rule(choice))
    for row, column, condition in sheet.green:
        rule = {"type": "formula", "criteria": condition, "format": styles["fits"]}
        written.conditional_format(row, column, row, column, rule)
    for chart in sheet.charts:
        _insert_chart(book, written, sheet, chart)
    _set_page(written, sheet)


def _set_page(written: Any, sheet: Sheet) -> None:
    for column, width in enumerate(sheet.widths):
        written.set_column(column, column, width)
    for row, height in _heights(sheet).items():
        written.set_row(row, height)
    unmarked = {"formula_unlocked": _typed_over(sheet), "calculated_column": _calculated(sheet)}
    written.ignore_errors({kind: cells for kind, cells in unmarked.items() if cells})
    written.freeze_panes(*sheet.frozen)
    written.hide_gridlines(2)
    _set_print(written, sheet)
    if sheet.locked:
        written.protect("", {"format_columns": True, "format_rows": True})


def _set_print(written: Any, sheet: Sheet) -> None:
    """Print the cells in use on as few pages across as can be read, on A4 and Letter alike."""
    rows, columns = (max(places) for places in zip(*sheet.cells, strict=True))
    for chart in sheet.charts:
        rows = max(rows, chart.row + CHART_ROWS)
    written.print_area(0, 0, rows, max(columns, len(sheet.widths) - 1))
    written.set_landscape()
    written.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    written.set_footer("&L&A&R&P / &N")
    written.fit_to_pages(-(-sum(sheet.widths) // PAGE), 0)
    header, names = sheet.frozen
    if header:
        written.repeat_rows(0, header - 1)
    if names and sum(sheet.widths) > PAGE:
        written.repeat_columns(0, names - 1)


def _heights(sheet: Sheet) -> dict[int, int]:
    """Heights of rows with wrapped text, in points; LibreOffice does not compute them."""
    heights: dict[int, int] = {}
    for (row, column), cell in sheet.cells.items():
        if cell.style == "wrapped":
            wide = sheet.widths[column]
            lines = sum(len(line) // wide + 1 for line in str(cell.value).split("\n"))
            heights[row] = max(heights.get(row, 15), min(400, 12 * lines + 3))
    return heights


def _typed_over(sheet: Sheet) -> str:
    """The input cells that hold a formula until a person types; Excel shall not mark them."""
    inputs = ("input", "amount")
    return " ".join(
        f"{letters(column)}{row + 1}"
        for (row, column), cell in sheet.cells.items()
        if cell.formula and cell.style in inputs
    )


def _calculated(sheet: Sheet) -> str:
    """The cells whose formula is their column's in other words; Excel shall not mark them."""
    return " ".join(
        f"{beside(table.first_row + 1, place)}:{beside(table.last_row, place)}"
        for table in sheet.tables
        for place in map(table.columns.index, table.formulas)
    )


def _write_cell(written: Any, row: int, column: int, cell: Cell, style: Any) -> None:
    if cell.formula:
        value = result(cell.value) if isinstance(cell.value, str) else cell.value
        written.write_formula(row, column, held(cell.formula), style, value)
    elif isinstance(cell.value, str):
        written.write_string(row, column, held(cell.value), style)
    else:
        written.write_number(row, column, cell.value, style)
    if cell.comment:
        lines = cell.comment.count("\n") + len(cell.comment) // 90 + 2
        size = {"width": 560, "height": min(420, 16 * lines)}
        written.write_comment(row, column, held(cell.comment), size)


def _add_table(written: Any, table: Table) -> None:
    columns = [
        {"header": name}
        | ({"formula": table.of_rows_to_come(name)} if name in table.formulas else {})
        for name in table.columns
    ]
    style = {"name": table.name, "columns": columns, "style": "Table Style Light 1"}
    last = len(table.columns) - 1
    written.add_table(table.first_row, 0, table.last_row, last, style)


def _rule(choice: Choice) -> dict[str, Any]:
    if choice.listed:
        return {
            "validate": "list",
            "source": f"={choice.listed}",
            "error_type": "warning",
            "error_message": "This is not in the list; the answers will say what it takes.",
        }
    return {
        "validate": "integer" if choice.whole else "decimal",
        "criteria": "between",
        "minimum": choice.least,
        "maximum": choice.most,
        "error_message": f"A whole number from {choice.least} to what keeps all bytes below 2^53."
        if choice.whole
        else "A number that is not negative.",
    }


def _insert_chart(book: Any, written: Any, sheet: Sheet, chart: Chart) -> None:
    """Draw a chart as wide as the columns from its own on, so that a page cuts none."""
    wide = sum(7 * width + 5 for width in sheet.widths[chart.column :])
    drawn = book.add_chart({"type": chart.kind, "subtype": chart.subtype})
    for series in chart.series:
        drawn.add_series(
            {
                "name": series.name,
                "categories": [sheet.name, *series.categories],
                "values": [sheet.name, *series.values],
            }
        )
    drawn.set_title({"name": chart.title, "name_font": {"size": 12}})
    from_zero = {"min": 0} if chart.kind == "scatter" else {}
    drawn.set_x_axis({"name": chart.x, "num_format": "#,##0", **from_zero})
    drawn.set_y_axis({"name": chart.y, "num_format": "#,##0", "min": 0})
    drawn.set_legend({"position": "bottom"})
    drawn.set_size({"width": wide, "height": 360})
    written.insert_chart(chart.row, chart.column, drawn)

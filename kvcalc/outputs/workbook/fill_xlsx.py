"""A filled plan as a workbook: its own cells, then each answer as a formula on its row's cells."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from kvcalc.answers.fill.columns import AMOUNTS, RELEASE, answers_to
from kvcalc.answers.fill.rows import Filled
from kvcalc.errors import KvcalcError, RequestError
from kvcalc.formula.expression import substituted
from kvcalc.formula.formula import Formula
from kvcalc.formula.languages.excel import MAX_EXACT
from kvcalc.formula.written import written
from kvcalc.outputs.workbook.cells import letters
from kvcalc.outputs.workbook.limits import (
    MAX_COLUMNS,
    MAX_ROWS,
    MAX_TEXT,
    USUAL,
    exact,
    usually_exact,
)
from kvcalc.outputs.workbook.xlsx import held, new_workbook

MAX_DIGITS = 15
"""The most digits of a number that every spreadsheet shows as it was typed."""

MAX_REMEMBERED = 10_000
"""The most formulas remembered; when there are more, all are forgotten."""

NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?", re.ASCII)

Template = Callable[[int], str] | None
"""Writes the formula of a row, given the row's number; None if a spreadsheet cannot have it."""


def write_xlsx(
    path: Path,
    header: Sequence[str],
    rows: Iterable[tuple[Sequence[str], Filled]],
    columns: Mapping[str, int],
    added: Sequence[str] = (),
) -> None:
    """Write the plan and its answers to one sheet; `columns` are the places of the questions.

    `added` are the answers on request: GiB is a formula on the bytes beside it, the others are what
    `fit` says of the row as it stands.

    An amount that has an answer stands in its cell as a number, 256K as 262,144, and in a formula
    as that cell; one that no formula varies stays as it was typed.

    Raises:
        RequestError: there are more rows or columns, or a longer text, than a spreadsheet holds; or
            XlsxWriter is not installed.
    """
    names = (*answers_to(columns), *added)
    if len(header) + len(names) > MAX_COLUMNS:
        raise RequestError.about(
            "output",
            f"found {len(header):,} columns",
            found=len(header),
            expected=f"at most {MAX_COLUMNS - len(names):,}, beside which a spreadsheet takes the "
            "answers",
        )
    formulas = _formulas(columns)
    with new_workbook(path, constant_memory=True) as book:
        sheet = book.add_worksheet("Filled")
        bold = book.add_format({"bold": True, "bottom": 1})
        whole = book.add_format({"num_format": "#,##0"})
        gib = book.add_format({"num_format": "#,##0.00"})
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(header) + 1, 18)
        for place, name in enumerate([*header, *names]):
            sheet.write_string(0, place, _held(name, 1), bold)
        for number, (row, found) in enumerate(rows, 2):
            if number > MAX_ROWS:
                raise RequestError.about(
                    "output",
                    f"found more than {MAX_ROWS - 1:,} rows, the most that a spreadsheet "
                    "takes beneath a header; write .csv",
                )
            typed = {columns[name]: amount for name, amount in found.given.items()}
            numbers = _write_cells(sheet, number, islice(row, len(header)), typed, whole)
            if found.cost is None:
                sheet.write_string(number - 1, len(header) + 2, held(str(found.error)))
                continue
            live = frozenset(name for name in found.given if columns[name] in numbers)
            answers = ((found.cost.formula, found.bytes), (found.cost.per_gpu, found.bytes_per_gpu))
            for place, (formula, value) in enumerate(answers, len(header)):
                template = formulas(formula, found.given, live)
                _write_answer(sheet, number, place, template, value, whole)
            if RELEASE in names:
                place = len(header) + names.index(RELEASE)
                sheet.write_string(number - 1, place, found.engine_version)
            if found.error is not None:
                sheet.write_string(number - 1, len(header) + 2, held(str(found.error)))
            for place, name in enumerate(added):
                at = len(header) + len(names) - len(added) + place
                total = f"{letters(len(header))}{number}" if name == "gib" else ""
                _write_added(sheet, number - 1, at, found.added[place], total, gib)


def _write_added(sheet: Any, row: int, place: int, cell: str, total: str, style: Any) -> None:
    """Write an answer on request: GiB as a formula on the cell of the bytes, else its value."""
    if total:
        sheet.write_formula(row, place, f"={total}/2^30", style, float(cell))
    elif cell.isdecimal():
        sheet.write_number(row, place, int(cell))
    else:
        sheet.write_string(row, place, cell)


def _write_cells(
    sheet: Any, number: int, cells: Iterable[str], typed: Mapping[int, int], style: Any
) -> set[int]:
    """Write a row's own cells, and return the places of those that are whole numbers.

    `typed` has what amounts were read as, which stands in their cells.
    """
    numbers = set()
    for place, cell in enumerate(cells):
        amount = _number(cell)
        if amount is None and len(str(typed.get(place, ""))) in range(1, MAX_DIGITS + 1):
            sheet.write_number(number - 1, place, typed[place], style)
            numbers.add(place)
        elif amount is not None:
            sheet.write_number(number - 1, place, amount)
            if isinstance(amount, int):
                numbers.add(place)
        elif cell:
            sheet.write_string(number - 1, place, _held(cell, number))
    return numbers


def _number(cell: str) -> int | float | None:
    """Read a number that is shown as it was typed; 007 and 8K stay text."""
    if len(cell) > MAX_DIGITS or NUMBER.fullmatch(cell) is None:
        return None
    return float(cell) if "." in cell else int(cell)


def _write_answer(
    sheet: Any, number: int, place: int, template: Template, value: int | None, style: Any
) -> None:
    if value is not None and value > MAX_EXACT:
        sheet.write_string(number - 1, place, str(value))
    elif template is None:
        sheet.write_number(number - 1, place, value, style)
    else:
        sheet.write_formula(number - 1, place, template(number), style, value)


def _held(text: str, number: int) -> str:
    if len(text) > MAX_TEXT:
        raise RequestError.about(
            "output",
            f"row {number:,}: found a text of {len(text):,} characters",
            found=len(text),
            expected=f"at most the {MAX_TEXT:,} of a spreadsheet's cell",
        )
    return held(text)


def _formulas(
    columns: Mapping[str, int],
) -> Callable[[Formula, Mapping[str, int], frozenset[str]], Template]:
    """Make the function that finds a formula's template, which it remembers by its literals."""
    places = {name: letters(columns[name]) for name in AMOUNTS if name in columns}
    known: dict[Any, Template] = {}

    usual: dict[int, tuple[Formula, bool]] = {}

    def template(formula: Formula, given: Mapping[str, int], live: frozenset[str]) -> Template:
        if len(known) + len(usual) > MAX_REMEMBERED:
            known.clear()
            usual.clear()
        if id(formula) not in usual:
            usual[id(formula)] = formula, usually_exact(formula.expression, formula.variables)
        if not usual[id(formula)][1] or any(own > USUAL[name] for name, own in given.items()):
            at = {**formula.variables, **given}
            if not exact(formula.expression, at, at):
                return None
        literals = {name: own for name, own in given.items() if name not in live}
        key = (id(formula), live, *literals.items())
        if key not in known:
            named = {name: places[name] for name in live}
            known[key] = _template(formula, literals, named)
        return known[key]

    return template


def _template(formula: Formula, literals: Mapping[str, int], cells: Mapping[str, str]) -> Template:
    values = {**formula.variables, **literals}
    fixed = {name: own for name, own in values.items() if name not in cells}
    rest = substituted(formula.expression, fixed)
    if isinstance(rest, int):
        return None
    names = {name: f"{name}_" for name in ("context", "sequences", *cells)}
    try:
        text = written(Formula(rest, dict.fromkeys(names, 1)), "excel", names=names).text
    except KvcalcError:
        return None
    for name, letter in cells.items():
        text = text.replace(f"{name}_", f"{letter}{{0}}")
    return text.format

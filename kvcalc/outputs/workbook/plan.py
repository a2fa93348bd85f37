"""*Plan*: a planner's inputs in blue, and beside them the answers."""

from kvcalc.answers.workbook import Workbook
from kvcalc.outputs.workbook import capacity, inputs, plan_answers
from kvcalc.outputs.workbook.about import write_about
from kvcalc.outputs.workbook.cells import Choice, Sheet
from kvcalc.outputs.workbook.checks import differences
from kvcalc.outputs.workbook.expected import SEE_TOTAL, expected
from kvcalc.outputs.workbook.inputs import Input
from kvcalc.outputs.workbook.layout import FIRST_ROW
from kvcalc.outputs.workbook.plan_answers import Answer
from kvcalc.outputs.workbook.plan_parts import write_parts
from kvcalc.outputs.workbook.starts import Starts

WIDTHS = (23, 22, 46, 3, 20, 26, 58, 34)
"""The last column is for long formulas, which lie over it."""
INPUT, ANSWER = 1, 5


def plan_sheet(
    book: Workbook, formulas: Sheet, starts: Starts, checks: Sheet
) -> tuple[Sheet, dict[str, str]]:
    """Lay out the sheet, and give the defined names of its cells."""
    sheet = Sheet("Plan", WIDTHS, frozen=(FIRST_ROW, 0))
    sheet.put(0, 0, "KV-cache plan", "title")
    sheet.put(1, 0, "Type over what is blue, choose from the lists; all else follows.", "note")
    names: dict[str, str] = {}
    own = expected(book, formulas, starts.places.get((book.chosen.key, book.starts.gpu), SEE_TOTAL))
    blocks = (
        (
            "memory of the cache",
            inputs.of_plan(book),
            plan_answers.of_plan(book, formulas, differences(checks)),
        ),
        ("GPUs and load", inputs.of_capacity(book), capacity.of_plan(book, starts, own)),
    )
    row = FIRST_ROW
    for title, asked, answers in blocks:
        sheet.row(row - 1, [title, "input", None, None, "answer"])
        for column in (*range(3), *range(4, 7)):
            sheet.put(row - 1, column, (title, "input", "", "", "answer", "", "")[column], "head")
        _write_inputs(sheet, row, asked, names)
        _write_answers(sheet, row, answers, names)
        row += max(len(asked), len(answers)) + 2
    row = write_parts(sheet, row - 1, book, starts, own)
    write_about(sheet, row + 1, book)
    return sheet, names


def _write_inputs(
    sheet: Sheet, first_row: int, asked: tuple[Input, ...], names: dict[str, str]
) -> None:
    for row, one in enumerate(asked, first_row):
        sheet.put(row, 0, one.name)
        style = "input" if one.whole else "amount"
        if one.formula:
            sheet.live(row, INPUT, one.formula, one.value, style)
        else:
            sheet.put(row, INPUT, one.value, style)
        sheet.put(row, INPUT + 1, one.note, "note")
        sheet.choices.append(Choice(row, INPUT, one.listed, one.most, one.whole, one.least))
        names[one.name] = sheet.at(row, INPUT)


def _write_answers(
    sheet: Sheet, first_row: int, answers: tuple[Answer, ...], names: dict[str, str]
) -> None:
    for row, one in enumerate(answers, first_row):
        sheet.put(row, ANSWER - 1, one.name)
        sheet.live(row, ANSWER, one.formula, one.value, one.style, one.comment)
        sheet.put(row, ANSWER + 1, one.note or None, "note")
        names[one.name] = sheet.at(row, ANSWER)
        if one.name == "fits":
            sheet.green.append((row, ANSWER, '=fits="fits"'))

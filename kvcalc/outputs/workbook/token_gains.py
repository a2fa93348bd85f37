"""*Workload*'s conversion of tokens counted by a predecessor's tokenizer, by published gains."""

from typing import NamedTuple

from kvcalc.answers.workbook import Workbook
from kvcalc.outputs.workbook.cells import Choice, Sheet, cell, divided_up, match, quote
from kvcalc.readers.tokens import token_gains

NAME = "in_tokens_of"
OWN = "the model itself"
COLUMNS = ("in_tokens_of", "model", "so many tokens", "are its own", "key")
ASKED, MORE, THAN, SENTENCE = 1, 2, 3, 4
"""The columns of the input and of the amounts that follow from it."""


class Gain(NamedTuple):
    """For texts in a language, how many of a predecessor's tokens equal how many of a model's."""

    of: str
    model: str
    more: int
    than: int


def gains(book: Workbook) -> list[Gain]:
    """Every published gain of the workbook's models."""
    return [
        Gain(f"{predecessor}, {language}", one.name, more, than)
        for one in book.models
        for predecessor, by_language in token_gains(one.asked).items()
        for language, (more, than) in by_language.items()
    ]


def write_input(sheet: Sheet, row: int, table_row: int, found: list[Gain]) -> None:
    """Write the input on `row`; the gains that it offers stand from `table_row` on."""
    last, asked = table_row + len(found), cell(row, ASKED)
    sheet.put(row, 0, "tokens are counted in those of")
    sheet.put(row, ASKED, OWN, "input")
    sheet.choices.append(Choice(row, ASKED, sheet.range(0, table_row, last)))
    key = match(f'{asked}&"|"&model', sheet.range(4, table_row, last))
    for column in (MORE, THAN):
        amounts = sheet.range(column, table_row, last)
        text = f"=IF({asked}={quote(OWN)},1,IFERROR(INDEX({amounts},{key}),0))"
        sheet.live(row, column, text, 1)
    more, than = cell(row, MORE), cell(row, THAN)
    told = f'{more}&" of its tokens are "&{than}&" of "&model&", on average and not at most"'
    none = f'"no gain over "&{asked}&" is published for "&model'
    said = f'=IF({asked}={quote(OWN)},"",IF({more}=0,{none},{told}))'
    sheet.live(row, SENTENCE, said, "", "sentence")


def write_table(sheet: Sheet, row: int, found: list[Gain]) -> None:
    """Write the gains beneath a header on the row before."""
    sheet.head(row - 1, COLUMNS, text_columns=2)
    sheet.row(row, [OWN])
    for number, one in enumerate(found, row + 1):
        sheet.row(number, list(one))
        sheet.put(number, len(one), f"{one.of}|{one.model}", "note")


def context(row: int, tokens: str) -> str:
    """The formula for a context in the model's own tokens, rounded up; unchanged without a gain."""
    more, than = cell(row, MORE), cell(row, THAN)
    return f"=IF({more}=0,{tokens},{divided_up(f'({tokens})*{than}', more)})"

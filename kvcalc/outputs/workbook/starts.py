"""*Start*: what an engine's start takes of a GPU, part by part, as formulas of *Plan*'s inputs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from kvcalc.answers.workbook import MOST, Workbook
from kvcalc.answers.workbook.capacity import memory_rule
from kvcalc.answers.workbook.combinations import Combination
from kvcalc.answers.workbook.start import Start
from kvcalc.answers.workbook.starts import Kind, kinds
from kvcalc.engines.memory_part import PartRule
from kvcalc.formula.expression import Value, evaluated, substituted, variables_of
from kvcalc.formula.languages import excel
from kvcalc.outputs.workbook.cells import Sheet, quote
from kvcalc.outputs.workbook.layout import FIRST_ROW, START, column_of
from kvcalc.outputs.workbook.limits import exact

PLACE = {name: column for column, name in enumerate(START)}
TEXTS = ("kind", "source")
"""Columns of texts beside numbers."""

WIDTHS = (24, 12, 26, 24, 20, 20, 20, 20, 12, 80, 12, 8, 8)
DECLINED = "declined"
UNKNOWN = "what a start takes"
"""The part whose bytes are declined."""

PAST = "past what a spreadsheet counts exactly"
CLOSED = "other parts with another memory_share or weights_bytes: kvcalc fit answers"


class Starts(NamedTuple):
    """The sheet, and for a combination's key and a kind of GPU the number of its first row.

    It is the sentence why there is none where the start is not known. There are `rows` of starts;
    one has at most `most_parts` of them, beside that of the weights.
    """

    sheet: Sheet
    places: Mapping[tuple[str, str], int | str]
    rows: int
    most_parts: int

    def column(self, name: str) -> str:
        """Refer to a column, with room behind its end for what is looked up a few rows further."""
        return column_of("Start", START, name, self.rows + self.most_parts)

    def first(self, name: str, further: int = 0) -> str:
        """Look up a cell of the chosen start, in its first row or `further` down."""
        return f"INDEX({self.column(name)},start_row+{further})"


def starts_sheet(book: Workbook) -> Starts:
    """Lay out the starts of all combinations; those that are alike on several GPUs stand once."""
    sheet = Sheet("Start", WIDTHS, frozen=(FIRST_ROW, 4))
    sheet.put(0, 0, "Start", "title")
    sheet.put(
        1,
        0,
        "Of one GPU: its weights, and what a start takes beside them (kvcalc fit), at Plan's inputs"
        " and on GPUs of these compute capabilities.",
        "note",
    )
    sheet.head(FIRST_ROW - 1, START, text_columns=4)
    for name in TEXTS:
        sheet.put(FIRST_ROW - 1, PLACE[name], name, "head apart")
    places: dict[tuple[str, str], int | str] = {}
    written: dict[tuple[object, ...], int] = {}
    named: dict[int, dict[str, None]] = {}
    row, most_parts = FIRST_ROW, 1
    for one, kind in _known(book):
        found = book.starts.of(one, kind)
        if isinstance(found, str):
            places[one.key, kind.name] = found
            continue
        alike = one.listed.name, one.engine, one.tensor_parallel_size, found.key
        if (first := written.setdefault(alike, row)) == row:
            row += _Writer(sheet, book.inputs, found).write(row, one)
            most_parts = max(most_parts, len(found.parts))
        named.setdefault(first, {})[kind.name] = None
        places[one.key, kind.name] = number_of(first)
    every = len(kinds(book.starts.gpu))
    for first, names in named.items():
        told = "any" if len(names) == every else ", ".join(names)
        sheet.put(first, PLACE["compute_capability"], told)
    return Starts(sheet, places, row - FIRST_ROW, most_parts)


def number_of(row: int) -> int:
    """A row's number among those beneath the header."""
    return row - FIRST_ROW + 1


def _known(book: Workbook) -> Iterator[tuple[Combination, Kind]]:
    for one in book.combinations:
        if one.cost is not None:
            for kind in kinds(book.starts.gpu):
                yield one, kind


@dataclass
class _Writer:
    """Writes one start; settings that Plan does not have at their own value stand as numbers."""

    sheet: Sheet
    inputs: Mapping[str, str | int]
    found: Start

    def write(self, row: int, one: Combination) -> int:
        """Write from a row on, and say how many rows that takes."""
        found, sheet = self.found, self.sheet
        declined = found.declined or ("" if all(map(self._is_exact, found.parts)) else PAST)
        rules = [found.weights, *(() if declined else found.parts)]
        for number, rule in enumerate(rules, row):
            self._write_rule(number, rule)
        if declined:
            sheet.put(row + 1, PLACE["part"], UNKNOWN)
            sheet.put(row + 1, PLACE["kind"], DECLINED, "note")
            sheet.put(row + 1, PLACE["source"], declined[:1000], "sentence")
        count = len(rules) + bool(declined)
        for number in range(row, row + count):
            sheet.row(number, (one.listed.name, one.engine))
            sheet.put(number, PLACE["tensor_parallel_size"], one.tensor_parallel_size)
            sheet.put(number, PLACE["start"], number_of(row))
            if number > row:
                sheet.put(number, PLACE["beside"], number_of(row))
        if isinstance(found.at_once, str):
            sheet.put(row, PLACE["at_once"], found.at_once, "sentence")
        elif found.at_once is not None:
            self._put(row, "at_once", found.at_once)
        if found.fixed:
            self._close(row + 1, rules[1], one)
        return count

    def _close(self, row: int, rule: PartRule | None, one: Combination) -> None:
        """Let parts stand only for the share and the weights that they are of."""
        share, weights = memory_rule(one.engine, one.settings).share, one.listed.weights_bytes
        same = f"AND(memory_share={share},weights_bytes={weights})"
        assert rule is not None
        for name, own, other in (("kind", rule.kind, DECLINED), ("source", rule.source, CLOSED)):
            text = f"=IF({same},{quote(own)},{quote(other)})"
            self.sheet.live(row, PLACE[name], text, own, "note")

    def _write_rule(self, row: int, rule: PartRule | None) -> None:
        if rule is None:
            self.sheet.put(row, PLACE["part"], "weights")
            return
        self._write_name(row, rule)
        for name, value in (("bytes", rule.bytes), ("low", rule.low), ("high", rule.high)):
            self._put(row, name, value)
        self.sheet.put(row, PLACE["kind"], rule.kind, "note")
        self.sheet.put(row, PLACE["source"], rule.source, "note")

    def _put(self, row: int, name: str, value: Value) -> None:
        opened = self._open(value)
        if isinstance(opened, int):
            self.sheet.put(row, PLACE[name], opened, "number")
        else:
            own = evaluated(opened, self.found.own)
            self.sheet.live(row, PLACE[name], _text(opened), own)

    def _write_name(self, row: int, rule: PartRule) -> None:
        name = rule.at(self.found.own).name
        above = 0 if rule.or_named is None else self._open(rule.or_named[1])
        if rule.or_named is None or isinstance(above, int):
            self.sheet.put(row, PLACE["part"], name)
            return
        either = f"{quote(rule.or_named[0])},{quote(rule.name)}"
        self.sheet.live(row, PLACE["part"], f"=IF({_text(above)[1:]}>0,{either})", name, "text")

    def _open(self, value: Value) -> Value:
        own = self.found.own.items()
        return _opened(value, tuple(one for one in own if self.inputs[one[0]] != one[1]))

    def _is_exact(self, rule: PartRule) -> bool:
        return all(_is_exact(self._open(size)) for size in (rule.bytes, rule.low, rule.high))


# Most parts are in three columns the same, and on several kinds of GPUs.
@lru_cache(maxsize=256)
def _opened(value: Value, fixed: tuple[tuple[str, int], ...]) -> Value:
    return substituted(value, dict(fixed))


@lru_cache(maxsize=256)
def _is_exact(opened: Value) -> bool:
    named = variables_of(opened)
    return exact(opened, dict.fromkeys(named, 1), {name: MOST[name] for name in named})


@lru_cache(maxsize=256)
def _text(opened: Value) -> str:
    return excel.written(opened, {name: name for name in variables_of(opened)}, None).text

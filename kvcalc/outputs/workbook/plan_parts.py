"""*Plan*'s table of one GPU's memory: a row for each part of the chosen start, and what is left."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import NamedTuple

from kvcalc.answers.workbook import Workbook
from kvcalc.answers.workbook.start import Start
from kvcalc.engines.memory_part import MemoryPart
from kvcalc.outputs.workbook.cells import Sheet
from kvcalc.outputs.workbook.expected import Expected
from kvcalc.outputs.workbook.starts import DECLINED, UNKNOWN, Starts

HEADS = ("memory of one GPU", "likely", "how it is known", "", "at least", "at most", "source")
COLUMNS = {"part": 0, "bytes": 1, "kind": 2, "low": 4, "high": 5, "source": 6}
"""Columns of *Start* that are shown, and where."""

HEAD_STYLES = {
    **{COLUMNS[name]: "number head" for name in ("bytes", "low", "high")},
    **{COLUMNS[name]: "head apart" for name in ("kind", "source")},
}

STYLES = {"part": "text", "kind": "note", "source": "note"}
"""How texts look; the other columns are numbers."""

UNSEEN = "memory not reported"
"""What some GPUs of a kind have less, which `fit` calls memory that a driver may not report."""

GIVEN, WEIGHTS = "reserve_bytes", "weights_per_gpu"
UNUSED = "gpu_memory-weights_per_gpu-start_bytes-likely_budget"


class Live(NamedTuple):
    """A cell: its formula, without an equals sign, and its value as it is written."""

    formula: str
    value: int | str


LiveRow = Mapping[str, Live]


def write_parts(sheet: Sheet, first_row: int, book: Workbook, starts: Starts, own: Expected) -> int:
    """Write the table from a row on, and give the first row beneath it."""
    for column, head in enumerate(HEADS):
        sheet.put(first_row, column, head, HEAD_STYLES.get(column, "head"))
    row = first_row
    for row, cells in enumerate(_rows(book, starts, own), first_row + 1):
        for name, cell in cells.items():
            style = STYLES.get(name, "number")
            sheet.live(row, COLUMNS[name], f"={cell.formula}", cell.value, style)
    return row + 1


def _rows(book: Workbook, starts: Starts, own: Expected) -> Iterator[LiveRow]:
    found = book.starts.chosen(book.chosen)
    start = found if isinstance(found, Start) and isinstance(own.row, int) else None
    yield _weights(starts, start, own)
    parts = start.at_first if start else ()
    if start and start.declined:
        parts = (MemoryPart(UNKNOWN, 0, 0, 0, "given", start.declined),)
    for place in range(starts.most_parts):
        yield _part(starts, place, parts[place] if place < len(parts) else None)
    yield from _left(own)


def _weights(starts: Starts, start: Start | None, own: Expected) -> LiveRow:
    rule = start.weights if start else None
    as_loaded = f"{WEIGHTS}={starts.first('bytes')}"
    kind, source = (
        f'IF(ISNUMBER(start_row),IF({as_loaded},{starts.first(name)}&"",{other}),"")'
        for name, other in (("kind", '"given"'), ("source", '"weights_bytes, divided evenly"'))
    )
    return {
        "part": Live('"weights"', "weights"),
        **{name: Live(WEIGHTS, own.weights) for name in ("bytes", "low", "high")},
        "kind": Live(kind, rule.kind if rule else ""),
        "source": Live(source, rule.source if rule else ""),
    }


def _part(starts: Starts, place: int, part: MemoryPart | None) -> LiveRow:
    """A part of the chosen start; in the first one's place what is given in place of them all."""
    further = place + 1

    def shown(name: str, instead: str) -> str:
        cell = starts.first(name, further)
        text = f'IF(ISNUMBER({cell}),{cell},"")' if name not in STYLES else f'{cell}&""'
        here = f'IF({starts.first("start", further)}=start_row,{text},"")'
        given = instead if place == 0 else '""'
        return f'IF(ISNUMBER(start_row),IF(ISNUMBER({GIVEN}),{given},{here}),"")'

    values = {} if part is None else asdict(part)
    if values.get("name") == UNKNOWN:
        values |= {"bytes": "", "low": "", "high": "", "kind": DECLINED}
    given = {"part": f'"{GIVEN}"', "kind": '"given"', "source": '"as given"'}
    return {
        name: Live(
            shown(name, given.get(name, GIVEN)), values.get("name" if name == "part" else name, "")
        )
        for name in COLUMNS
    }


def _left(own: Expected) -> Iterator[LiveRow]:
    """What is not the start's: outside of the share, what may be missing, and the cache."""
    likely, promised = own.likely, own.promised
    known = isinstance(likely.budget, int) and isinstance(promised.budget, int)
    unused: int | str = ""
    if known:
        assert isinstance(own.weights, int)
        assert isinstance(likely.start, int)
        assert isinstance(likely.budget, int)
        unused = likely.memory - own.weights - likely.start - likely.budget
    outside = Live(_if_known(UNUSED), unused)
    unseen = likely.memory - promised.memory if known else ""
    cache = Live(_if_known("likely_budget"), likely.budget if known else "")
    yield {
        "part": Live('"outside of memory_share"', "outside of memory_share"),
        **dict.fromkeys(("bytes", "low", "high"), outside),
        "kind": Live('"exact"', "exact"),
        "source": Live('"the share of Engines"', "the share of Engines"),
    }
    yield {
        "part": Live(f'"{UNSEEN}"', UNSEEN),
        "bytes": Live(_if_known("0"), 0 if known else ""),
        "low": Live(_if_known("0"), 0 if known else ""),
        "high": Live(_if_known("gpu_memory-least_memory"), unseen),
        "kind": Live('"table"', "table"),
        "source": Live('"least_bytes of GPUs"', "least_bytes of GPUs"),
    }
    yield {
        "part": Live('"cache"', "cache"),
        "bytes": cache,
        "low": Live(_if_known("cache_budget"), promised.budget if known else ""),
        "high": cache,
        "source": Live('"what is left"', "what is left"),
    }


def _if_known(formula: str) -> str:
    return f'IF(AND(ISNUMBER(likely_budget),ISNUMBER(cache_budget)),{formula},"")'

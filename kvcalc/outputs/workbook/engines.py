"""*Engines*: a table of what was read about each engine, and the lists that *Plan* offers."""

from kvcalc import engines
from kvcalc.answers.workbook import Workbook
from kvcalc.answers.workbook.capacity import memory_rule
from kvcalc.dtypes import DTYPES
from kvcalc.engines import request
from kvcalc.outputs.workbook.cells import Sheet, Table
from kvcalc.outputs.workbook.layout import ENGINES, FIRST_ROW

LIST_COLUMN = len(ENGINES) + 1
"""The column of the element types; the ranks stand beside it."""

WIDTHS = (13, 20, 40, 24, 16, 16, 50, 50, 70, 3, 18, 20)
USUAL_RANKS = (1, 2, 4, 8, 16, 32)


def engines_sheet(book: Workbook) -> Sheet:
    """Lay out the table, and the two lists beside it."""
    sheet = Sheet("Engines", WIDTHS, frozen=(FIRST_ROW, 1), locked=False)
    sheet.put(0, 0, "Engines", "title")
    sheet.put(1, 0, "What was read of each engine; its formulas hold for this version.", "note")
    sheet.row(FIRST_ROW - 1, list(ENGINES), "head")
    for number, name in enumerate(book.engines, FIRST_ROW):
        engine = engines.find(name)
        version = request.release_of(name, {})[1]
        sheet.row(number, [name, version, None, *memory_rule(name, book.settings)])
        texts = {
            "source": engine.source,
            "kinds": ", ".join(engine.kinds),
            "kv_cache_dtypes": ", ".join(engine.dtypes),
            "what_makes_it_differ": _why(book, name),
        }
        texts["share_of"] = memory_rule(name).of
        for title, text in texts.items():
            sheet.put(number, ENGINES.index(title), text, "wrapped")
    last = FIRST_ROW + len(book.engines) - 1
    sheet.tables.append(Table("engines", FIRST_ROW - 1, last, ENGINES, {}))
    lists: tuple[tuple[str, tuple[str | int, ...]], ...] = (
        ("kv_cache_dtypes", dtypes(book)),
        ("tensor_parallel_sizes", ranks(book)),
    )
    for column, (name, values) in enumerate(lists, LIST_COLUMN):
        sheet.put(FIRST_ROW - 1, column, name, "head")
        for number, value in enumerate(values, FIRST_ROW):
            sheet.put(number, column, value)
    return sheet


def dtypes(book: Workbook) -> tuple[str, ...]:
    """The element types of the list: those of the workbook, then the others."""
    return tuple(dict.fromkeys((*book.dtypes, *DTYPES)))


def ranks(book: Workbook) -> tuple[int, ...]:
    """The ranks of the list: those of the workbook and the usual ones."""
    return tuple(sorted({*book.ranks, *USUAL_RANKS}))


def _why(book: Workbook, name: str) -> str:
    """Why the engine needs more than attention itself, for the first model that it runs."""
    costs = (one.cost for one in book.combinations if one.engine == name)
    return next((cost.why for cost in costs if cost is not None and cost.why), "")

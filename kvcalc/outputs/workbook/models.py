"""*Models*: a table of the models' shapes, and where each was read."""

from typing import Any

from kvcalc.answers.listed import Listed
from kvcalc.answers.workbook import Workbook
from kvcalc.outputs.workbook.cells import Sheet, Table
from kvcalc.outputs.workbook.layout import FIRST_ROW, MODELS

BYTES_PER_TOKEN = "bytes_per_token_and_layer"
FORMULA = '=IF(ISNUMBER({kv_heads}*{head_dim}),2*{kv_heads}*{head_dim}*{element_bytes},"by kind")'
WIDTHS = (24, 24, 8, 40, 10, 10, 15, 26, 10, 14, 20, 20, 80)


def models_sheet(book: Workbook) -> Sheet:
    """Lay out the table; its first column is the list that *Plan* offers."""
    sheet = Sheet("Models", WIDTHS, frozen=(FIRST_ROW, 1), locked=False)
    sheet.put(0, 0, "Models", "title")
    note = "Shapes as published. Add a row for a model of your own; kvcalc sheet gives it formulas."
    sheet.put(1, 0, note, "note")
    sheet.row(FIRST_ROW - 1, list(MODELS), "head")
    last = FIRST_ROW + len(book.models) - 1
    table = Table("models", FIRST_ROW - 1, last, MODELS, {BYTES_PER_TOKEN: FORMULA})
    sheet.tables.append(table)
    for number, one in enumerate(book.models, FIRST_ROW):
        facts = _facts(one)
        sheet.row(number, [facts[name] for name in MODELS])
        for name in ("kinds", "source"):
            sheet.put(number, MODELS.index(name), facts[name], "wrapped")
        for name in ("window", "max_context", "parameters", "weights_bytes"):
            if isinstance(facts[name], int):
                sheet.put(number, MODELS.index(name), facts[name], "number")
        formula = table.of_row(BYTES_PER_TOKEN, number)
        sheet.live(number, MODELS.index(BYTES_PER_TOKEN), formula, facts[BYTES_PER_TOKEN])
    return sheet


def window_of(one: Listed) -> int | str:
    """The window that a planner can change, or why it cannot be changed."""
    if one.model.window is not None:
        return one.model.window
    return "several" if one.model.sliding_windows else "none"


def _facts(one: Listed) -> dict[str, Any]:
    model = one.model
    heads, width = _same(one, "kv_heads"), _same(one, "head_dim")
    both = isinstance(heads, int) and isinstance(width, int)
    return {
        "model": one.name,
        "asked_for_as": one.asked or one.model.name,
        "layers": len(model.layers),
        "kinds": " + ".join(f"{count} {layer.kind}" for layer, count in model.groups)[:1000],
        "kv_heads": heads,
        "head_dim": width,
        "element_bytes": one.element_bytes,
        BYTES_PER_TOKEN: 2 * heads * width * one.element_bytes if both else "by kind",
        "window": window_of(one),
        "max_context": model.max_context,
        "parameters": model.parameters,
        "weights_bytes": one.weights_bytes,
        "source": "\n".join(dict.fromkeys((one.reading.source, *_origins(one))))[:2000],
    }


def _same(one: Listed, name: str) -> Any:
    """The value of a field in all layers, or "by kind" if they differ or one has no such field."""
    found = {
        cache_shape.get(name) if cache_shape.get("v_head_dim") is None else None
        for layer, _ in one.model.groups
        for cache_shape in [layer.shape]
    }
    value = found.pop()
    return "by kind" if found or value is None else value


def _origins(one: Listed) -> tuple[str, ...]:
    """The addresses of the sources of a preset."""
    said = one.reading.origins.values()
    return tuple(dict.fromkeys(text for text in said if "http" in text))

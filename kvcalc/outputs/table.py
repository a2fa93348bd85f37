"""Tables for programs and documents: JSON, CSV (RFC 4180) and Markdown."""

import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kvcalc.outputs.page import Page

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""Characters at which a spreadsheet starts a formula (OWASP, CSV Injection)."""


def to_json(answer: Mapping[str, Any] | list[dict[str, Any]]) -> str:
    """Write one answer as an object, or rows as an array."""
    import json

    return json.dumps(answer, indent=2) + "\n"


def to_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Write rows with a header of all their names; a mapping in a cell becomes name=value pairs."""
    import csv

    text, listed = io.StringIO(), list(rows)
    names = dict.fromkeys(name for row in listed for name in row)
    writer: Any = csv.writer(text)
    if listed:
        writer.writerow(names)
    for row in listed:
        writer.writerow([_cell(row.get(name, "")) for name in names])
    return text.getvalue()


def to_markdown(page: "Page") -> str:
    """Write a page as a heading, a table and paragraphs."""
    ruler = ["---" if place < page.text_columns else "---:" for place in range(len(page.columns))]
    lines = [f"**{_escaped(page.title)}**", ""]
    for row in (page.columns, ruler, *page.rows):
        lines.append(f"| {' | '.join(map(_escaped, row))} |")
    for note in page.notes:
        lines += ["", _escaped(note)]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> Any:
    if isinstance(value, Mapping):
        value = " ".join(f"{name}={setting}" for name, setting in value.items())
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def _escaped(text: str) -> str:
    text = text.replace("\n", " ")
    for special in "\\|<`*_[":
        text = text.replace(special, f"\\{special}")
    return text

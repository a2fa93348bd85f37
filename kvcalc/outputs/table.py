"""Tables for programs and documents: JSON, CSV (RFC 4180) and Markdown."""

import io
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kvcalc.errors import lines_printable

if TYPE_CHECKING:
    from kvcalc.outputs.page import Page

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""Characters at which a spreadsheet starts a formula (OWASP, CSV Injection)."""

NUMBER = r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?"


def to_json(answer: Mapping[str, Any] | list[dict[str, Any]]) -> str:
    """Write one answer as an object, or rows as an array."""
    import json

    return json.dumps(answer, indent=2) + "\n"


def to_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Write rows with a header of all their names; a mapping in a cell becomes name=value pairs.

    What a terminal would obey is escaped, as in a table; a line feed is one within a quoted cell.
    Lists have no place in a cell, and are left out.
    """
    import csv

    text, listed = io.StringIO(), list(rows)
    names = dict.fromkeys(
        name for row in listed for name, value in row.items() if not isinstance(value, list)
    )
    writer: Any = csv.writer(text)
    if listed:
        writer.writerow(names)
    for row in listed:
        writer.writerow([_cell(row.get(name, "")) for name in names])
    return text.getvalue()


def to_markdown(page: "Page") -> str:
    """Write a page as a heading, a table and paragraphs."""
    from kvcalc.outputs.page import shown

    page = shown(page)
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
    return harmless(lines_printable(value)) if isinstance(value, str) else value


def harmless(text: str) -> str:
    """Mark a text that a spreadsheet would take for a formula; a number is none."""
    return f"'{text}" if is_formula(text) else text


def is_formula(text: str) -> bool:
    """Whether a spreadsheet that opens CSV would calculate a cell."""
    return text.startswith(FORMULA_STARTS) and not re.fullmatch(NUMBER, text)


def _escaped(text: str) -> str:
    text = text.replace("\n", " ")
    for special in "\\|<`*_[~@":
        text = text.replace(special, f"\\{special}")
    # Bare addresses, which GitHub's Markdown makes links of (its spec, 6.9).
    return text.replace("://", "\\://").replace("www.", "www\\.")

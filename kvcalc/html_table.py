"""HTML tables for notebooks, which show what an object's `_repr_html_` returns."""

from collections.abc import Iterable, Sequence


def html_table(caption: str, rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> str:
    """Write an HTML table: whole numbers with thousands separators, all else escaped as text."""
    from html import escape

    def line(cells: Sequence[object], tag: str) -> str:
        written = (f"<{tag}>{escape(_text(cell))}</{tag}>" for cell in cells)
        return f"<tr>{''.join(written)}</tr>"

    head = f"<thead>{line(header, 'th')}</thead>" if header else ""
    body = "".join(line(cells, "td") for cells in rows)
    return f"<table><caption>{escape(caption)}</caption>{head}<tbody>{body}</tbody></table>"


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:,}" if type(cell) is int else str(cell)

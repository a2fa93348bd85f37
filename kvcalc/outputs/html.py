"""HTML: a page as a document of its own, to open or to send."""

from html import escape

from kvcalc.html_table import html_table
from kvcalc.outputs.page import Page

STYLE = (
    "body{font-family:system-ui,sans-serif;margin:2em}table{border-collapse:collapse}"
    "caption{font-weight:bold;text-align:left;padding-bottom:.5em}"
    "th,td{padding:.2em .7em;text-align:right;border-bottom:1px solid #ddd}"
)


def to_html(page: Page) -> str:
    """Write a page as a document: a table with its title, and paragraphs; all text is escaped."""
    words = "".join(
        f"th:nth-child({place}),td:nth-child({place}){{text-align:left}}"
        for place in range(1, page.text_columns + 1)
    )
    table = html_table(
        page.title, page.rows, [column.replace("\n", " ") for column in page.columns]
    )
    notes = "".join(f"<p>{escape(note)}</p>\n" for note in page.notes)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(page.title)}</title><style>{STYLE}{words}</style></head>\n"
        f"<body>{table}\n{notes}</body></html>\n"
    )

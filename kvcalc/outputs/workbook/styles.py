"""How cells look: XlsxWriter's formats, by the names that sheets use."""

from collections.abc import Mapping
from typing import Any

BLUE, GREY, LINE, PALE = "#0000FF", "#666666", "#BFBFBF", "#FFFBE6"
INPUT = {"font_color": BLUE, "bg_color": PALE, "border": 1, "border_color": LINE, "locked": False}
NOTE = {"font_color": GREY, "italic": True}
ANSWER = {"bold": True, "bg_color": "#EEF5EE", "border": 1, "border_color": LINE}
APART = {"align": "left", "indent": 1}
"""A text beside a number does not touch it; LibreOffice indents no cell without its side."""
TOP = {"valign": "top"}
"""How a cell's text is aligned, in any style."""

BYTES = "#,##0"
HEAD = {"bold": True, "bottom": 1, "valign": "top", "text_wrap": True}

STYLES: Mapping[str, Mapping[str, Any]] = {
    "title": {"bold": True, "font_size": 15},
    "head": HEAD,
    "head apart": {**HEAD, **APART},
    "number head": {**HEAD, "align": "right"},
    "text": {},
    "note": {**NOTE, **APART},
    "number note": {**NOTE, "align": "right"},
    "wrapped": {"text_wrap": True, "valign": "top", "font_size": 9, **APART},
    "number": {"num_format": BYTES},
    "gib": {"num_format": "#,##0.00"},
    "money": {"num_format": "#,##0.00##"},
    "percent": {"num_format": "0.0%"},
    "input": {**INPUT, "num_format": BYTES, "align": "right"},
    "amount": {**INPUT, "num_format": "#,##0.###", "align": "right"},
    "answer": {**ANSWER, "num_format": BYTES, "align": "right"},
    "answer gib": {**ANSWER, "num_format": "#,##0.00", "align": "right"},
    "sentence": {"font_color": "#9C2A00"},
    "fits": {"bg_color": "#C6EFCE", "font_color": "#006100"},
}
"""`fits` is applied to a cell if its condition holds."""

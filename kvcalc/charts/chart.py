"""A picture as Vega-Lite: plain data, which a notebook draws and which is saved to a file."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kvcalc.charts.theme import DARK, LIGHT
from kvcalc.errors import MissingExtraError, RequestError, quote
from kvcalc.scratch import replacing

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
MIME = "application/vnd.vegalite.v5+json"
"""What JupyterLab (4, packages/vega5-extension) and VS Code (vscode-notebook-renderers) draw."""
VEGA_LITE = "5.21"
"""The release that draws SVG and PNG, of those in vl-convert."""
PIXELS = 2
"""Pixels of a PNG to one of the picture, for screens of today."""


@dataclass(frozen=True, repr=False)
class Chart:
    """A picture: a Vega-Lite specification as plain data.

    JupyterLab and VS Code draw it where it is the last value of a cell, with nothing installed.
    """

    title: str
    parts: Mapping[str, Any] = field(hash=False)

    def spec(self, *, dark: bool = False) -> dict[str, Any]:
        """The whole specification, for a light or a dark page."""
        theme = DARK if dark else LIGHT
        title = {"text": self.title, "anchor": "start", "offset": 12}
        return {"$schema": SCHEMA, "title": title, **self.parts, "config": theme}

    def save(self, path: str | Path, *, dark: bool = False) -> None:
        """Write the picture to a file, which it replaces: .vl.json, .svg or .png by its ending.

        Raises:
            MissingExtraError: vl-convert-python, which draws .svg and .png, is not installed.
            RequestError: the file has another ending, or cannot be written.
        """
        path = Path(path)
        form = next((form for end, form in FORMS.items() if path.name.lower().endswith(end)), None)
        if form is None:
            raise RequestError.of("output", path.name, f"a name that ends in {', '.join(FORMS)}")
        drawn = form(self.spec(dark=dark))
        with replacing(path) as part:
            part.write_bytes(drawn)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {MIME: self.spec(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"Chart({quote(self.title)})"


def _json(spec: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(spec, separators=(',', ':'))}\n".encode()


def _svg(spec: Mapping[str, Any]) -> bytes:
    return f"{converter().vegalite_to_svg(spec, vl_version=VEGA_LITE)}\n".encode()


def _png(spec: Mapping[str, Any]) -> bytes:
    drawn: bytes = converter().vegalite_to_png(spec, vl_version=VEGA_LITE, scale=PIXELS)
    return drawn


def converter() -> Any:
    """Import what draws SVG and PNG.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import vl_convert
    except ImportError:
        raise MissingExtraError.of("pictures as SVG and PNG need", "plot") from None
    return vl_convert


FORMS: Mapping[str, Callable[[Mapping[str, Any]], bytes]] = {
    ".vl.json": _json,
    ".svg": _svg,
    ".png": _png,
}
"""The endings of files, and what writes each."""

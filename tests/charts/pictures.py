"""Pictures as their data: what a reader of a specification would draw."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from kvcalc.charts.chart import Chart

SVG = "{http://www.w3.org/2000/svg}"


def layers(spec: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    """The layers of a kind of mark."""
    for layer in spec["layer"]:
        mark = layer["mark"]
        if (mark if isinstance(mark, str) else mark["type"]) == kind:
            yield layer


def rows(spec: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """The data of all layers of a kind of mark."""
    return [row for layer in layers(spec, kind) for row in layer["data"]["values"]]


def said(spec: Mapping[str, Any]) -> list[str]:
    """Every text that is drawn beside axes and legends."""
    return [row["said"] for row in rows(spec, "text")]


def drawn(chart: Chart, folder: Path, *, dark: bool = False) -> list[str]:
    """Every text of a picture as SVG, which is well formed."""
    chart.save(folder / "picture.svg", dark=dark)
    tree = ElementTree.fromstring((folder / "picture.svg").read_text())
    return ["".join(text.itertext()) for text in tree.iter(f"{SVG}text")]


def plain(spec: Mapping[str, Any]) -> bool:
    """Whether a specification is plain data, the same after a journey through JSON."""
    return bool(json.loads(json.dumps(spec)) == spec)

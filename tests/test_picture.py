"""The README's picture is what kvcalc draws now."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.charts.pictures import SVG, said
from tests.generate_picture import DARK, FOLDER, LIGHT, SPEC, chart

README = FOLDER.parent / "README.md"


def test_the_data_of_the_picture_is_the_answer_of_today() -> None:
    assert json.loads(SPEC.read_text()) == chart().spec(), "python tests/generate_picture.py"


@pytest.mark.parametrize("path", [LIGHT, DARK], ids=lambda path: path.stem)
def test_the_picture_says_what_its_data_say(path: Path) -> None:
    tree = ElementTree.fromstring(path.read_text())
    texts = {"".join(text.itertext()) for text in tree.iter(f"{SVG}text")}
    spec = chart().spec()
    assert {*said(spec), spec["title"]["text"]} <= texts


def test_the_readme_opens_with_the_picture_and_says_its_figures() -> None:
    opening = README.read_text().partition("\n## ")[0]
    for path in (LIGHT, DARK):
        assert f".github/{path.name}" in opening
    figures = {one for text in said(chart().spec()) for one in re.findall(r"[0-9.]+ %", text)}
    assert figures - {"0.0 %"} <= {*re.findall(r"[0-9.]+ %", opening)}

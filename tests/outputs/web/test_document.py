"""The page's file: small, alone, and with nothing of a model in it but text."""

import json
import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import kvcalc
from kvcalc.outputs.web.encoded import encoded
from tests.each import each
from tests.shapes import PRESET

A_PRESET = 23_000


@cache
def written(*models: str) -> tuple[kvcalc.PagePlan, str]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "plan.html"
        return kvcalc.page(models, path), path.read_text()


@each("name", ["k-exaone-236b-a23b", "gpt-oss-120b", "deepseek-v4-flash", "deepseek-v4-pro"])
def test_a_preset_with_all_its_engines_is_small(name: str) -> None:
    plan, text = written(name)
    _, functions = encoded(plan)
    data = re.findall(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)
    assert len(data[0]) + len(",\n".join(functions)) < A_PRESET


def test_a_page_is_one_file_that_loads_nothing() -> None:
    _, text = written("k-exaone-236b-a23b")
    outside = re.findall(r'(?:src|href|action)="([^"]*)"', text)
    assert outside == ["data:,"]
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'; script-src 'sha256-" in text
    assert "unsafe" not in text


@pytest.mark.parametrize("name", ["</script><script>x()", "<!-- <script>", "{dtype} $data && é"])
def test_a_name_is_no_markup(name: str, tmp_path: Path) -> None:
    own, path = tmp_path / "own.toml", tmp_path / "plan.html"
    own.write_text(PRESET.replace('"Test-1B"', json.dumps(name)))
    kvcalc.page(str(own), path, engine="ideal")
    text = path.read_text()
    assert text.count("<script") == text.count("</script>") == 3
    (data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)
    assert data.isascii()
    assert not re.search("[<>&]", data)
    assert json.loads(data)["models"][0]["name"] == name


def test_an_answer_is_the_same_whatever_stands_beside_it() -> None:
    """Equal structures of formulas are written once, whatever model they are of."""
    alone, both = written("llama-3.1-8b"), written("llama-3.1-8b", "llama-3.1-70b")
    assert len(encoded(both[0])[1]) == len(encoded(alone[0])[1])

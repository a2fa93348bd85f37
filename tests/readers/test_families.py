"""The rows of model types are what transformers' classes say today."""

import json
import runpy
from pathlib import Path

import pytest

from kvcalc.readers.huggingface.families import family

ROOT = Path(__file__).parents[2]
ROWS = ROOT / "kvcalc/readers/huggingface/families.json"


def test_a_multimodal_type_has_its_language_models_row() -> None:
    assert family("gemma3") == family("gemma3_text")


def test_an_unknown_type_has_no_row() -> None:
    assert family("brand_new") is None


@pytest.mark.families
def test_the_rows_are_what_the_classes_say(tmp_path: Path) -> None:
    script = runpy.run_path(str(ROOT / "tests/generate_families.py"))
    assert json.loads(script["generated"]()) == json.loads(ROWS.read_text())

"""Folders without a config.json: what they hold is named, and what to give instead."""

from pathlib import Path

import pytest

import kvcalc
from kvcalc.errors import SourceError
from kvcalc.readers.folders import ADAPTER, MOST_FILES


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "expected a preset's name, a model's folder or a file"),
        (
            {ADAPTER: '{"base_model_name_or_path": "Qwen/Qwen3-8B"}'},
            "it holds a LoRA adapter, expected its base model 'Qwen/Qwen3-8B'",
        ),
        ({ADAPTER: '{"r": 8}'}, "it holds a LoRA adapter, expected its base model"),
        ({ADAPTER: "[" * 100_000}, "it holds a LoRA adapter, expected its base model"),
        ({ADAPTER: "[]"}, "it holds a LoRA adapter, expected its base model"),
        (
            {"mmproj-F16.gguf": "", "model-Q8_0.gguf": ""},
            "it holds 'mmproj-F16.gguf', 'model-Q8_0.gguf', expected one of its files",
        ),
    ],
)
def test_a_folder_says_what_it_holds(tmp_path: Path, files: dict[str, str], said: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(SourceError) as refused:
        kvcalc.load(tmp_path)
    assert str(refused.value) == f"'{tmp_path}' is a folder without a config.json; {said}"


def test_of_many_files_a_few_are_named(tmp_path: Path) -> None:
    for number in range(MOST_FILES + 3):
        (tmp_path / f"{number}.gguf").touch()
    with pytest.raises(SourceError) as refused:
        kvcalc.load(tmp_path)
    assert str(refused.value).count(".gguf") == MOST_FILES

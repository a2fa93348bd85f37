"""The README of the measured cases: a section for each file, a row for each of its keys."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.each import each

ORACLES = Path(__file__).parent / "oracles"
README = (ORACLES / "README.md").read_text()

FOLDERS = ("configs/", "measure/", "traces/replay/")
"""Folders with one section for all of their files, which names each: no cases are in them."""

DYNAMIC = {
    "architectures": "<architecture>",
    "buffers": "<buffer>",
    "contexts": "<context>",
    "families": "<family>",
    "groups": "<groups>",
    "model_facts": "<model>",
    "models": "<model>",
    "pattern_rules": "<architecture>",
}
"""Objects whose keys are names or numbers, no fields: what such a key is written as."""

OPAQUE = (
    "families.<family>.config",
    "models.<model>.config",
    "models[].keys",
    "types[].config",
    "cases[].changed",
)
"""Objects that are published files themselves, with the keys of their own format."""


def key_paths(value: Any, path: str = "") -> Iterator[str]:
    """Walk the keys: a dot leads into an object, `[]` into a list; a column's name is a key."""
    if isinstance(value, list):
        for item in value:
            if path.endswith("columns"):
                yield f"{path}.{item}"
            yield from key_paths(item, f"{path}[]")
    elif isinstance(value, Mapping) and path not in OPAQUE:
        parent = path.rpartition(".")[2]
        for key, inner in value.items():
            known = DYNAMIC.get(parent, "<context>" if key.isdecimal() else key)
            below = f"{path}.{known}" if path else known
            yield below
            yield from key_paths(inner, below)


def fields_of(path: Path) -> set[str]:
    """Name the fields of a file: key paths of JSON, columns of CSV, none of a plain text."""
    match path.suffix:
        case ".json":
            return set(key_paths(json.loads(path.read_text())))
        case ".jsonl":
            lines = path.read_text().splitlines()
            return {key for line in lines for key in key_paths(json.loads(line))}
        case ".csv":
            return set(next(csv.reader(path.read_text().splitlines())))
    return set()


def sections() -> dict[str, str]:
    """Split the README by the names that its second-level titles bear."""
    parts = re.split(r"^## (.+)$", README, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def rows(section: str) -> set[str]:
    """Take what the tables' first cells name in backticks."""
    cells = re.findall(r"^\| (`.+?) \|", section, flags=re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


FILES = sorted(
    path.relative_to(ORACLES).as_posix()
    for path in ORACLES.rglob("*")
    if path.is_file() and path.name != "README.md" and path.suffix != ".pyc"
)
ALONE = [name for name in FILES if not name.startswith(FOLDERS)]


def test_each_file_has_a_section_and_each_section_a_file() -> None:
    assert sorted(sections()) == sorted([*ALONE, *FOLDERS])


@each("name", ALONE)
def test_each_field_has_a_row_and_each_row_a_field(name: str) -> None:
    assert rows(sections()[name]) == fields_of(ORACLES / name)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folders_section_names_its_files(folder: str) -> None:
    inside = {name.removeprefix(folder) for name in FILES if name.startswith(folder)}
    assert rows(sections()[folder]) == inside


@each("name", [name for name in ALONE if name.endswith(".json")])
def test_a_section_says_first_what_a_case_is_and_what_ran(name: str) -> None:
    first, second = sections()[name].strip().splitlines()[:2]
    assert first.startswith("- One case: ")
    assert second.startswith("- What ran: ")

"""CONTRIBUTING names files that are there."""

import re
from pathlib import Path

from tests.each import each

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
NAMED = sorted(
    {
        path
        for path in re.findall(r"`((?:kvcalc|tests|presets)/[^` ]*)`", TEXT)
        if "<" not in path and "*" not in path
    }
)


@each("path", NAMED)
def test_a_file_that_is_named_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@each("path", sorted(set(re.findall(r"`((?:kvcalc|tests)/[^` ]*)<", TEXT))))
def test_a_folder_that_takes_a_file_is_there(path: str) -> None:
    assert (ROOT / path).parent.exists() if not path.endswith("/") else (ROOT / path).is_dir()

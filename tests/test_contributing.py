"""CONTRIBUTING and all pages beside it name files that are there."""

import re
from pathlib import Path

from tests.each import each

ROOT = Path(__file__).parents[1]
PAGES = {
    page: page.read_text()
    for page in (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / ".github").rglob("*.md"))
}
PATH = r"(?<![\w./-])(?:kvcalc|tests|presets|\.github|\.ci)/[\w./<>*-]*[\w/>*]"
"""A path from the root, wherever it stands; `<engine>` and * are for any name."""

BARE = r"`([\w-]+\.py)`"
"""A file that is named without its folder, which was named before it."""

ABOUT_KVCALC = [page for page in PAGES if page.parent.name == ".github"]
"""The pages whose files are kvcalc's own: others name those of engines."""

LINK = r"\]\((?!https?:)([^)#]+)"

NAMES = {path.name for top in ("kvcalc", "tests") for path in (ROOT / top).rglob("*.py")}


def named(pattern: str) -> list[tuple[Path, str]]:
    """What the pages name by a pattern, each with its page."""
    found = {(page, name) for page, text in PAGES.items() for name in re.findall(pattern, text)}
    assert len(found) > 5
    return sorted(found)


@each(("page", "path"), named(PATH))
def test_a_file_that_is_named_is_there(page: Path, path: str) -> None:
    anywhere = re.sub(r"<\w+>", "*", path)
    found = [*ROOT.glob(anywhere)] if "*" in anywhere else [ROOT / path]
    assert all(one.exists() for one in found)
    # What is said of any engine is true of more than one.
    assert len(found) > ("<engine>" in path)


@each(("page", "name"), [one for one in named(BARE) if one[0] in ABOUT_KVCALC])
def test_a_file_that_is_named_without_its_folder_is_there(page: Path, name: str) -> None:
    assert name in NAMES


@each(("page", "link"), named(LINK))
def test_a_link_leads_to_a_file(page: Path, link: str) -> None:
    assert (page.parent / link).exists()

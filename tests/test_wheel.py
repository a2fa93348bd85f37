"""The wheel: built, installed in a clean environment, and asked from an empty folder."""

import gzip
import os
import subprocess
import tarfile
import venv
import zipfile
from collections.abc import Callable
from email import message_from_bytes
from functools import partial
from importlib import import_module
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import hatchling.build
import pytest
from packaging.requirements import Requirement

from kvcalc.catalogue.folder import folder
from tests.conftest import Cli

ROOT = Path(__file__).parents[1]


TOP_LEVEL = {
    *("CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml"),
    *("findings", "kvcalc", "presets", "tests"),
}
"""What stands at the top of a checkout, besides dot-files."""


BUILDS: dict[str, Callable[[str], str]] = {
    "wheel": hatchling.build.build_wheel,
    "sdist": hatchling.build.build_sdist,
}
"""What any build calls in the folder of a project (PEP 517)."""


ON_GITHUB = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "org/kvcalc"}
"""What GitHub Actions says of the repository that it builds."""


def build(kind: str, target: Path, **environment: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        for name in ON_GITHUB:
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(gzip, "GzipFile", partial(gzip.GzipFile, compresslevel=1))  # half the time
        return target / BUILDS[kind](str(target))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"), **ON_GITHUB)


def needed(one: Distribution) -> dict[str, Distribution]:
    """All that a distribution says it needs, and what that needs."""
    found: dict[str, Distribution] = {}
    for required in map(Requirement, one.requires or ()):
        if required.marker is None or required.marker.evaluate({"extra": ""}):
            found[required.name] = distribution(required.name)
            assert found[required.name].version in required.specifier
            found |= needed(found[required.name])
    return found


def link(one: Distribution, folder: Path) -> None:
    """Lay an installed distribution's packages and modules into another environment."""
    for name in {path.parts[0] for path in one.files or ()} - {"..", "__pycache__"}:
        (folder / name).symlink_to(Path(str(one.locate_file(name))))


def test_the_sources_are_those_of_a_checkout(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as sources:
        tops = {name.split("/")[1] for name in sources.getnames()}
        about = sources.extractfile(f"{sources.getnames()[0].split('/')[0]}/PKG-INFO")
        assert about is not None
        assert addresses(about.read()) == []
    assert {top for top in tops if not top.startswith(".")} == TOP_LEVEL | {"PKG-INFO"}


def addresses(metadata: bytes) -> list[str]:
    return message_from_bytes(metadata).get_all("Project-URL", [])


def test_a_wheel_that_github_builds_has_the_addresses_of_its_repository(wheel: Path) -> None:
    packed = zipfile.ZipFile(wheel)
    (about,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
    found = dict(one.split(", ") for one in addresses(packed.read(about)))
    assert found["Repository"] == "https://github.com/org/kvcalc"
    pages = {url.partition("/main/")[2] for url in found.values()} - {""}
    assert pages == {"CHANGELOG.md", ".github/docs", ".github/SECURITY.md"}
    assert all((ROOT / page).exists() for page in pages)


def test_the_wheel_holds_the_presets_the_types_and_the_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    presets = {f"kvcalc/presets/models/{path.name}" for path in folder("models").glob("*.toml")}
    assert {"kvcalc/py.typed", "kvcalc/__main__.py", *presets} <= set(names)
    assert any(name.endswith("/LICENSE") for name in names)


def test_the_wheel_holds_nothing_but_the_package(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top.partition("-")[0] for top in tops} == {"kvcalc"}


def test_an_installed_wheel_answers_as_the_checkout_does(
    wheel: Path, tmp_path: Path, cli: Cli
) -> None:
    """In an environment that has what the wheel says it needs, by links, and no more."""
    venv.create(tmp_path / "venv", symlinks=True)
    programs = tmp_path / "venv" / "bin"
    pip = Path(import_module("pip").__path__[0])  # as `pip --python` runs it there
    into = ("install", "-q", "--no-compile", "--no-deps")
    subprocess.run([programs / "python", pip, *into, wheel], check=True, capture_output=True)
    (packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (own,) = distributions(path=[str(packages)])
    for one in needed(own).values():
        link(one, packages)
    empty = tmp_path / "empty"
    empty.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    for program in ([programs / "kvcalc"], [programs / "python", "-m", "kvcalc"]):
        asked = [*program, "sweep", "K-EXAONE-236B-A23B"]
        ran = subprocess.run(asked, capture_output=True, check=True, cwd=empty, env=clean)
        assert ran.stdout.decode() == cli("sweep", "k-exaone-236b-a23b").out
        assert ran.stderr == b""
    assert not list(empty.iterdir())

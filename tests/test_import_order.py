"""A file imports only what stands above it, whenever it does: at once, late, or for types alone."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import kvcalc
from kvcalc.engines import ENGINES
from tests.sources import nodes, tree

ROOT = Path(kvcalc.__file__).parent
PATHS = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}

ROOMS = (
    "kvcalc.errors",
    "kvcalc.warned",
    "kvcalc.units",
    "kvcalc.spelling",
    "kvcalc.dtypes",
    "kvcalc.frozen",
    "kvcalc.files",
    "kvcalc.scratch",
    "kvcalc.html_table",
    "kvcalc.charts",
    "kvcalc.records",
    "kvcalc.formula",
    "kvcalc.layers",
    "kvcalc.parameters",
    "kvcalc.checkpoint",
    "kvcalc.model",
    "kvcalc.catalogue",
    "kvcalc.explanation",
    "kvcalc.costs",
    "kvcalc.pools",
    "kvcalc.engines",
    "kvcalc.readers",
    "kvcalc.answers",
    "kvcalc.outputs",
    "kvcalc.cli",
    "kvcalc",
)
"""From the ground up: a module belongs to the first that its name begins with."""


def room_of(module: str) -> int:
    return next(place for place, room in enumerate(ROOMS) if f"{module}.".startswith(f"{room}."))


def imported(path: Path) -> Iterator[str]:
    """The modules of ours that a file names: in an import anywhere, or by a text of its name."""
    for node in nodes(tree(path)):
        match node:
            case ast.Import(names=names):
                named = [each.name for each in names]
            case ast.ImportFrom(module=str(package), names=names):
                named = [
                    within if (within := f"{package}.{each.name}") in PATHS else package
                    for each in names
                ]
            case ast.Constant(value=str(text)) if "." in text:
                named = [text]
            case _:
                named = []
        yield from (name for name in named if name in PATHS)


@cache
def graph() -> dict[str, set[str]]:
    return {module: set(imported(path)) - {module} for module, path in PATHS.items()}


def test_no_arrow_goes_up() -> None:
    arrows = [(module, other) for module, others in graph().items() for other in others]
    assert [f"{a} -> {b}" for a, b in arrows if room_of(b) > room_of(a)] == []


def test_readers_know_no_engine_and_engines_know_each_other_by_what_all_share() -> None:
    arrows = [(module, other) for module, others in graph().items() for other in others]
    engines = {row.folder for row in ENGINES.values()}
    crossing = [
        f"{a} -> {b}"
        for a, b in arrows
        for engine in engines
        if f"{b}.".startswith(f"{engine}.") and not f"{a}.".startswith(f"{engine}.")
        if a.startswith(("kvcalc.readers.", "kvcalc.engines."))
    ]
    assert crossing == []


def test_there_is_no_circle() -> None:
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))

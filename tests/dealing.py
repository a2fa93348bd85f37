"""How whole files of tests are dealt out to the processes of pytest-xdist."""

import sys
from collections.abc import Iterable
from itertools import islice
from typing import Any, SupportsIndex

import pytest
from xdist.scheduler import LoadFileScheduling

OF_ONE_PROCESS = {
    "LibreOffice and Vega, each of which then starts once": (
        "tests/outputs/workbook/",
        "tests/formula/languages/test_agreement.py",
        "tests/formula/test_limits.py",
        "tests/cli/test_fit_workbook.py",
        "tests/charts/",
        "tests/answers/test_plot.py",
        "tests/cli/test_plot.py",
        "tests/test_benchmarks.py",
        "tests/test_readme.py",
    ),
    "our own files as trees, each parsed once": (
        "tests/test_dead_code.py",
        "tests/test_error_texts.py",
        "tests/test_import_order.py",
        "tests/test_tables.py",
    ),
}
"""Folders and files that one process is to have, by what they share."""


class Names(list[str]):
    """The tests of a process, with their places: each is asked for, of thousands."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(names)
        self._places = {name: place for place, name in enumerate(self)}

    def index(self, name: str, start: SupportsIndex = 0, stop: SupportsIndex = sys.maxsize) -> int:
        return self._places[name]


class Collected(dict[Any, list[str]]):
    """The tests of each process."""

    def __setitem__(self, process: Any, names: list[str]) -> None:
        super().__setitem__(process, Names(names))


def pending(files: dict[str, dict[str, bool]]) -> int:
    """How many tests a process has before it, up to 3, for it is given more when it has two.

    Those that are done come first: it is asked after each of thousands, so they are not gone over.
    """
    done = (done for file in reversed(files.values()) for done in reversed(file.values()))
    return len(list(islice((True for one in done if not one), 3)))


def share_of(nodeid: str) -> str:
    """What a test is dealt out with: its file, or all that share something with it."""
    shared = (name for name, places in OF_ONE_PROCESS.items() if nodeid.startswith(places))
    return next(shared, nodeid.partition("::")[0])


def by_file(config: pytest.Config, log: Any) -> Any:
    """Deal as --dist loadfile does, but the files OF_ONE_PROCESS together."""
    dealt = LoadFileScheduling(config, log)
    dealt.registered_collections = Collected()
    dealt._split_scope = share_of
    dealt._pending_of = pending
    return dealt

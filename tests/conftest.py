"""What all tests share: a plain environment, and the command line run in this process."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import call_and_report, runtestprotocol

if TYPE_CHECKING:
    from kvcalc.errors import KvcalcError
    from tests.outputs.workbook.office import Office


@dataclass(frozen=True)
class Outcome:
    """What a run of the command line left: its exit code, its two streams and its error."""

    code: int
    out: str
    err: str
    error: "KvcalcError | None" = None


Cli = Callable[..., Outcome]


PLAIN = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
"""What a terminal's width and colours are taken from."""


LONGEST = (
    "tests/outputs/workbook/test_recalculated.py",
    "tests/engines/vllm/test_prefix_cache.py",
    "tests/cli/test_endings.py",
    "tests/engines/vllm/test_oracles.py",
    "tests/test_bounds.py",
    "tests/answers/traces/test_trace.py",
    "tests/answers/traces/test_gpus.py",
    "tests/test_wheel.py",
)
"""Files that take seconds, which begin first: the last to end has no other beside it."""


EVERYWHERE = {"request", "_syrupy_apply_ide_patches"}
"""Fixtures of pytest and of syrupy that each test is given, the latter for an editor."""


def pytest_configure(config: pytest.Config) -> None:
    """Make ready for tests; a process of pytest-xdist that only deals them out imports nothing."""
    # What pytest makes of each test's file is kept for the next run, as is what Python makes of
    # ours, which programs that tests start need too: to make it takes seconds of each process.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if getattr(config.option, "dist", "no") != "no":
        config.option.loadscopereorder = False  # which would go by numbers of tests
        if not config.getoption("--hypothesis-profile"):
            return
    else:
        # Most of what collecting makes stays: to look for garbage meanwhile finds nothing.
        gc.disable()
    from hypothesis import settings

    # Laws are tried with more examples where the oldest and the newest dependencies are (ci.yml).
    settings.register_profile("kvcalc", deadline=None, max_examples=20)
    settings.register_profile("long", deadline=None, max_examples=400)
    settings.load_profile("kvcalc")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(LONGEST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.getvalue("dist") != "loadfile":
        return None
    from tests.dealing import by_file

    return by_file(config, log)


def pytest_collection_finish() -> None:
    """Set what was collected aside, with a plain environment, before the first test.

    Thousands of measured cases are to be in no later collection of garbage.
    """
    for name in PLAIN:
        os.environ.pop(name, None)
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Look for no garbage among all that is left when the process ends."""
    gc.freeze()


def pytest_runtest_protocol(item: pytest.Function, nextitem: pytest.Item | None) -> bool | None:
    """Send one message of a test that passes to pytest-xdist's controller instead of five.

    Those of its start and its end are for -v, and its set-up and its teardown only say how long
    they took, which two options print. A test that is given but the row of a table has none: with
    thousands of rows they would take longer than the tests themselves.
    """
    option = item.config.option
    told = option.verbose > 0 or option.xmlpath or option.durations is not None
    if told or not hasattr(item.config, "workerinput"):
        return None
    if _has_only_its_row(item):
        item.funcargs = {**item.callspec.params}
        reports = [call_and_report(item, "call", log=False)]
        item.session._setupstate.teardown_exact(nextitem)
    else:
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    for report in reports:
        if report.when == "call" or not report.passed:
            report.keywords = {}  # a score of names, which nothing asks for
            item.ihook.pytest_runtest_logreport(report=report)
    return True


def _has_only_its_row(item: pytest.Function) -> bool:
    """Whether a test has no fixture, and no mark that may skip it, beside its parameters."""
    if not hasattr(item, "callspec"):
        return False
    beside = {*item.fixturenames} - item.callspec.params.keys() - EVERYWHERE
    return not beside and all(mark.name == "parametrize" for mark in item.iter_markers())


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run `kvcalc` with arguments, as the console script does.

    Whatever a test asks, an error that ends a command has the facts that its kind promises.
    """
    from kvcalc.cli import app, main
    from kvcalc.errors import KvcalcError
    from tests.promised import missing

    errors: list[KvcalcError] = []
    built = app.built

    def watched() -> Callable[..., Any]:
        def program(*given: Any, **how: Any) -> Any:
            try:
                return built()(*given, **how)
            except KvcalcError as error:
                errors.append(error)
                raise

        return program

    monkeypatch.setattr(app, "built", watched)

    def run(*arguments: str) -> Outcome:
        errors.clear()
        monkeypatch.setattr(sys, "argv", ["kvcalc", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        streams = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        error = errors[0] if errors else None
        assert not missing(error), (arguments, error)
        return Outcome(ended.value.code, streams.out, streams.err, error)

    return run


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Office]":
    """LibreOffice, started once for all workbooks of a process; it starts while they are made."""
    from tests.outputs.workbook.office import Office

    started = Office(tmp_path_factory.mktemp("office"))
    yield started
    started.close()

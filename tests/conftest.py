"""What all tests share: a plain environment, and the command line run in this process."""

import gc
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import settings

from kvcalc.cli import main

gc.disable()
"""Until all is collected: most of what that makes stays, and looking at it again finds nothing."""

settings.register_profile("kvcalc", deadline=None, max_examples=50)
settings.load_profile("kvcalc")


@dataclass(frozen=True)
class Outcome:
    """What a run of the command line left: its exit code and its two streams."""

    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


PLAIN = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
"""What a terminal's width and colours are taken from."""


@pytest.fixture(autouse=True, scope="session")
def _plain_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name in PLAIN:
            environment.delenv(name, raising=False)
        yield


def pytest_collection_finish() -> None:
    """Keep what collecting made, thousands of measured cases, out of every garbage collection."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run `kvcalc` with arguments, as the console script does."""

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["kvcalc", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        streams = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, streams.out, streams.err)

    return run

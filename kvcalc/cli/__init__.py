"""The command line: parse, call an answer, hand it to an output."""

import gc
import os
import signal
import sys
from warnings import simplefilter

OBJECTS_OF_A_START = 100_000
"""More than the imports of any command make."""


def main() -> None:
    """Run the command line, and exit with its code.

    Imports make much and discard little: collecting while they run is a tenth of a cold start, so
    nothing is collected before they are done.
    """
    gc.set_threshold(OBJECTS_OF_A_START)
    simplefilter("default")  # whatever PYTHONWARNINGS says; `run` tells kvcalc's own
    from kvcalc.cli.app import run

    raise SystemExit(run())


def program() -> None:
    """Run the command line as a process of its own, which ends as soon as all is written.

    Taking apart what was imported, object by object, is a twentieth of a cold start (mypy's
    util.hard_exit leaves it out for the same reason).
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    try:
        main()
    except SystemExit as ended:
        for stream in filter(None, (sys.stdout, sys.stderr)):  # None: closed by the shell
            stream.flush()
        _leave(int(ended.code or 0))


def _end(number: int, _: object) -> None:
    """End at once and say nothing: 130 by Ctrl-C, 143 by SIGTERM.

    Whatever is raised here would be told as a fault by the library that is at work.
    """
    if "rich.progress" in sys.modules and sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K\x1b[?25h")  # the bar goes, and the cursor is shown again
        sys.stderr.flush()
    _leave(128 + number)


def _leave(code: int) -> None:
    if scratch := sys.modules.get("kvcalc.scratch"):
        scratch.remove_all()
    os._exit(code)

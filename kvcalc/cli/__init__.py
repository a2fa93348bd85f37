"""The command line: parse, call an answer, hand it to an output."""

import gc
import os
import sys

OBJECTS_OF_A_START = 100_000
"""More than the imports of any command make."""


def main() -> None:
    """Run the command line, and exit with its code.

    Imports make much and discard little: collecting while they run is a tenth of a cold start, so
    nothing is collected before they are done.
    """
    gc.set_threshold(OBJECTS_OF_A_START)
    from kvcalc.cli.app import run

    raise SystemExit(run())


def program() -> None:
    """Run the command line as a process of its own, which ends as soon as all is written.

    Taking apart what was imported, object by object, is a twentieth of a cold start (mypy's
    util.hard_exit leaves it out for the same reason).
    """
    try:
        main()
    except SystemExit as ended:
        for stream in filter(None, (sys.stdout, sys.stderr)):  # None: closed by the shell
            stream.flush()
        os._exit(int(ended.code or 0))

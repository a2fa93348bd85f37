"""The command line: parse, call an answer, hand it to an output."""

import gc

OBJECTS_OF_A_START = 100_000
"""More than the imports of any command make."""


def main() -> None:
    """Run the command line and exit.

    Imports make much and discard little: collecting while they run, and walking all they made
    again at the exit, is a fifth of a cold start. So nothing is collected before they are done,
    and nothing at the exit.
    """
    gc.set_threshold(OBJECTS_OF_A_START)
    from kvcalc.cli.app import run

    code = run()
    gc.freeze()
    raise SystemExit(code)

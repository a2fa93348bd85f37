"""The command line: parse, call an answer, hand it to an output."""

import gc


def main() -> None:
    """Run the command line and exit.

    Imports make much and discard little: collecting while they run, and walking all they made
    again at the exit, is a sixth of a cold start. So what they make is never collected.
    """
    gc.disable()
    from kvcalc.cli.app import run

    gc.freeze()
    gc.enable()
    code = run()
    gc.freeze()
    raise SystemExit(code)

"""The command line: parse, call an answer, hand it to an output."""

import gc


def main() -> None:
    """Run the command line and exit."""
    # Imports make much and discard little: collecting while they run is a tenth of a cold start.
    gc.disable()
    from kvcalc.cli.app import run

    gc.enable()
    raise SystemExit(run())

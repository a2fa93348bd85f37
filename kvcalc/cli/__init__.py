"""The command line: parse, call an answer, hand it to an output."""

from kvcalc.cli.main import main

__all__ = ["main"]

"""`python -m kvcalc`."""

from kvcalc.cli import program

program()

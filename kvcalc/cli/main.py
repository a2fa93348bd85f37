"""The commands, and what becomes of an error: one sentence on stderr and an exit code."""

import sys
import traceback
from typing import Annotated

import typer

from kvcalc.cli.estimate import estimate
from kvcalc.cli.models import models
from kvcalc.cli.sweep import sweep
from kvcalc.errors import KvcalcError, printable

REQUEST_WAS_WRONG = 2
KVCALC_FAILED = 70
"""EX_SOFTWARE of sysexits.h."""

# Without rich markup, --help is plain text and does not import rich.
app = typer.Typer(name="kvcalc", no_args_is_help=True, rich_markup_mode=None)
for command in (estimate, sweep, models):
    app.command()(command)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"kvcalc {version('kvcalc')}")
        raise typer.Exit


@app.callback()
def kvcalc(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The key/value-cache memory a language model needs at inference, to the byte."""


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run())


def run() -> int:
    """Run the command line; errors of the request are one sentence on stderr."""
    try:
        return app(standalone_mode=False) or 0
    except KvcalcError as error:
        sentence = str(error)
    except typer.TyperException as error:
        sentence = error.format_message()
    except typer.Abort:
        sentence = "interrupted"
    except Exception:
        traceback.print_exc()
        print("kvcalc: this is a fault of kvcalc, not of the request", file=sys.stderr)
        return KVCALC_FAILED
    print(f"kvcalc: {printable(sentence)}", file=sys.stderr)
    return REQUEST_WAS_WRONG

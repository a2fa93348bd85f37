"""The commands, and what becomes of an error: one sentence on stderr and an exit code."""

import os
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from io import StringIO, TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from kvcalc.cli.stderr import tell as tell_on_stderr
from kvcalc.cli.typer_command import Command
from kvcalc.errors import KvcalcError, printable
from kvcalc.outputs.write import discard_stdout
from kvcalc.units import AmountWarning

REQUEST_WAS_WRONG = 2
KVCALC_FAILED = 70
"""EX_SOFTWARE of sysexits.h."""

COMMANDS = {
    "estimate": "Cache memory at one context.",
    "sweep": "Cache memory across contexts and windows.",
    "plot": "A picture of memory against context.",
    "formula": "The formula, for a spreadsheet, a query or a program.",
    "fill": "Answer every row of a plan, in a CSV or .xlsx file.",
    "sheet": "A spreadsheet of live formulas, for planners.",
    "page": "A page of live figures, for a browser.",
    "compare": "One request on every engine, and why the engines differ.",
    "diff": "Two releases, engines or models, and what makes them differ.",
    "explain": "How an engine arrives at its bytes, step by step.",
    "engines": "The engines, the releases read and their settings.",
    "show": "What was read about a model, and where.",
    "fit": "What fits: how many sequences, tokens or GPUs.",
    "check": "An engine's start-up log, checked figure by figure.",
    "trace": "Peak cache memory over traces of requests.",
    "replay": "What a prefix cache of some size hits of a trace.",
    "gpus": "The GPUs that kvcalc knows by name.",
    "models": "The presets: models that kvcalc knows by name.",
    "schema": "The JSON Schema of a command's --json.",
    "skill": "A SKILL.md that teaches agents these commands.",
}
"""Each command and its help; it is the function of that name in the module of that name."""

ALIASES = {"list": "models", "version": "--version"}
"""Words that are typed for a command or an option."""

HELP = ("-h", "--help")

NAME = "kvcalc"

COMPLETE = "_KVCALC"
"""What the shells' variables begin with, by the program's name."""

OF_ALL = (*HELP, "-V", "--version", "--install-completion", "--show-completion")
"""Options that stand before a command."""


context_settings = {"help_option_names": HELP, "max_content_width": 100}


class Commands(TyperGroup, Command):
    """The commands; only the one that is called is imported."""

    commands: Any

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = dict.fromkeys(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command, once."""
        if cmd_name in COMMANDS and self.commands[cmd_name] is None:
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            function = getattr(import_module(f"kvcalc.cli.{cmd_name}"), cmd_name)
            alone.command(cmd_name, cls=Command, context_settings=context_settings)(function)
            self.commands[cmd_name] = typer.main.get_command(alone)
        return self.commands.get(cmd_name)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words; half a line has its command, too, where it names none."""
        return super().parse_args(ctx, understood(args) if ctx.resilient_parsing and args else args)

    def words(self, incomplete: str) -> list[str]:
        """The models, which may stand for `estimate`, once a word is begun."""
        if not incomplete or incomplete.startswith("-"):
            return []
        from kvcalc.catalogue.models import names

        return [name for name in names() if name.startswith(incomplete.lower())]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands' help without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


# Without rich markup, --help is plain text and does not import rich.
app = typer.Typer(name=NAME, cls=Commands, rich_markup_mode=None, context_settings=context_settings)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"kvcalc {version('kvcalc')}")
        raise typer.Exit


@app.callback()
def kvcalc(
    version: Annotated[
        bool,
        typer.Option(
            "-V", "--version", callback=_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """The key/value-cache memory a language model needs at inference, to the byte.

    kvcalc sweep k-exaone-236b-a23b

    kvcalc fit gpt-oss-120b --gpu h100 -e vllm -c 128K
    """


@cache
def built() -> Any:
    """The command line, which typer builds once in a process."""
    return typer.main.get_command(app)


def _teller() -> Callable[..., None]:
    """Print kvcalc's warnings on stderr: they are about the request, not about the code.

    Those of other libraries are about code, and not printed. How amounts were read is a note, once
    for all of a kind.
    """
    told = set()

    def tell(message: Warning | str, category: type[Warning], *place: object) -> None:
        if category in told or not category.__module__.startswith("kvcalc."):
            return
        severity = "warning"
        if issubclass(category, AmountWarning):
            told.add(category)
            severity = "note"
        tell_on_stderr(f"{severity}: {printable(str(message))}")

    return tell


def understood(args: list[str]) -> list[str]:
    """Give words their command: without one, a model or an option is of `estimate`."""
    first = args[0] if args else "help"
    if first in COMMANDS or first in OF_ALL:
        return args
    if first == "help":
        return [*args[1:2], "--help"]
    if first in ALIASES:
        return [ALIASES[first], *args[1:]]
    return ["estimate", *args] if first.startswith("-") or _is_model(first) else args


def _is_model(name: str) -> bool:
    """Whether a word is, or is nearly, a model rather than a command."""
    from kvcalc.catalogue import models
    from kvcalc.spelling import nearest

    if models.find(name) is not None or "/" in name or Path(name).exists():
        return True
    return not nearest(name, COMMANDS) and bool(nearest(name, models.names()))


def _completed_in_bash() -> int:
    """Answer bash, which replaces only what stands behind an equals sign."""
    from contextlib import redirect_stdout

    from kvcalc.cli.completion import joined

    kept, answer = joined(os.environ), StringIO()
    with suppress(SystemExit), redirect_stdout(answer):
        built()([], prog_name=NAME, standalone_mode=False)
    print("\n".join(line.removeprefix(kept) for line in answer.getvalue().splitlines()))
    return 0


def run() -> int:
    """Run the command line; errors of the request are one sentence on stderr."""
    if sys.stderr is None:  # closed by the shell: 2>&-
        sys.stderr = StringIO()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _teller()
    if os.environ.get(f"{COMPLETE}_COMPLETE") == "complete_bash":
        return _completed_in_bash()
    try:
        return built()(understood(sys.argv[1:]), prog_name=NAME, standalone_mode=False) or 0
    except KvcalcError as error:
        sentence = str(error)
    except typer.TyperException as error:
        sentence = error.format_message()
    except OSError as error:  # of --help and --version, which typer writes
        sentence = f"stdout: cannot be written ({error.strerror})"
        discard_stdout()
    except Exception:
        traceback.print_exc()
        tell_on_stderr("this is a fault of kvcalc, not of the request")
        return KVCALC_FAILED
    tell_on_stderr(printable(sentence))
    return REQUEST_WAS_WRONG

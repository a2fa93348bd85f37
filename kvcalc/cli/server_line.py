"""The options that describe a running server: its command line and its GPU."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from kvcalc import engines
from kvcalc.cli.options import GPU, EngineOptions, ModelOptions
from kvcalc.cli.warnings import note_on_stderr
from kvcalc.errors import RequestError
from kvcalc.model import Model

if TYPE_CHECKING:
    from kvcalc.engines.server import Asked, Beside


FromLine = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="'vllm serve ...'",
        help="Read model, engine and settings from a server's command line, or from a script, "
        "a compose file or a manifest (@FILE); nothing is run, and other options win.",
    ),
]
"""A server's command line, on every command that reads one."""


class ServerRequest(NamedTuple):
    """What a command line and the options ask for together; the options win."""

    model: ModelOptions
    engine: str
    settings: dict[str, Any]
    context: int | None = None
    sequences: int | None = None
    shares_maximum: bool = False
    longest: int | None = None
    beside: "tuple[Beside, ...]" = ()
    share: str | None = None

    def context_of(self, model: Model) -> int | None:
        """The context of one sequence: the command line's, or what it leaves of the maximum."""
        if self.context is not None or model.max_context is None:
            return self.context
        if self.shares_maximum:
            return max(1, model.max_context // (self.sequences or 1))
        return None if self.longest is None else min(model.max_context, self.longest)


@dataclass(repr=False, eq=False)
class ServerOptions:
    """An engine's command line, and the GPU it runs on."""

    from_line: FromLine = None
    gpu: Annotated[str | None, typer.Option("--gpu", help=GPU)] = None

    def request(self, model: ModelOptions, engine: EngineOptions) -> ServerRequest:
        """Merge the command line and the options.

        Raises:
            RequestError: the line cannot be read, or starts another engine than -e.
        """
        if self.from_line is None:
            return ServerRequest(model, engine.engine, engine.settings(gpu=self.gpu))
        from kvcalc.engines import server_reader
        from kvcalc.readers import line_files

        line = self.from_line
        if line_files.names_a_file(line):
            line = line_files.read(line)
        own, release = engines.parted(engine.engine)
        wanted = engine.settings(gpu=self.gpu)
        name, asked = server_reader.read(
            line, None if own == "ideal" else own, release or wanted.get("release")
        )
        if release is not None:
            asked.settings.pop("release", None)
        if own == name:
            name = engine.engine  # with the release that -e names
        elif engine.engine != "ideal":
            raise RequestError.about(
                "-e",
                f"found {engine.engine} beside a --from line of {name}",
                found=engine.engine,
            )
        for note in asked.notes:
            note_on_stderr(note)
        given = any(getattr(model, field.name) is not None for field in fields(model))
        alone = next(
            (
                one
                for one in asked.beside
                if one.told_by is not None and one.told_by in wanted.items()
            ),
            None,
        )
        return ServerRequest(
            model=model if given else replace(model, model=_source(asked)),
            engine=name,
            settings=(asked if alone is None else alone).settings | wanted,
            context=asked.context,
            sequences=asked.sequences,
            shares_maximum=asked.shares_maximum,
            longest=asked.longest,
            beside=() if alone else tuple(asked.beside),
            share=asked.share,
        )


def _source(asked: "Asked") -> str | None:
    """The model that a line names, with the revision of its repository on the Hub."""
    if asked.model is None or asked.revision in (None, "main") or Path(asked.model).exists():
        return asked.model
    from kvcalc.readers import hub

    found = hub.parse(asked.model)
    return asked.model if found is None else f"{found.repository}@{asked.revision}"

"""The options that describe a running server: its command line, its flags and its GPU."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from kvcalc import engines
from kvcalc.cli.amounts import amounts
from kvcalc.cli.completion import gpus
from kvcalc.cli.grouped import Options
from kvcalc.cli.options import (
    GPU,
    AxesOptions,
    EngineOptions,
    ModelOptions,
    ModelsOptions,
    OtherSettings,
    items,
)
from kvcalc.cli.server_request import ServerRequest
from kvcalc.errors import RequestError

if TYPE_CHECKING:
    from kvcalc.engines.server.asked import Asked


FromLine = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="'vllm serve ...'",
        help="A server's command line, or a script, compose file or manifest of it (@FILE); "
        "nothing is run, and other options win.",
    ),
]
"""A server's command line, on every command that reads one."""


Texts = str | Iterable[str] | None
"""What an option was given, once or several times."""


class LineOptions(Options):
    """An engine's command line, and the flags of engines beside the options."""

    counts_beside: ClassVar[bool] = False
    """Whether the command itself says what caches beside the model's own take, as a draft's."""

    from_line: FromLine = None

    def asked(
        self,
        model: ModelOptions,
        options: OtherSettings,
        names: Sequence[str],
        context: Texts = None,
        sequences: Texts = None,
        **beside: Any,
    ) -> ServerRequest:
        """Merge the line, the flags and the options; of several engines each takes its own.

        `context` and `sequences` are what the options say of them.

        Raises:
            RequestError: the line or a flag cannot be read, or the line starts another engine.
        """
        found = self._merged(model, options, names, context, sequences, beside)
        if not self.counts_beside:
            found.say_beside()
        return found

    def _merged(
        self,
        model: ModelOptions,
        options: OtherSettings,
        names: Sequence[str],
        context: Texts,
        sequences: Texts,
        beside: Mapping[str, Any],
    ) -> ServerRequest:
        if len(names) == 1:
            return self._of_one(model, options, names[0], context, sequences, beside)
        found = ServerRequest(model, tuple(names), options.settings(**beside))
        if options.flags:
            from kvcalc.engines.server import own_flags

            for name in names or engines.ENGINES:
                found = found.with_flags(own_flags.read(options.flags, name), name)
        if self.from_line is None:
            return found
        started, asked = _read(self.from_line, None, None, context, sequences)
        if release := asked.settings.pop("release", None):
            # Another engine has releases of its own.
            at_release = {started: f"{started}@{release}"}
            of_line = (
                at_release.get(engines.full_name(name), name) for name in names or engines.ENGINES
            )
            found = found._replace(engines=tuple(of_line))
        return found.with_asked(asked, started).with_model_of(asked)

    def started(self) -> str | None:
        """The engine that the line starts, with its release if one is named; None without a line.

        Raises:
            RequestError: the line cannot be read.
        """
        if self.from_line is None:
            return None
        name, asked = _read(self.from_line, None, None)
        release = asked.settings.get("release")
        return name if release is None else f"{name}@{release}"

    def of_models(
        self,
        models: ModelsOptions,
        axes: AxesOptions,
        context: Texts = None,
        sequences: Texts = None,
        **beside: Any,
    ) -> ServerRequest:
        """Merge them, as `asked` does; the model is the first, or the line's."""
        named = models.model[0] if models.model else None
        first = ModelOptions(model=named, **models.shape)
        found = self.asked(first, axes, axes.names, context, sequences, **beside)
        if models.model is None and found.model.model is not None:
            models.model = [found.model.model]
        return found

    def of_files(
        self,
        models: list[str] | None,
        axes: AxesOptions,
        context: Texts = None,
        sequences: Texts = None,
        **beside: Any,
    ) -> tuple[list[str], ServerRequest]:
        """The models of a file of live figures, and what is asked; engines are all unless named.

        All models have one context and one number of sequences, those of the line's server with the
        first.

        Raises:
            RequestError: as `asked`; or neither the options nor the line name a model.
        """
        started = self.started()
        named = items(axes.engine) or ([] if started is None else [started])
        first = ModelOptions(models[0] if models else None)
        found = self.asked(first, axes, named, context, sequences, **beside)
        names = models or ([] if found.model.model is None else [found.model.model])
        if not names:
            raise RequestError.about("MODEL", "missing; give a model, or --from a server's line")
        if found.alone is not None or found.cut_to_maximum:
            from kvcalc import readers

            model = readers.read(names[0]).model
            found = found._replace(
                context=found.context if context else found.context_of(model),
                sequences=found.sequences if sequences else found.sequences_of(model),
            )
        return names, found

    def _of_one(
        self,
        model: ModelOptions,
        options: OtherSettings,
        called: str,
        context: Texts,
        sequences: Texts,
        beside: Mapping[str, Any],
    ) -> ServerRequest:
        own, release = engines.split_release(called)
        found = ServerRequest(model, (called,), options.settings(**beside))
        release = release or found.settings.get("release")
        if self.from_line is not None:
            started = None if own == "ideal" else own
            name, asked = _read(self.from_line, started, release, context, sequences)
            if own not in ("ideal", name):
                raise RequestError.about(
                    "-e", f"found {called} beside a --from line of {name}", found=called
                )
            found = found._replace(engines=(called if own == name else name,))
        if options.flags or called not in engines.ENGINES:
            from kvcalc.engines.server import own_flags

            found = found.with_flags(
                own_flags.read(
                    options.flags,
                    found.engine,
                    release,
                    context=_largest(context, "--context"),
                    sequences=_largest(sequences, "--sequences"),
                ),
                found.engine,
            )
        if self.from_line is None:
            return found
        if engines.split_release(called)[1] is not None:
            asked.settings.pop("release", None)
        return found.with_asked(asked, found.engine).with_model_of(asked)


class ServerOptions(LineOptions):
    """An engine's command line, and the GPU it runs on."""

    gpu: Annotated[str | None, typer.Option("--gpu", help=GPU, autocompletion=gpus)] = None

    def request(
        self,
        model: ModelOptions,
        engine: EngineOptions,
        context: Texts = None,
        sequences: Texts = None,
    ) -> ServerRequest:
        """Merge the command line and the options, as `asked` does, on the GPU.

        Raises:
            RequestError: as `asked`; or no default of the engine depends on a GPU.
        """
        found = self.asked(model, engine, [engine.engine], context, sequences, gpu=self.gpu)
        self._refuse_where_none_depends([found.engine])
        return found

    def of_several(
        self,
        models: ModelsOptions,
        axes: AxesOptions,
        context: Texts = None,
        sequences: Texts = None,
    ) -> ServerRequest:
        """Merge them for one or several engines; the model is the first, or the line's."""
        found = self.of_models(models, axes, context, sequences, gpu=self.gpu)
        self._refuse_where_none_depends(found.engines)
        return found

    def _refuse_where_none_depends(self, names: Sequence[str]) -> None:
        def depends(name: str) -> bool:
            return "gpu" in engines.find(name).settings.model_fields

        if self.gpu is None or any(map(depends, names)):
            return
        those = ", ".join(filter(depends, engines.ENGINES))
        raise RequestError.about(
            "--gpu",
            f"found beside -e {','.join(names)}, whose bytes are the same on every GPU",
            found=self.gpu,
            expected=f"one of {those}; what fits on a GPU is answered by kvcalc fit",
        )


def _read(
    line: str,
    engine: str | None,
    release: str | None,
    context: Texts = None,
    sequences: Texts = None,
) -> "tuple[str, Asked]":
    from kvcalc.engines.server import reader
    from kvcalc.readers import line_files

    text = line_files.read(line) if line_files.names_a_file(line) else line
    return reader.read(
        text,
        engine,
        release,
        context=_largest(context, "--context"),
        sequences=_largest(sequences, "--sequences"),
    )


def _largest(texts: Texts, option: str) -> int | None:
    """The largest amount of an option, by which a server lays out all it runs.

    None without one, or where it is a text's length.
    """
    typed = [texts] if isinstance(texts, str) else list(texts or ())
    if not typed or any(text.startswith("@") for text in typed):
        return None
    return max(amounts(typed, option, large=option == "--context"))

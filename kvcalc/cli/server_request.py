"""What a server's command line and the options ask for together."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kvcalc import engines
from kvcalc.catalogue import models
from kvcalc.cli.options import ModelOptions
from kvcalc.cli.warnings import note_on_stderr
from kvcalc.errors import RequestError, quote
from kvcalc.model import Model

if TYPE_CHECKING:
    from kvcalc.engines.server.asked import Asked, Beside
    from kvcalc.engines.server.loading import Loading


class ServerRequest(NamedTuple):
    """What a command line and the options ask for together; the options win.

    `engines` are as typed, each with the release that a line says of it; none means all. `share`
    is what is said of the share of a GPU's memory, by each engine's name of it, and `loading` are
    flags that change which weights are loaded.
    """

    model: ModelOptions
    engines: tuple[str, ...]
    settings: dict[str, Any]
    context: int | None = None
    sequences: int | None = None
    shares_maximum: bool = False
    cut_to_maximum: bool = False
    alone: Callable[[Model], bool] | None = None
    longest: int | None = None
    beside: "tuple[Beside, ...]" = ()
    share: Mapping[str, str] = {}
    loading: "tuple[Loading, ...]" = ()

    @property
    def engine(self) -> str:
        """The engine, where one is asked."""
        return self.engines[0]

    def settings_on(self, gpu: object = True) -> dict[str, Any]:
        """The settings, with the share of a GPU's memory where there is a GPU."""
        return {**self.share, **self.settings} if gpu else self.settings

    def context_of(self, model: Model) -> int | None:
        """The context of one sequence: the command line's, or what it leaves of the maximum."""
        if self.context is not None or model.max_context is None:
            return self._cut(self.context, model)
        if self.shares_maximum:
            return max(1, model.max_context // (self.sequences or 1))
        return None if self.longest is None else min(model.max_context, self.longest)

    def sequences_of(self, model: Model) -> int | None:
        """The sequences at once: the command line's, or one where the model runs no more."""
        if self.alone is None or (self.sequences or 1) < 2 or not self.alone(model):
            return self.sequences
        note_on_stderr(f"the server runs one request at a time of this model, not {self.sequences}")
        return 1

    def _cut(self, context: int | None, model: Model) -> int | None:
        """The model's maximum for a context past it, where the server takes that, and says so."""
        most = model.max_context
        if not self.cut_to_maximum or context is None or most is None or context <= most:
            return context
        note_on_stderr(f"the line's {context:,} tokens are past the model's {most:,}: it has these")
        return most

    def say_beside(self) -> None:
        """Say which caches stand beside the model's own, and are not counted."""
        for one in self.beside:
            note_on_stderr(f"{one.what} is not counted here: kvcalc estimate counts its cache")

    def with_asked(self, asked: "Asked", engine: str) -> "ServerRequest":
        """Add what a line or flags of an engine ask for to what is there, which wins."""
        for note in asked.notes:
            note_on_stderr(note)
        draft = next(
            (
                one
                for one in asked.beside
                if one.told_by is not None and one.told_by in self.settings.items()
            ),
            None,
        )
        return self._replace(
            settings=(asked if draft is None else draft).settings | self.settings,
            context=asked.context if self.context is None else self.context,
            sequences=asked.sequences if self.sequences is None else self.sequences,
            shares_maximum=self.shares_maximum or asked.shares_maximum,
            cut_to_maximum=self.cut_to_maximum or asked.cut_to_maximum,
            alone=self.alone or asked.alone,
            longest=asked.longest if self.longest is None else self.longest,
            beside=(*self.beside, *(() if draft else asked.beside)),
            share={**share_of(asked, engine), **self.share},
            loading=(*self.loading, *asked.loading),
        )

    def with_flags(self, asked: "Asked", engine: str) -> "ServerRequest":
        """Add what an engine's flags ask for beside the options.

        Raises:
            RequestError: a setting is given by its flag and by --set, or an option of its own.
        """
        for name, value in asked.settings.items():
            if str(self.settings.get(name, value)) != str(value):
                raise RequestError.about("--set", f"{name} is given by its flag too; give one")
        return self.with_asked(asked, engine)

    def with_model_of(self, asked: "Asked") -> "ServerRequest":
        """Take the model of a line where the options name none.

        Raises:
            RequestError: the line names none, either.
        """
        if any(value is not None for value in self.model.values().values()):
            _say_what_is_not_read(asked.model, self.model.model)
            return self
        if asked.model is None:
            raise RequestError.about("MODEL", "missing; the --from line names none")
        return self._replace(model=self.model.replaced(model=_source(asked)))


def _say_what_is_not_read(of_line: str | None, chosen: str | None) -> None:
    """Name the model of a line beside another, whose layers and weights may not be its own."""
    if of_line is None or of_line == chosen:
        return
    preset, other = (text and models.find(text.removesuffix(".gguf")) for text in (of_line, chosen))
    if preset is not None and preset == other:
        return
    whose = "the options'" if chosen is None else f"those of {quote(chosen)}"
    note_on_stderr(
        f"the line's model {quote(of_line)} is not read: the layers are {whose}, and so are the "
        "weights, unless --weights or --weights-dtype says otherwise"
    )


def _source(asked: "Asked") -> str | None:
    """The model that a line names, with the revision of its repository on the Hub."""
    if asked.model is None or asked.revision in (None, "main") or Path(asked.model).exists():
        return asked.model
    from kvcalc.readers import hub

    found = hub.parse(asked.model)
    return asked.model if found is None else f"{found.repository}@{asked.revision}"


def share_of(asked: "Asked", engine: str) -> dict[str, str]:
    """The engine's share of a GPU's memory by its own name, where it is said."""
    memory = engines.find(engine).memory
    if asked.share is None or memory is None or memory.share is None:
        return {}
    return {memory.share: asked.share}

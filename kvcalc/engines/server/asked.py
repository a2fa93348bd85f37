"""What a command line asks for, when it is read; and what it is to say, when it is written."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kvcalc.engines.server.loading import BESIDE_ANOTHER, Loading
from kvcalc.errors import quote
from kvcalc.model import Model


@dataclass
class Beside:
    """A cache that a line asks for beside the model's own, as a draft's, at the same context.

    `what` names it in a sentence. `model` is its model, None where the model has it itself;
    `told_by` is the setting and value that ask for it alone, if any.
    """

    what: str
    model: str | None
    settings: dict[str, Any]
    told_by: tuple[str, Any] | None = None


@dataclass
class Asked:
    """What a command line asks for: the model, amounts, and settings of the engine."""

    model: str | None = None
    """The model's source, as the line names it."""

    named_by: str | None = None
    """The flag or variable that names the model, if one does."""

    revision: str | None = None
    """The revision of the model's repository on the Hub."""

    context: int | None = None
    """Tokens, read by `Server.number`."""

    sequences: int | None = None
    """A count, read by `Server.number`."""

    share: str | None = None
    """The text of the engine's share of the memory."""

    shares_maximum: bool = False
    """Whether, without a context, the server shares the model's maximum among the sequences."""

    cut_to_maximum: bool = False
    """Whether the server takes the model's maximum for a context past it."""

    alone: Callable[[Model], bool] | None = None
    """Of which models the server runs one sequence at a time, however many are asked for."""

    longest: int | None = None
    """The most tokens of one sequence that the server's cache holds."""

    settings: dict[str, Any] = field(default_factory=dict)

    passed: dict[str, str] = field(default_factory=dict)
    """The flags and variables that are ignored, with their values."""

    loading: list[Loading] = field(default_factory=list)
    """The flags that change which weights are loaded."""

    beside: list[Beside] = field(default_factory=list)
    """Caches on top of the model's own."""

    notes: list[str] = field(default_factory=list)
    """Sentences for the user, as of a default of the server's."""

    where: str = "--from"
    """What an error says that the words stand in."""

    def give(self, name: str, value: Any) -> None:
        """Take what a flag gives: the model, an amount, or a setting."""
        if name in ("model", "revision", "context", "sequences", "share"):
            setattr(self, name, value)
        else:
            self.settings[name] = value

    def load_wide(self, dtype: str) -> None:
        """Take a --dtype of 32 bits, and say what is not counted in it."""
        wide = Loading.wide(dtype, self.settings)
        self.loading.append(wide)
        if wide.reason == BESIDE_ANOTHER:
            self.notes.append(
                f"{wide}: beside a cache of another type fit counts 16-bit activations"
            )

    def name_unknown(self, words: list[str]) -> None:
        """Say in a note which words are not known."""
        if words:
            listed = ", ".join(quote(word) for word in dict.fromkeys(words[:20]))
            self.notes.append(f"ignored, for kvcalc does not know them: {listed}")


@dataclass(eq=False, repr=False)
class Wanted:
    """What a command line is to say, by what the flags of a `Server` give.

    `given` starts as the engine's settings, with context, sequences and share beside them.
    `unsaid` are names of what the line needs and kvcalc does not know, as a draft's algorithm.
    """

    model: Model
    given: dict[str, Any]
    unsaid: list[str] = field(default_factory=list)

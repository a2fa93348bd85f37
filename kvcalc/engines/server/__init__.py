"""How an engine's server is started: one table, by which its command line is read and written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Any

from kvcalc.engines.server.loading import BESIDE_ANOTHER, Loading
from kvcalc.engines.server.option_values import Takes
from kvcalc.errors import quote
from kvcalc.model import Model
from kvcalc.records import Record

MODEL = "MODEL"
"""Stands on a written line where nothing names the model; a line read with it names none."""

NOT_LOADED = (".toml", ".json")
"""Files that describe a model to kvcalc and from which no server starts."""

AS_MANY_AS_FOLLOW = -1

Reasons = Mapping[str, Mapping[int, str]]
"""What is so of flags: under each reason flags, by how many values they take.

--[no-]name stands for both --name and --no-name.
"""


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
    """What a command line asks for: the model's source, amounts as typed, and engine settings.

    `revision` is that of the model's repository on the Hub, where one is given.
    `named_by` is the flag or variable that names the model, if one does.
    `context` and `sequences` are numbers with the engine's own suffixes resolved by
    `Server.number`, `share` the text of the engine's share of the memory. `shares_maximum` says
    that without a context the server shares the model's own among the sequences, and `longest` is
    the most tokens of one sequence that its cache holds. `passed` are the ignored flags and
    variables with their values, `loading` those that change which weights are loaded, `beside`
    caches on top of the model's own. `notes` are sentences for the person who asked, as of a
    default of the server's, and `where` is what an error says that the words stand in.
    """

    model: str | None = None
    named_by: str | None = None
    revision: str | None = None
    context: int | None = None
    sequences: int | None = None
    share: str | None = None
    shares_maximum: bool = False
    longest: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    passed: dict[str, str] = field(default_factory=dict)
    loading: list[Loading] = field(default_factory=list)
    beside: list[Beside] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    where: str = "--from"

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


PAST_MAXIMUM = "past_maximum"
"""What a variable gives without which no server starts with more tokens than the model's own."""


@dataclass(eq=False, repr=False)
class Wanted:
    """What a command line is to say, by what the flags of a `Server` give.

    `given` starts as the engine's settings, with context, sequences and share beside them.
    `unsaid` are names of what the line needs and kvcalc does not know, as a draft's algorithm.
    """

    model: Model
    given: dict[str, Any]
    unsaid: list[str] = field(default_factory=list)


def hub_id_or_folder(model: Model, source: str | None) -> tuple[str, ...]:
    """Name a model to a server that loads the Hub's repositories and folders.

    `source` is the text that named it to kvcalc, if any. What no server loads (a shape, a preset
    of one's own) is MODEL.
    """
    if model.hub_id is not None:
        return (model.hub_id.partition("@")[0],)
    path = PurePath(source or MODEL)
    if path.name == "config.json":
        return (str(path.parent),)
    return (MODEL if path.suffix in NOT_LOADED else str(path),)


class Server(Record):
    """The command line of an engine's server.

    `start` is what stands before the flags, {model} where the model goes; `names` spells it, of a
    model and the text that named it, if any.

    `values` maps a flag that takes a value to what it gives: "model", "revision", "context",
    "sequences", the name of a setting, or what `finish` makes settings of; of flags that give the
    same the first long one is written. `share` are flags that give the engine's share of the
    memory. `takes` has the values that each may have on a line, by what it gives. `switches` maps
    a flag without a value to a setting and its value, `bundles` one to several that it gives at
    once. `environment` maps a variable set before the program to what it gives; of others that
    begin with `prefix` (the engine's name unless given) `harmless_variables` cannot touch a cache,
    and those of `said_variables`, as the flags of `said`, have a note: by the note, the names.
    `several` are flags that take as many values as follow, which are joined by commas, `bare` those
    that may stand without their value, and what they mean then.

    `harmless` are flags that cannot touch a cache, by the reason why; `loads` neither, but the
    weights beside it. Flags of `said` cost memory
    elsewhere, or may change what is not followed here: the answer stands, and the reason is said.
    Those of `refused` change the cache in ways that are not counted.

    `decides` are parts of names: a word that is not known and holds one is refused, for it may say
    how much is held.

    `context_of_all` says that the context counts the tokens of all sequences together,
    `positional_model` that the first bare word is the model, `dotted` that --flag.key gives a
    key of a flag's JSON, and `abbreviates` that a long
    flag may be cut to what no other begins with, as Python's argparse takes it. `number` reads a
    count as the engine does. `finish` makes of what was asked what the server makes of it, and
    `prepare` is its way back.
    """

    start: str
    values: Mapping[str, str]
    takes: Mapping[str, Takes]
    share: tuple[str, ...] = ()
    switches: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    bundles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    harmless_variables: frozenset[str] = frozenset()
    said_variables: Mapping[str, str] = field(default_factory=dict)
    harmless: Reasons = field(default_factory=dict)
    loads: Reasons = field(default_factory=dict)
    said: Reasons = field(default_factory=dict)
    refused: Reasons = field(default_factory=dict)
    several: frozenset[str] = frozenset()
    bare: Mapping[str, str] = field(default_factory=dict)
    decides: str = ""
    context_of_all: bool = False
    positional_model: bool = False
    dotted: bool = False
    abbreviates: bool = False
    names: Callable[[Model, str | None], tuple[str, ...]] = hub_id_or_folder
    number: Callable[[str], int] = int
    finish: Callable[[Asked], Asked] = lambda asked: asked
    prepare: Callable[[Wanted], Wanted] = lambda wanted: wanted

    @cached_property
    def ignored(self) -> Mapping[str, int]:
        """The flags that leave what is counted as it is, by how many values each takes."""
        return {
            flag: takes
            for reasons in (self.harmless, self.loads, self.said)
            for flag, (takes, _) in _spread(reasons).items()
        }

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """By how many values each flag takes that gives nothing: ignored or refused."""
        return {
            **self.ignored,
            **{flag: takes for flag, (takes, _) in _spread(self.refused).items()},
        }

    @cached_property
    def remarks(self) -> Mapping[str, str]:
        """What is said where a flag stands on the line."""
        return {flag: reason for flag, (_, reason) in _spread(self.said).items()}

    @cached_property
    def loading(self) -> Mapping[str, str]:
        """How each flag that leaves the cache alone changes which weights are loaded."""
        return {flag: reason for flag, (_, reason) in _spread(self.loads).items()}

    @cached_property
    def refusals(self) -> Mapping[str, str]:
        """Why a flag is refused."""
        return {flag: reason for flag, (_, reason) in _spread(self.refused).items()}

    @cached_property
    def known(self) -> frozenset[str]:
        """All flags that are understood, ignored or refused."""
        return frozenset(
            (*self.gives, *self.switches, *self.bundles, *self.ignored, *self.refusals)
        )

    @cached_property
    def gives(self) -> Mapping[str, str]:
        """What each flag with a value gives, the share of the memory included."""
        return {**self.values, **dict.fromkeys(self.share, "share")}


def _spread(reasons: Reasons) -> dict[str, tuple[int, str]]:
    """Take a table apart: for each flag how many values it takes, and the reason."""
    return {
        spelled: (takes, reason)
        for reason, by_count in reasons.items()
        for takes, flags in by_count.items()
        for flag in flags.split()
        for spelled in (flag.replace("[no-]", ""), flag.replace("[no-]", "no-"))
    }

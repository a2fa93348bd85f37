"""How an engine's server is started: one table, by which its command line is read and written."""

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property
from pathlib import PurePath
from typing import Any

from kvcalc.engines.server.asked import Asked, Wanted
from kvcalc.engines.server.option_values import Takes
from kvcalc.model import Model
from kvcalc.records import Record

MODEL = "MODEL"
"""The placeholder for a model on a written line; a line that is read with it names no model."""

NOT_LOADED = (".toml", ".json")
"""Files that describe a model to kvcalc and from which no server starts."""

AS_MANY_AS_FOLLOW = -1

Reasons = Mapping[str, Mapping[int, str]]
"""Flags under the reason that holds for them, by how many values they take: {reason: {1: "--a"}}.

--[no-]name stands for both --name and --no-name.
"""

PAST_MAXIMUM = "past_maximum"
"""What a variable gives without which a server refuses a context past the model's maximum."""


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
    """The command line of an engine's server: how it begins, and what each flag means."""

    start: str
    """What stands before the flags, with {model} where the model goes."""

    values: Mapping[str, str]
    """What each flag with a value gives: "model", "revision", "context", "sequences", a setting's
    name, or a name that `finish` makes settings of. Where several flags give the same, the first
    long one is written."""

    takes: Mapping[str, Takes]
    """The values that may stand on a line, by what they give."""

    share: tuple[str, ...] = ()
    """The flags that give the engine's share of the memory."""

    switches: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    """The setting, and its value, of each flag that has no value."""

    bundles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The settings of each flag that gives several at once."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """What each variable gives that is set before the program."""

    prefix: tuple[str, ...] = ()
    """What the engine's variables begin with; none stands for the engine's name. A variable that
    begins so and stands in no table is named to the user."""

    own_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What variables that would be refused have by themselves: with such a value they are not."""

    harmless_variables: frozenset[str] = frozenset()
    """Variables that cannot touch a cache."""

    said_variables: Mapping[str, str] = field(default_factory=dict)
    """Variables that have a note, as the flags of `said`: under each note their names."""

    harmless: Reasons = field(default_factory=dict)
    """Flags that cannot touch a cache."""

    loads: Reasons = field(default_factory=dict)
    """Flags that cannot touch a cache, but the weights beside it."""

    said: Reasons = field(default_factory=dict)
    """Flags that take memory elsewhere, or may change what is not followed here: the answer stands,
    and the reason is told to the user."""

    refused: Reasons = field(default_factory=dict)
    """Flags that change the cache in ways that are not counted."""

    several: frozenset[str] = frozenset()
    """Flags that take as many values as follow, which are joined by commas."""

    adds: frozenset[str] = frozenset()
    """What adds to what was given before, joined by a comma, where it is given again."""

    bare: Mapping[str, str] = field(default_factory=dict)
    """What a flag means that may stand without its value."""

    decides: str = ""
    """A regular expression. An unknown word in which it is found is refused, not ignored, for it
    may decide how much is held."""

    context_of_all: bool = False
    """Whether the context counts the tokens of all sequences together."""

    own_amounts: bool = False
    """Whether the server has a context and sequences of its own, whatever the model, where a line
    gives none, and lays out by them."""

    positional_model: bool = False
    """Whether the first word that is no flag names the model."""

    dotted: bool = False
    """Whether --flag.key gives a key of a flag's JSON."""

    abbreviates: bool = False
    """Whether a long flag may be cut to what no other begins with, as Python's argparse allows."""

    names: Callable[[Model, str | None], tuple[str, ...]] = hub_id_or_folder
    """Spells {model} of `start`, from a model and the text that named it, if any."""

    number: Callable[[str], int] = int
    """Reads a count as the engine does."""

    finish: Callable[[Asked], Asked] = lambda asked: asked
    """Makes of what a line asks for what the server makes of it."""

    prepare: Callable[[Wanted], Wanted] = lambda wanted: wanted
    """The way back from `finish`, before a line is written."""

    @cached_property
    def ignored(self) -> Mapping[str, int]:
        """How many values each flag takes that leaves the counted bytes as they are."""
        return {
            flag: takes
            for reasons in (self.harmless, self.loads, self.said)
            for flag, (takes, _) in _spread(reasons).items()
        }

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How many values each flag takes that gives no setting, as it is ignored or refused."""
        return {
            **self.ignored,
            **{flag: takes for flag, (takes, _) in _spread(self.refused).items()},
        }

    @cached_property
    def remarks(self) -> Mapping[str, str]:
        """What the user is told where a flag stands on the line."""
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
    """Turn a table around: for each flag how many values it takes, and the reason."""
    return {
        spelled: (takes, reason)
        for reason, by_count in reasons.items()
        for takes, flags in by_count.items()
        for flag in flags.split()
        for spelled in (flag.replace("[no-]", ""), flag.replace("[no-]", "no-"))
    }

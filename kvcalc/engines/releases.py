"""An engine's releases: what holds at a version, worked out from a table of what changed when.

The table has a row for each version at which something changed, and the row has only what changed;
a version inherits all rows up to it, so one between two rows is like the older. Of a version as
people type it only the numbers count: v0.25.1, 0.25.1.post1 and 0.25.1+cu129 are 0.25.1, and a
candidate or nightly build (0.26.0rc1, 0.26.0.dev5) is the release that it leads to.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from kvcalc.errors import RequestError, UnsupportedError, quote
from kvcalc.warned import warn

WRITTEN = (
    r"v?(b?[0-9]{1,9}(?:\.[0-9]{1,9}){0,5})"
    r"(?:[-_.]?(?:a|b|c|rc|alpha|beta|pre|post|dev)[-_.]?[0-9]{0,9})*(?:\+[a-z0-9._-]{0,40})?"
)
"""A version as people and logs write it; the group holds its numbers, and the b of a build."""

EMPTY: Mapping[str, Any] = MappingProxyType({})


class ReleaseWarning(UserWarning):
    """A version that was not measured is answered by the nearest that was."""


class UntestedWarning(UserWarning):
    """A release is newer than any whose logs tested a rule."""


class Change(NamedTuple):
    """What a rule or a default is from a release on: its value, that in words, and its file.

    `back` is a setting, with a value, that gives what held before; None if there is none.
    """

    value: Any
    says: str
    source: str
    back: tuple[str, Any] | None = None


class Release(NamedTuple):
    """What changed at a version, and nothing that did not."""

    version: str

    rules: Mapping[str, Change] = EMPTY
    """The engine's rules, by the names that kvcalc gives them."""

    defaults: Mapping[str, Change] = EMPTY
    """The defaults of settings."""

    settings: Mapping[str, tuple[Any, ...]] = EMPTY
    """New settings, each with the values that an older release takes for it: those that change
    nothing there, the first of which it has."""

    values: Mapping[str, tuple[Any, ...]] = EMPTY
    """New values of a setting."""

    without: Mapping[str, tuple[Any, ...]] = EMPTY
    """Values of a setting that are gone."""

    models: tuple[str, ...] = ()
    """New model types."""

    unserved: tuple[str, ...] = ()
    """Model types that are gone."""


class Standing(NamedTuple):
    """What holds at a version of an engine.

    `neutral` are the settings that it does not have, each with the values that change nothing;
    `absent` the values that a setting does not have, `without` model types that it cannot serve.
    """

    engine: str
    version: str
    rules: Mapping[str, Change]
    defaults: Mapping[str, Change]
    neutral: Mapping[str, tuple[Any, ...]]
    absent: Mapping[str, tuple[Any, ...]]
    without: frozenset[str]

    def default(self, setting: str) -> Any:
        """The release's own value of a setting that was not given."""
        if setting in self.neutral:
            return self.neutral[setting][0]
        return self.defaults[setting].value

    def require_settings(self, given: Mapping[str, Any]) -> None:
        """Refuse settings and values that the release does not have; neutral ones are let through.

        Raises:
            UnsupportedError: there is one; the sentence names it.
        """
        for name, value in given.items():
            if value is None:
                continue
            neutral = self.neutral.get(name)
            if (neutral is not None and value not in neutral) or value in self.absent.get(name, ()):
                raise UnsupportedError(
                    f"{name}: found {quote(value)}, which {self.engine} {self.version} does not "
                    "have",
                    engine=self.engine,
                    what=name,
                )

    def require_model(self, model_type: str | None) -> None:
        """Refuse a model that the release has no code for.

        Raises:
            UnsupportedError: it has none; the sentence names the model's type.
        """
        if model_type in self.without:
            raise UnsupportedError(
                f"{self.engine} {self.version} does not have the model type {quote(model_type)}",
                engine=self.engine,
                what=model_type,
            )


@dataclass(frozen=True, eq=False)
class Releases:
    """The releases of an engine in their order; `newest` is the last that was measured.

    `told` are rules that people are told of even where no byte differs, such as what a log prints.
    """

    engine: str
    newest: str
    rows: tuple[Release, ...]
    told: frozenset[str] = frozenset()

    def at(self, asked: str | None, *, strict: bool = False) -> Standing:
        """What holds at a version, the newest measured unless one is asked for.

        For one older than the first row, or newer than the newest measured, what holds at the
        nearest, with a ReleaseWarning.

        Raises:
            RequestError: it is not a version, or `strict` and not one of those measured.
        """
        key, version = (numbers(self.newest), self.newest) if asked is None else parsed(asked)
        oldest = self.rows[0].version
        nearest = min(max(key, numbers(oldest)), numbers(self.newest))
        if nearest != key:
            measured = f"{oldest} to {self.newest}"
            if strict:
                raise RequestError.of("release", asked, f"one of the measured, {measured}")
            used = oldest if key < nearest else self.newest
            warn(
                f"{self.engine} {version} was not measured, only {measured}: answered as {used}",
                ReleaseWarning,
            )
            version = used
        return _standing(self, nearest)._replace(version=version)

    def that(self, holds: Callable[[str], bool]) -> str | None:
        """Name the newest run of releases at which something holds; None if there is none."""
        versions = [row.version for row in self.rows]
        agree = [holds(version) for version in versions]
        if True not in agree:
            return None
        end = len(agree) - agree[::-1].index(True)
        start = end - next((n for n, held in enumerate(agree[end - 1 :: -1]) if not held), end)
        since = f" from {versions[start]} on" if start else ""
        until = f" before {versions[end]}" if end < len(versions) else ""
        return f"{self.engine}{since}{' and' if since and until else ''}{until}"


@lru_cache(maxsize=1000)  # every settings object asks, and a log's figures ask of each release
def _standing(releases: Releases, key: tuple[int, ...]) -> Standing:
    rules: dict[str, Change] = {}
    defaults: dict[str, Change] = {}
    neutral: dict[str, tuple[Any, ...]] = {}
    absent: dict[str, tuple[Any, ...]] = {}
    without: set[str] = set()
    for row in releases.rows:
        stands = numbers(row.version) <= key
        if stands:
            rules |= row.rules
            defaults |= row.defaults
        else:
            neutral |= row.settings
        for name, values in (row.without if stands else row.values).items():
            absent[name] = (*absent.get(name, ()), *values)
        without |= {*row.unserved} if stands else {*row.models}
    return Standing(releases.engine, "", rules, defaults, neutral, absent, frozenset(without))


@lru_cache(maxsize=1000)
def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, without zeros at its end: 0.26 is 0.26.0, b9234 a build."""
    found = [int(part) for part in version.lower().removeprefix("b").split(".")]
    while len(found) > 1 and not found[-1]:
        del found[-1]
    return tuple(found)


def parsed(asked: object) -> tuple[tuple[int, ...], str]:
    """Read a version as it is typed: its numbers, to compare and as text.

    Raises:
        RequestError: it is not a version.
    """
    match = re.fullmatch(WRITTEN, asked.strip(), re.IGNORECASE) if isinstance(asked, str) else None
    if match is None:
        raise RequestError.of("release", asked, "a version, as 0.25.1")
    return numbers(match[1]), match[1]

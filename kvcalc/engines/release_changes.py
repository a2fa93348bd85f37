"""The way from one release to another, a rule or a default at a time."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from kvcalc.engines.releases import Change, Releases, Standing, numbers

PARTS = ("rules", "defaults")
"""The parts of a row that are turned. Rules first: a new default is of what they make of it."""


class Turned(NamedTuple):
    """One rule or default, turned: it is of a `part` of the row of a release.

    `before` and `after` are what it was and is, on the way that is gone, and `standing` is what
    holds then. `back` are settings that may give what was before.
    """

    release: str
    part: str
    name: str
    before: Change
    after: Change
    standing: Standing

    @property
    def back(self) -> tuple[tuple[str, Any], ...]:
        """Settings, with values, that may give what was before."""
        if self.part == "defaults":
            return ((self.name, self.before.value),)
        return () if self.after.back is None else (self.after.back,)


def turned(releases: Releases, old: Standing, new: Standing) -> Iterator[Turned]:
    """Go from what holds at one release to what holds at another, upwards or downwards.

    Each step stands on those before it. What the releases have and have not (settings, values,
    models) is the new one's from the start.
    """
    standing = new._replace(rules=old.rules, defaults=old.defaults)
    for release, part, name, before, after in _way(releases, old, new):
        changed: dict[str, Any] = {part: {**getattr(standing, part), name: after}}
        standing = standing._replace(**changed)
        yield Turned(release, part, name, before, after, standing)


def _way(
    releases: Releases, old: Standing, new: Standing
) -> list[tuple[str, str, str, Change, Change]]:
    """Each change on the way: its row's release, the part, the name, what it was and is."""
    low, high = sorted((old, new), key=lambda one: numbers(one.version))
    stood = {part: dict(getattr(low, part)) for part in PARTS}
    way = []
    for row in releases.rows:
        if not numbers(low.version) < numbers(row.version) <= numbers(high.version):
            continue
        for part in PARTS:
            for name, change in getattr(row, part).items():
                way.append((row.version, part, name, stood[part][name], change))
                stood[part][name] = change
    if low is old:
        return way
    return [(release, part, name, was, then) for release, part, name, then, was in reversed(way)]

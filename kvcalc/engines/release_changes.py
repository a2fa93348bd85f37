"""The way from one release to another, changing one rule or default at a time."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from kvcalc.engines.releases import Change, Releases, Standing, numbers

PARTS = ("rules", "defaults")
"""The parts of a row that are changed. Rules come first, as a new default may follow from them."""


class ReleaseStep(NamedTuple):
    """A rule or default, changed from what it was `before` on the way to what it is `after`.

    `release` is the row that has the change, `part` its part, and `standing` what holds once this
    step is taken.
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

    def undone(self, standing: Standing) -> Standing:
        """What would hold without this step where `standing` holds."""
        return _with(standing, self.part, self.name, self.before)


def steps(releases: Releases, old: Standing, new: Standing) -> Iterator[ReleaseStep]:
    """Go from what holds at one release to what holds at another, which may be the older.

    Each step is on top of those before it. The settings, values and models that a release has are
    the new one's from the start.
    """
    standing = new._replace(rules=old.rules, defaults=old.defaults)
    for release, part, name, before, after in _changes(releases, old, new):
        standing = _with(standing, part, name, after)
        yield ReleaseStep(release, part, name, before, after, standing)


def _with(standing: Standing, part: str, name: str, change: Change) -> Standing:
    changed: dict[str, Any] = {part: {**getattr(standing, part), name: change}}
    return standing._replace(**changed)


def _changes(
    releases: Releases, old: Standing, new: Standing
) -> list[tuple[str, str, str, Change, Change]]:
    """Each change on the way: the release of its row, the part, the name, before and after."""
    low, high = sorted((old, new), key=lambda one: numbers(one.version))
    held = {part: dict(getattr(low, part)) for part in PARTS}
    upwards = []
    for row in releases.rows:
        if not numbers(low.version) < numbers(row.version) <= numbers(high.version):
            continue
        for part in PARTS:
            for name, change in getattr(row, part).items():
                upwards.append((row.version, part, name, held[part][name], change))
                held[part][name] = change
    if low is old:
        return upwards
    return [
        (release, part, name, after, before)
        for release, part, name, before, after in reversed(upwards)
    ]

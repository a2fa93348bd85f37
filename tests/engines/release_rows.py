"""The rows of an engine's table of releases, as tests go through them."""

from collections.abc import Iterator

from kvcalc.engines.releases import Change, Releases


def changes(releases: Releases) -> Iterator[tuple[str, str, Change, Change | None]]:
    """Each change of a table, by its version and name, beside what stood before it."""
    stood: dict[str, Change] = {}
    for row in releases.rows:
        for name, change in {**row.rules, **row.defaults}.items():
            yield row.version, name, change, stood.get(name)
            stood[name] = change

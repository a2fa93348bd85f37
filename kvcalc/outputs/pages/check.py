"""A checked log for people: each figure with its verdict and the reason."""

from collections.abc import Iterator, Sequence

from kvcalc.answers.check import AGREES, CANNOT, DIFFERS, Checked
from kvcalc.engines.log import ASSUMED, GIVEN, LOGGED
from kvcalc.outputs.page import Page
from kvcalc.units import at_version

KNOWN = {
    LOGGED: "which the log names",
    GIVEN: "as given",
    ASSUMED: "assumed, for no line that is read names a release",
}
"""How the release is known that figures are checked against."""


def check_page(rows: Sequence[Checked], name: str) -> Page:
    """Lay out the verdicts."""
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in (AGREES, DIFFERS)}
    cannot = sum(row.verdict == CANNOT for row in rows)
    agree = "figure agrees" if counts[AGREES] == 1 else "figures agree"
    differ = "differs" if counts[DIFFERS] == 1 else "differ"
    return Page(
        title=f"{name}: {counts[AGREES]} {agree}, {counts[DIFFERS]} {differ}, {cannot} cannot be "
        "checked",
        columns=("figure", "verdict", "line", "printed", "ours"),
        rows=tuple(
            (
                row.figure,
                row.verdict,
                f"{row.line:,}",
                f"{row.printed:,}",
                "" if row.ours is None else f"{row.ours:,}",
            )
            for row in rows
        ),
        text_columns=2,
        notes=(
            *(note for row in rows for note in _remedies(row)),
            *dict.fromkeys(_against(row) for row in rows),
            *(f"line {row.line}, {row.figure}: {row.why}." for row in rows),
        ),
    )


def _remedies(row: Checked) -> Iterator[str]:
    """Say what would have started, of a line that tells of a start that failed."""
    if row.remedies:
        yield f"line {row.line} tells of a start that failed; each of these alone starts:"
    for remedy in row.remedies:
        yield f"  {remedy.flags}  ({remedy.then})"


def _against(row: Checked) -> str:
    """Say which release the figures are checked against, and how it is known."""
    release = at_version(row.engine, row.engine_version)
    return f"checked against {release}, {KNOWN[row.version_source]}."

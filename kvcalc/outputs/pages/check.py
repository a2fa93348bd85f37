"""A checked log for people: each figure with its verdict and the reason."""

from collections.abc import Sequence

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
    return Page(
        title=f"{name}: {counts[AGREES]} figures agree, {counts[DIFFERS]} differ, {cannot} cannot "
        "be checked",
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
            *dict.fromkeys(_against(row) for row in rows),
            *(f"line {row.line}, {row.figure}: {row.why}." for row in rows),
        ),
    )


def _against(row: Checked) -> str:
    """Say which release the figures are checked against, and how it is known."""
    release = at_version(row.engine, row.engine_version)
    return f"checked against {release}, {KNOWN[row.version_source]}."

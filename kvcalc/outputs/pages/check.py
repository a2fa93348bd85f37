"""A checked log, for people: each figure with its verdict, and why."""

from collections.abc import Sequence

from kvcalc.answers.check import AGREES, CANNOT, DIFFERS, Checked
from kvcalc.outputs.page import Page


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
        notes=tuple(f"line {row.line}, {row.figure}: {row.why}." for row in rows),
    )

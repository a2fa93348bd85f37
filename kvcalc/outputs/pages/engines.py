"""The engines for people, and one engine's settings."""

from collections.abc import Sequence

from kvcalc.answers.engines import DescribedEngine, EngineRow
from kvcalc.outputs.page import Page


def engines_page(rows: Sequence[EngineRow]) -> Page:
    """Lay out the engines."""
    return Page(
        title="Engines",
        columns=("engine", "version", "source", "layer\nkinds", "element\ntypes"),
        rows=tuple(
            (row.engine, row.version, row.source, f"{len(row.kinds)}", f"{len(row.dtypes)}")
            for row in rows
        ),
        text_columns=3,
        notes=("kvcalc engines NAME lists an engine's settings, layer kinds and element types.",),
    )


def settings_page(engine: DescribedEngine) -> Page:
    """Lay out one engine's settings."""
    return Page(
        title=f"{engine.engine}, version {engine.version}",
        columns=("setting", "flag", "default", "values", "unit", "source"),
        rows=tuple(
            (
                row.setting,
                next((flag for flag in row.flags.split() if flag.startswith("--")), row.flags),
                "" if row.default is None else str(row.default),
                row.values,
                row.unit,
                row.source,
            )
            for row in engine.settings
        ),
        text_columns=6,
        notes=(
            *(f"{name}: {flags}" for name, flags in engine.amounts.items()),
            f"layer kinds: {', '.join(engine.kinds) or 'none'}",
            f"element types: {', '.join(engine.dtypes) or 'none'}",
            f"source: {engine.source}",
        ),
    )

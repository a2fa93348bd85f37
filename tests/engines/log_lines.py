"""Lines of a start-up log that a test prints as an engine does, and the verdicts about them."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import kvcalc
from kvcalc.answers.check import Checked, read, verdicts
from kvcalc.model import Model
from tests.shapes import models, windowed_models

PUBLISHED = [
    *sorted(path.stem for path in Path("presets/models").glob("*.toml")),
    *sorted(str(path) for path in Path("tests/oracles/configs").glob("*.json")),
]

load = cache(kvcalc.load)

any_model: st.SearchStrategy[Model] = st.one_of(
    st.sampled_from(PUBLISHED).map(load), models(), windowed_models()
)


def checked(
    lines: Sequence[str], model: Model | None = None, settings: Mapping[str, Any] | None = None
) -> list[Checked]:
    """The verdicts about a log of these lines, none of them where no line has a figure."""
    found = read(io.BytesIO("\n".join(lines).encode()), "log")
    return verdicts(found, model, {name: str(value) for name, value in (settings or {}).items()})


def misprinted(line: str, figure: str, places: int = 0) -> Iterator[str]:
    """The line with a figure one step of its last place more, and one less.

    The figure is @ in the words around it, and is rounded to so many decimals.
    """
    before, after = (re.escape(part) for part in figure.split("@"))
    match = re.search(f"{before} *(?P<figure>[0-9][0-9,]*(?:\\.[0-9]+)?){after}", line)
    assert match, (line, figure)
    commas = "," if "," in match["figure"] else ""
    value = Decimal(match["figure"].replace(",", ""))
    step = Decimal(1).scaleb(-places)
    for changed in (value + step, value - step):
        if changed >= 0:
            text = f"{changed:{commas}.{places}f}"
            yield line[: match.start("figure")] + text + line[match.end("figure") :]

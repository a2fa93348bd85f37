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
from tests.engines.test_server_laws import DRAWN
from tests.shapes import models, windowed_models

PUBLISHED = [
    *sorted(path.stem for path in Path("presets/models").glob("*.toml")),
    *sorted(str(path) for path in Path("tests/oracles/configs").glob("*.json")),
]

load = cache(kvcalc.load)

published: st.SearchStrategy[Model] = st.sampled_from(PUBLISHED).map(load)

any_model: st.SearchStrategy[Model] = st.one_of(published, models(), windowed_models())


REFUSES = "it refuses a release, and touches no figure of one that is taken"

UNSEEN: dict[str, dict[str, str]] = {
    "vllm": {
        "kv_cache_memory_bytes": "it is the pool's memory, which the law draws as such",
        "strict_version": REFUSES,
    },
    "sglang": {"strict_version": REFUSES},
    "llama.cpp": {
        "release": "the law prints the newest's lines; posted logs have the older ones",
        "strict_version": REFUSES,
    },
    "lmdeploy": {"strict_version": REFUSES},
}
"""Engines whose logs are printed of their own figures, and why a setting is left undrawn."""


def requests(engine: str, **own: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A few settings of an engine, of all that a log's figures may depend on."""
    drawn = {**DRAWN[engine], **own}
    named = st.lists(
        st.sampled_from(sorted(drawn.keys() - UNSEEN[engine].keys())), max_size=4, unique=True
    )
    return named.flatmap(lambda names: st.fixed_dictionaries({name: drawn[name] for name in names}))


def checked(
    lines: Sequence[str], model: Model | None = None, settings: Mapping[str, Any] | None = None
) -> list[Checked]:
    """The verdicts about a log of these lines, none of them where no line has a figure."""
    found = read(io.BytesIO("\n".join(lines).encode()), "log")
    given = {
        name: ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for name, value in (settings or {}).items()
    }
    return verdicts(found, model, given)


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

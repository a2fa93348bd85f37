"""Each row of what is outside of PyTorch is one that a public start-up has, or stands here.

A row that no start-up looks up is of logs whose models have no known sizes, or between those of
others, as its source says: here it is for a reader to see that it changes.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest

from kvcalc.engines.vllm.budget import parts
from kvcalc.engines.vllm.budget.non_torch import ALWAYS, BY_RELEASE, WIDER
from kvcalc.errors import UnsupportedError
from tests.engines.vllm.memory_rows import ROWS, SIZED, card_of, model_of, settings_of

pytestmark = pytest.mark.filterwarnings("ignore::kvcalc.engines.releases.ReleaseWarning")

NOT_LOOKED_UP = {
    ("before fusion", "Hopper", 2): (55, 45, 145),
    ("before fusion", "Hopper", 4): (184, 55, 200),
    ("all consumed", "Hopper", 1): (20, 12, 41),
    ("all consumed", "Hopper", 2): (207, 50, 230),
    ("all consumed", "Hopper", 4): (213, 50, 240),
    ("all consumed", "A100", 1): (13, 8, 41),
    ("always", "Hopper", 8): (140, 20, 260),
    ("always", "Blackwell", 1): (7, 2, 45),
    ("always", "Blackwell", 2): (95, 20, 260),
    ("always", "Blackwell", 4): (95, 20, 260),
    ("always", "Blackwell", 8): (95, 20, 260),
    ("always", "A100", 1): (13, 3, 30),
    ("always", "A100", 2): (90, 5, 200),
    ("always", "A100", 4): (90, 5, 200),
    ("always", "A100", 8): (90, 5, 200),
    ("always", "other GPUs", 2): (20, 4, 70),
}
"""Hundredths of a GiB of the rows that no start-up has: the likely, the least and the most."""


class Recorded(dict[tuple[str, int], Any]):
    """A table that keeps the keys which were looked up in it."""

    def __init__(self, table: Mapping[tuple[str, int], Any]) -> None:
        super().__init__(table)
        self.asked: set[tuple[str, int]] = set()

    def get(self, key: tuple[str, int], default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


def test_each_row_is_looked_up_or_stands_here(monkeypatch: pytest.MonkeyPatch) -> None:
    by_release = {str(name): Recorded(table) for name, table in BY_RELEASE.items()}
    always, wider = Recorded(ALWAYS), Recorded(WIDER)
    module = import_module("kvcalc.engines.vllm.budget.non_torch")
    for name, table in (("BY_RELEASE", by_release), ("ALWAYS", always), ("WIDER", wider)):
        monkeypatch.setattr(module, name, table)
    for row in ROWS:
        if row["model"] in SIZED:
            try:
                parts(model_of(row), settings_of(row), card_of(row))
            except UnsupportedError:
                continue
    tables = {**by_release, "always": always}
    # Releases share rows: one that is looked up in the table of one is that of the others, too.
    known = [one[key] for one in tables.values() for key in one.asked & one.keys()]
    others = {
        (name, *key): row[:3]
        for name, one in tables.items()
        for key, row in one.items()
        if not any(row is each for each in known)
    }
    assert others == NOT_LOOKED_UP
    assert wider.keys() <= wider.asked

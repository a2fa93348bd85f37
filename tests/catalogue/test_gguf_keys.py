"""Each key that llama.cpp knows is read, or cannot matter, and says why."""

from itertools import combinations
from typing import Any

import pytest

from kvcalc.catalogue.gguf_keys import CANNOT_MATTER, HARMLESS, READ
from kvcalc.errors import KvcalcError
from kvcalc.readers.gguf import model_of
from tests.each import each

LLAMA: dict[str, Any] = {
    "general.architecture": "llama",
    "llama.block_count": 4,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
}


def test_each_of_the_172_names_stands_once() -> None:
    groups = [READ, *HARMLESS.values()]
    assert all(not one & other for one, other in combinations(groups, 2))
    assert sum(map(len, groups)) == 172


@pytest.mark.parametrize(
    ("name", "strange"),
    [("attention.recurrent_layers", ""), ("attention.new_pattern", ", by a key that llama.cpp do")],
)
def test_a_list_that_no_rule_reads_is_refused(name: str, strange: str) -> None:
    with pytest.raises(KvcalcError, match=f"not known of the architecture 'llama'{strange}"):
        model_of({**LLAMA, f"llama.{name}": [1, 0, 1, 0]}, "m")


@each("name", sorted(CANNOT_MATTER))
def test_one_that_cannot_matter_changes_nothing(name: str) -> None:
    bare = model_of(LLAMA, "m")
    for value in (7, [1, 0, 1, 0], True):
        assert model_of({**LLAMA, f"llama.{name}": value}, "m") == bare

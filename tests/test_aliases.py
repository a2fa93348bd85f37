"""Other names: each means one that is known, and is not known itself."""

from collections.abc import Collection, Mapping

import pytest

from kvcalc import engines
from kvcalc.cli import output
from kvcalc.formula import written
from kvcalc.formula.languages import sql
from kvcalc.readers import weight_formats
from kvcalc.spelling import spelled

TABLES: Mapping[str, tuple[Mapping[str, str], Collection[str]]] = {
    "formats": (output.ALIASES, [*output.Format]),
    "engines": (engines.ALIASES, engines.ENGINES),
    "dialects": (sql.ALIASES, sql.DIALECTS),
    "languages": (written.ALIASES, written.TARGETS),
    "formats of weights": (weight_formats.ALIASES, weight_formats.NAMES),
}


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_other_name_means_a_known_one(table: str) -> None:
    aliases, known = TABLES[table]
    for other, own in aliases.items():
        assert own in known
        assert spelled(other, known) is None
        assert spelled(other.upper(), known, aliases) == own

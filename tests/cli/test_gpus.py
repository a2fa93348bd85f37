"""`kvcalc gpus`: the catalogue."""

import json

from kvcalc.catalogue.gpus import names
from tests.conftest import Cli


def test_every_gpu_has_a_row(cli: Cli) -> None:
    rows = json.loads(cli("gpus", "--json").out)
    assert [row["gpu"] for row in rows] == list(names())
    h100 = next(row for row in rows if row["gpu"] == "h100")
    assert h100 == {
        "gpu": "h100",
        "product": "H100 80GB HBM3 (SXM)",
        "memory_mib": 81_559,
        "memory_bytes": 85_520_809_984,
        "framework_visible_bytes": 85_029_615_042,
        "compute_capability": "9.0",
        "single_source": False,
        "note": None,
    }


def test_cards_with_one_source_are_marked_in_the_table(cli: Cli) -> None:
    outcome = cli("gpus")
    assert (outcome.code, outcome.err) == (0, "")
    assert "46,068*" in outcome.out
    assert "* only one source has the figure." in outcome.out

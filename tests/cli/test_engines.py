"""`kvcalc engines`: the catalogue, and one engine's settings."""

import json

import pytest
from syrupy.assertion import SnapshotAssertion

from kvcalc import engines
from kvcalc.layers import KINDS
from tests.conftest import Cli


def test_every_engine_says_what_was_read_and_what_it_runs(cli: Cli) -> None:
    rows = json.loads(cli("engines", "--json").out)
    assert [row["engine"] for row in rows] == list(engines.ENGINES)
    for row in rows:
        assert row["version"]
        assert row["source"]
        assert set(row["kinds"]) <= set(KINDS)


@pytest.mark.parametrize("engine", list(engines.ENGINES))
def test_every_setting_has_a_unit_and_a_source(cli: Cli, engine: str) -> None:
    for row in json.loads(cli("engines", engine, "--json").out):
        assert row["unit"], row["setting"]
        assert row["source"], row["setting"]
        assert row["values"], row["setting"]


def test_what_people_see(cli: Cli, snapshot: SnapshotAssertion) -> None:
    assert cli("engines").out == snapshot
    assert cli("engines", "vllm").out == snapshot


def test_an_unknown_engine_is_one_sentence(cli: Cli) -> None:
    outcome = cli("engines", "vlm")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("kvcalc: engine 'vlm' is unknown; known are ideal, ")

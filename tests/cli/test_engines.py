"""`kvcalc engines`: the catalogue, and one engine's settings."""

import csv
import io
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
    described = json.loads(cli("engines", engine, "--json").out)
    assert described["engine"] == engine
    for row in described["settings"]:
        assert row["unit"], row["setting"]
        assert row["source"], row["setting"]
        assert row["values"], row["setting"]


def test_csv_is_a_row_a_setting(cli: Cli) -> None:
    out = cli("engines", "llama.cpp", "-f", "csv").out
    rows = {row["setting"]: row for row in csv.DictReader(io.StringIO(out, newline=""))}
    assert list(rows) == list(engines.find("llama.cpp").settings.model_fields)
    assert (rows["ubatch_size"]["default"], rows["ubatch_size"]["unit"]) == (
        "512",
        "tokens of a physical batch",
    )
    assert rows["ctx_type"]["values"] == "default, mtp"


def test_what_people_see(cli: Cli, snapshot: SnapshotAssertion) -> None:
    assert cli("engines").out == snapshot
    assert cli("engines", "vllm").out == snapshot


def test_an_unknown_engine_is_one_sentence(cli: Cli) -> None:
    outcome = cli("engines", "vlm")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("kvcalc: engine 'vlm' is unknown; did you mean vllm")


@pytest.mark.parametrize(
    "engine", [one for one in engines.ENGINES if engines.find(one).version != "-"]
)
def test_the_release_that_was_read_may_be_named(cli: Cli, engine: str) -> None:
    asked = ("estimate", "llama-3.1-8b", "-c", "8K", "--json", "-e")
    named = cli(*asked, f"{engine}@{engines.find(engine).version}")
    assert (named.code, named.out) == (0, cli(*asked, engine).out)

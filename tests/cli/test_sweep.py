"""`kvcalc sweep`: the main job."""

import csv
import io
import json
import re

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.conftest import Cli
from tests.engines.test_ideal import KEXAONE_TABLE

KEXAONE = "k-exaone-236b-a23b"


def test_json_holds_the_worked_table_to_the_byte(cli: Cli) -> None:
    outcome = cli("sweep", KEXAONE, "-f", "json")
    assert (outcome.code, outcome.err) == (0, "")
    rows = {(row["context"], row["window"]): row for row in json.loads(outcome.out)}
    assert {
        context: (
            rows[context, 4096]["bytes"],
            rows[context, 128]["bytes"],
            rows[context, 128]["full_attention_bytes"],
        )
        for context in KEXAONE_TABLE
    } == KEXAONE_TABLE
    assert len(rows) == 2 * len(KEXAONE_TABLE)


def test_the_table_holds_the_worked_table_to_the_byte(cli: Cli) -> None:
    outcome = cli("sweep", KEXAONE)
    assert (outcome.code, outcome.err) == (0, "")
    lines = [re.findall(r"\b[0-9,]{5,}", line) for line in outcome.out.splitlines()]
    numbers = [[int(number.replace(",", "")) for number in line] for line in lines]
    assert {line[0]: tuple(line[1:]) for line in numbers if len(line) == 4} == KEXAONE_TABLE


@pytest.mark.parametrize("form", ["csv", "md"])
def test_the_other_forms_hold_the_worked_table_to_the_byte(cli: Cli, form: str) -> None:
    numbers = {
        int(number.replace(",", ""))
        for number in re.findall(
            r"[0-9]+" if form == "csv" else r"[0-9,]+", cli("sweep", KEXAONE, "-f", form).out
        )
        if number.strip(",")
    }
    assert numbers >= {size for sizes in KEXAONE_TABLE.values() for size in sizes}


@pytest.mark.parametrize("form", ["table", "csv", "json", "md"])
def test_every_form_is_what_people_see(cli: Cli, form: str, snapshot: SnapshotAssertion) -> None:
    outcome = cli("sweep", KEXAONE, "-c", "8K,256K", "-f", form)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == snapshot


def test_json_rows_have_the_contracts_fields(cli: Cli) -> None:
    (row,) = json.loads(cli("sweep", "llama-3.1-8b", "-c", "8K", "--json").out)
    assert set(row) == {
        "model",
        "engine",
        "engine_version",
        "context",
        "sequences",
        "window",
        "kv_cache_dtype",
        "settings",
        "bytes",
        "bytes_per_gpu",
        "formula",
        "full_attention_bytes",
    }
    assert (row["window"], row["bytes"]) == (None, row["full_attention_bytes"])


@pytest.mark.parametrize(
    ("options", "contexts"),
    [
        (("-c", "8K"), [8192]),
        (("-c", "8K,32K"), [8192, 32768]),
        (("-c", "8K..64K"), [8192, 16384, 32768, 65536]),
        (("-c", "8K..50K"), [8192, 16384, 32768]),
        (("-c", "8K..8K"), [8192]),
        (("-c", "8K", "-c", "32K"), [8192, 32768]),
        (("-c", "32K,8K..16K,100"), [32768, 8192, 16384, 100]),
        (("-c", "8K,8192"), [8192]),
    ],
)
def test_contexts_are_lists_doubling_ranges_and_repeats(
    cli: Cli, options: tuple[str, ...], contexts: list[int]
) -> None:
    rows = json.loads(cli("sweep", "llama-3.1-8b", *options, "--json").out)
    assert [row["context"] for row in rows] == contexts


def test_windows_are_lists_and_ranges_too(cli: Cli) -> None:
    out = cli("sweep", KEXAONE, "-c", "8K", "-w", "128..512,4096", "-f", "csv").out
    rows = csv.DictReader(io.StringIO(out, newline=""))
    assert [row["window"] for row in rows] == ["128", "256", "512", "4096"]


def test_a_shape_is_swept_over_its_windows(cli: Cli) -> None:
    shape = ("--layers", "48", "--pattern", "LLLG", "--kv-heads", "8", "--head-dim", "128")
    rows = json.loads(cli("sweep", *shape, "-w", "4096,128", "-c", "256K", "--json").out)
    assert [row["bytes"] for row in rows] == [13_488_881_664, 12_903_776_256]


def test_sequences_element_type_and_ranks_hold_for_every_row(cli: Cli) -> None:
    options = ("-n", "16", "-d", "fp8", "--tp", "8", "--json")
    rows = json.loads(cli("sweep", KEXAONE, *options).out)
    assert {(row["sequences"], row["kv_cache_dtype"]) for row in rows} == {(16, "fp8")}
    assert rows[-1]["bytes"] == 8 * rows[-1]["bytes_per_gpu"] == 16 * 12_903_776_256 // 2


def test_the_reader_is_told_that_engines_allocate_otherwise(cli: Cli) -> None:
    assert "engines allocate otherwise" in cli("sweep", KEXAONE).out


def test_contexts_past_the_models_maximum_are_answered_with_one_warning(cli: Cli) -> None:
    outcome = cli("sweep", KEXAONE, "-c", "128K..1M", "--json")
    assert outcome.code == 0
    assert len(json.loads(outcome.out)) == 8
    assert outcome.err.count("\n") == 1
    assert outcome.err.startswith("kvcalc: warning: a context of 1,048,576 tokens is past the ")

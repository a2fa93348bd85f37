"""`kvcalc trace`: rows, forms, admission and exit codes."""

import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.conftest import Cli

KEXAONE = "k-exaone-236b-a23b"
AZURE = "tests/oracles/traces/azure_code.csv"
MOONCAKE = "tests/oracles/traces/mooncake.jsonl"
RATES = ("--prefill-rate", "50000", "--decode-rate", "30")


def test_what_people_see(cli: Cli, snapshot: SnapshotAssertion) -> None:
    asked = ("-e", "ideal,vllm,llama.cpp", "-w", "4096,128", "--gpu", "h200", "--memory", "20GiB")
    outcome = cli("trace", KEXAONE, MOONCAKE, *asked, *RATES)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == snapshot


def test_json_is_an_array_of_rows_of_the_contracts_fields(cli: Cli) -> None:
    rows = json.loads(cli("trace", KEXAONE, AZURE, *RATES, "--json").out)
    assert list(rows[0]) == [
        "model",
        "engine",
        "window",
        "rule",
        "peak_bytes",
        "peak_at",
        "peak_sequences",
        "p50_bytes",
        "p95_bytes",
        "p99_bytes",
        "mean_bytes",
        "requests",
        "requests_without_life",
        "prefill_rate",
        "decode_rate",
    ]
    assert rows[0]["rule"] == "full length"
    assert rows[0]["requests"] == 399


def test_shared_prefixes_say_both_figures(cli: Cli) -> None:
    out = cli("trace", KEXAONE, MOONCAKE, "--prefix", *RATES).out
    assert "full length, prefixes shared" in out
    assert "of the prompts' tokens are of blocks that came before" in out


def test_the_statement_is_printed_for_anyones_warehouse(cli: Cli) -> None:
    outcome = cli("trace", KEXAONE, "--print-sql", "--dialect", "spark")
    assert outcome.code == 0
    assert outcome.out.startswith("WITH lives AS (SELECT t0 AS t0, t1 AS t1, CASE WHEN tokens > 0")
    assert " DIV " in outcome.out
    assert "MATERIALIZED" not in outcome.out


def test_the_timeline_goes_to_a_file(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "timeline.csv"
    assert cli("trace", KEXAONE, AZURE, *RATES, "--csv", str(path)).code == 0
    assert path.read_text().startswith("t,held,sequences,b0,b1\n0,")


def test_a_trim_keeps_what_lies_between(cli: Cli) -> None:
    whole = json.loads(cli("trace", KEXAONE, AZURE, *RATES, "--json").out)[0]
    asked = ("--from", "0", "--to", "10")
    part = json.loads(cli("trace", KEXAONE, AZURE, *RATES, *asked, "--json").out)[0]
    assert part["peak_at"] <= 10_000_000
    assert part["peak_bytes"] <= whole["peak_bytes"]


def test_skipped_rows_are_exit_code_1(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("timestamp,input_length,output_length\n1,10,10\nx,1,1\n")
    assert cli("trace", KEXAONE, str(path), *RATES).code == 2
    outcome = cli("trace", KEXAONE, str(path), *RATES, "--skip-bad")
    assert (outcome.code, outcome.err) == (1, "kvcalc: 1 bad rows were skipped\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "files: found none, expected at least one trace"),
        ((AZURE,), "has no durations; give --prefill-rate and --decode-rate"),
        ((AZURE, "--prefill-rate", "8"), "decode_rate: missing beside the other rate"),
        ((AZURE, "--prefill-rate", "0", "--decode-rate", "1"), "prefill_rate: found '0'"),
        ((AZURE, *RATES, "--from", "x"), "--from: found 'x', expected seconds"),
        ((AZURE, *RATES, "--memory", "20G"), "--memory: '20G' is read two ways"),
        ((AZURE, *RATES, "--column", "start"), "--column: found 'start', expected question=name"),
        ((AZURE, *RATES, "--prefix"), "prefix: the trace has no ids of blocks"),
        ((AZURE, *RATES, "-e", "vlm"), "engine 'vlm' is unknown"),
        (("--print-sql", "--dialect", "oracle"), "dialect 'oracle' is unknown"),
        (("--print-sql", "-e", "llama.cpp"), "this engine's cache is a pool"),
    ],
)
def test_bad_input_is_one_sentence(cli: Cli, arguments: tuple[str, ...], sentence: str) -> None:
    outcome = cli("trace", KEXAONE, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1

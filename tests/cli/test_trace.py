"""`kvcalc trace`: rows, forms, admission and exit codes."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from syrupy.assertion import SnapshotAssertion

from tests.conftest import Cli
from tests.one_duckdb import one_duckdb

__all__ = ["one_duckdb"]

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
        "engine_version",
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
    assert "of the prompts' tokens are of blocks that came before: an endless cache's hits" in out


def test_beside_windows_prefixes_hit_what_the_engine_keeps(cli: Cli) -> None:
    asked = ("trace", KEXAONE, MOONCAKE, "--prefix", "-e", "vllm,vllm@0.25.1", *RATES)
    out = cli(*asked, "-w", "128").out
    assert "6.4 % of the prompts' tokens are of blocks that came before; beside windows" in out
    assert "vllm, window 128: a cache that is never full hits 3.6 % (kvcalc replay)" in out
    assert "vllm, window 128: what it hits of them was not replayed" in out
    assert "endless" not in out


def test_the_statement_is_printed_for_anyones_warehouse(cli: Cli) -> None:
    outcome = cli("trace", KEXAONE, "--print-sql", "--dialect", "spark")
    assert outcome.code == 0
    assert outcome.out.startswith(
        "WITH typed AS (SELECT CAST(t0 AS BIGINT) AS t0, CAST(t1 AS BIGINT)"
    )
    assert "LEAST(CAST(`tokens` AS BIGINT), 128)" in outcome.out
    assert " DIV " in outcome.out
    assert "MATERIALIZED" not in outcome.out


def test_no_tokens_hold_nothing_where_the_formula_would_charge_them(cli: Cli) -> None:
    outcome = cli("trace", KEXAONE, "-e", "vllm", "--print-sql", "--dialect", "spark")
    assert outcome.code == 0
    assert "CASE WHEN tokens > 0" in outcome.out


def test_the_printed_statement_runs_over_a_table_of_three_columns(cli: Cli) -> None:
    outcome = cli("trace", KEXAONE, "--print-sql", "-w", "4096,128")
    base = duckdb.connect()
    base.execute("CREATE TABLE trace(t0 BIGINT, t1 BIGINT, tokens BIGINT)")
    base.execute("INSERT INTO trace VALUES (0, 10, 8192), (5, 20, 100)")
    assert [row[:4] for row in base.execute(outcome.out).fetchall()] == [
        (0, 1_006_632_960 + 100 * 196_608, 5, 2),
        (1, 421_527_552 + 100 * 196_608, 5, 2),
    ]
    assert "rule 1: ideal, window 128, full length" in outcome.err


def test_the_timeline_goes_to_a_file_with_a_column_a_row(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "timeline.csv"
    assert cli("trace", KEXAONE, AZURE, *RATES, "--timeline", str(path)).code == 0
    header, *rows = csv.reader(path.open())
    assert header == ["t", "sequences", "ideal 128 full length", "ideal 128 prompt alone"]
    assert rows[-1][1:] == ["0", "0", "0"]


def test_a_trim_keeps_what_lies_between(cli: Cli) -> None:
    whole = json.loads(cli("trace", KEXAONE, AZURE, *RATES, "--json").out)[0]
    asked = ("--since", "0", "--until", "10")
    part = json.loads(cli("trace", KEXAONE, AZURE, *RATES, *asked, "--json").out)[0]
    assert part["peak_at"] <= 10_000_000
    assert part["peak_bytes"] <= whole["peak_bytes"]


def test_the_card_it_runs_on_is_counted_with_the_weights(cli: Cli) -> None:
    asked = ("trace", KEXAONE, MOONCAKE, "-e", "ideal,vllm", *RATES, "--json")
    rows = json.loads(cli(*asked, "--gpu", "h100").out)
    assert list(rows[0])[-3:] == ["gpu", "gpus", "tensor_parallel_size"]
    assert [row["gpus"] for row in rows] == [8, 8, 16, 8]
    assert json.loads(cli(*asked, "--set", "gpu=h100").out) == rows
    given = ("--gpu", "h100", "--weights", "1GB", "--reserve", "10GiB")
    assert [row["gpus"] for row in json.loads(cli(*asked, *given).out)] == [1, 1, 2, 1]
    half = ("--gpu", "h100", "--weights-dtype", "fp8")
    assert [row["gpus"] for row in json.loads(cli(*asked, *half).out)] == [4, 4, 8, 8]


def test_flags_and_a_servers_line_are_their_settings(cli: Cli) -> None:
    asked, on = ("trace", KEXAONE, AZURE, *RATES), ("--gpu", "h200", "--json")
    settings = ("--set", "block_size=32", "--set", "gpu_memory_utilization=0.8")
    exact = cli(*asked, "-e", "vllm", *settings, *on)
    assert (exact.code, json.loads(exact.out)[0]["gpus"]) == (0, 8)  # 4 at 0.92
    flags = ("--block-size", "32", "--gpu-memory-utilization", "0.8")
    line = f"vllm serve {KEXAONE} {' '.join(flags)}"
    assert cli(*asked, "-e", "vllm", *flags, *on).out == exact.out
    assert cli("trace", AZURE, *RATES, "--from", line, *on).out == exact.out
    assert cli(*asked, "--from", line.replace(KEXAONE, "qwen3-8b"), *on).out == exact.out


def test_each_engine_and_release_takes_what_is_its_own(cli: Cli) -> None:
    asked, on = ("trace", KEXAONE, AZURE, *RATES, "--json"), ("--gpu", "l40s")
    names = ("vllm@0.25.1", "vllm", "sglang")
    own = {"vllm": ("--block-size", "32"), "sglang": ("--page-size", "64")}
    flags = [word for flag in own.values() for word in flag]
    together = json.loads(cli(*asked, *on, "-e", ",".join(names), *flags).out)
    alone = [
        json.loads(cli(*asked, *on, "-e", name, *own[name.partition("@")[0]]).out) for name in names
    ]
    assert together == [row for rows in alone for row in rows]


def test_the_statement_follows_the_card_too(cli: Cli) -> None:
    asked = ("trace", KEXAONE, "-e", "vllm", "--print-sql")
    assert cli(*asked, "--gpu", "b200").out != cli(*asked).out
    assert cli(*asked, "--gpu", "h200").out == cli(*asked).out


def test_skipped_rows_are_exit_code_1(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("timestamp,input_length,output_length\n1,10,10\n1,1\nx,1,1\n")
    refused = cli("trace", KEXAONE, str(path), *RATES)
    assert (refused.code, refused.out) == (2, "")
    assert "line 3: found no row of 3 columns in '1,1'" in refused.err
    outcome = cli("trace", KEXAONE, str(path), *RATES, "--skip-bad")
    assert (outcome.code, outcome.err) == (1, "kvcalc: 2 bad rows were skipped\n")


def test_other_commands_do_not_import_duckdb() -> None:
    code = "import sys, kvcalc.cli.app; sys.exit('duckdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "files: found none, expected at least one trace"),
        ((AZURE,), "as measured: --prefill-rate 8000 --decode-rate 40"),
        ((AZURE, "--prefill-rate", "8"), "decode_rate: missing beside the other rate"),
        ((AZURE, "--prefill-rate", "0", "--decode-rate", "1"), "prefill_rate: found '0'"),
        ((AZURE, *RATES, "--since", "9", "--until", "8"), "until: found 8,000,000 microseconds"),
        ((AZURE, *RATES, "--time-unit", "h"), "time_unit: found 'h'"),
        ((AZURE, *RATES, "--since", "x"), "--since: found 'x', expected seconds"),
        ((AZURE, *RATES, "--weights", "5GB"), "--weights: found without --gpu"),
        ((AZURE, *RATES, "--reserve", "5GB"), "--reserve: found without --gpu"),
        ((AZURE, *RATES, "--gpu", "h300"), "GPU 'h300' is unknown"),
        ((AZURE, *RATES, "--column", "start"), "--column: found 'start', expected question=name"),
        ((AZURE, *RATES, "--prefix"), "prefix: the trace has no ids of blocks"),
        ((AZURE, *RATES, "-e", "vlm"), "engine 'vlm' is unknown"),
        (("--print-sql", "--dialect", "oracle"), "dialect 'oracle' is unknown"),
        (("--gpus", "4"), "--gpus: found without --gpu"),
        (("--print-sql", "-e", "llama.cpp"), "this engine's cache is a pool"),
    ],
)
def test_bad_input_is_one_sentence(cli: Cli, arguments: tuple[str, ...], sentence: str) -> None:
    outcome = cli("trace", KEXAONE, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1

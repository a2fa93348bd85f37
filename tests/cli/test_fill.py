"""`kvcalc fill`: files in and out, and exit codes."""

import io
import sys
from pathlib import Path

import duckdb
import openpyxl
import pytest

import kvcalc
from tests.conftest import Cli

PLAN = "team,model,context\na,k-exaone-236b-a23b,262144\n=b+1,llama-3.1-8b,8K\n"
FILLED = (
    "team,model,context,bytes,bytes_per_gpu,error\n"
    "a,k-exaone-236b-a23b,262144,12903776256,12903776256,\n"
    "=b+1,llama-3.1-8b,8K,1073741824,1073741824,\n"
)
BAD = "team,model,context\na,k-exaone-236b-a23b,x\na,llama-3.1-8b,8K,1\n"


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.csv"
    path.write_text(PLAN)
    return path


def test_answers_stand_beside_the_rows(cli: Cli, plan: Path) -> None:
    outcome = cli("fill", str(plan))
    assert (outcome.code, outcome.out) == (0, FILLED)
    assert outcome.err == (
        "kvcalc: note: cells that a spreadsheet would calculate are kept as the plan has them\n"
    )


def test_what_a_workbook_or_parquet_holds_is_marked_in_csv(cli: Cli, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["model", "context", "note", "price"], ["llama-3.1-8b", 8192, "@SUM(A1)", -5]):
        book.worksheets[0].append(row)
    book.save(tmp_path / "plan.xlsx")
    duckdb.execute(
        "COPY (SELECT 'llama-3.1-8b' AS model, 8192 AS context, '@SUM(A1)' AS note, -5 AS price) "
        f"TO '{tmp_path / 'plan.parquet'}' (FORMAT parquet)"
    )
    for name in ("plan.xlsx", "plan.parquet"):
        outcome = cli("fill", str(tmp_path / name))
        assert outcome.out.splitlines()[1].startswith("llama-3.1-8b,8192,'@SUM(A1),-5,1073741824")
        assert outcome.err == ""


def test_stdin_is_read_for_a_dash(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PLAN.encode())))
    assert cli("fill", "-").out == FILLED


def test_a_closed_stdin_is_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    outcome = cli("fill", "-")
    assert (outcome.code, outcome.err) == (2, "kvcalc: stdin: closed; give a file\n")


@pytest.mark.parametrize(
    "name", [f"filled{form}" for form in (".json", ".md", ".parquet", ".xls", ".xlsm", ".ods")]
)
def test_no_csv_is_written_under_the_name_of_another_form(
    cli: Cli, plan: Path, tmp_path: Path, name: str
) -> None:
    outcome = cli("fill", str(plan), "-o", str(tmp_path / name))
    assert outcome.code == 2
    assert outcome.err.endswith(", expected .csv, .tsv, .txt, .xlsx\n")
    assert not (tmp_path / name).exists()


def test_a_file_is_written_whole(cli: Cli, plan: Path, tmp_path: Path) -> None:
    filled = tmp_path / "filled.csv"
    assert cli("fill", str(plan), "-o", str(filled)).code == 0
    assert filled.read_text() == FILLED


def test_bad_rows_are_counted_and_the_exit_code_is_1(cli: Cli, plan: Path) -> None:
    plan.write_text(BAD)
    outcome = cli("fill", str(plan))
    assert outcome.code == 1
    assert outcome.err == "kvcalc: 2 rows have no answer; the column error says why\n"
    assert outcome.out.splitlines()[1].startswith("a,k-exaone-236b-a23b,x,,,\"context: found 'x'")
    assert outcome.out.splitlines()[2] == 'a,llama-3.1-8b,8K,,,"found 4 cells, expected 3"'


def test_settings_that_are_not_read_are_named(cli: Cli, plan: Path) -> None:
    plan.write_text("model,context,engine,block_size,gpu\nllama-3.1-8b,8K,vllm,32,h200\n")
    outcome = cli("fill", str(plan))
    assert outcome.code == 0
    assert outcome.err == (
        "kvcalc: note: columns that are settings of vllm, but not read: 'block_size', 'gpu'\n"
    )


def test_a_column_named_nearly_like_a_question_is_said_not_to_be_read(cli: Cli, plan: Path) -> None:
    plan.write_text("model,context,TP,tensor_paralel,owner\nllama-3.1-8b,8K,8,8,ops\n")
    notes = cli("fill", str(plan)).err.splitlines()
    assert notes == [
        f"kvcalc: note: column {name!r} is not read; --column tensor_parallel_size={name} reads it"
        for name in ("TP", "tensor_paralel")
    ]
    read = cli("fill", str(plan), "--column", "tensor_parallel_size=TP")
    assert read.err == ""
    assert read.out.endswith(",1073741824,134217728,\n")


def test_strict_stops_at_the_first_bad_row_and_writes_nothing(
    cli: Cli, plan: Path, tmp_path: Path
) -> None:
    plan.write_text(BAD)
    outcome = cli("fill", str(plan), "--strict", "-o", str(tmp_path / "filled.csv"))
    assert outcome.code == 2
    assert outcome.err.startswith(f"kvcalc: '{plan}': line 2: context: found 'x'")
    assert vars(outcome.error) == {
        "field": "context",
        "found": "x",
        "expected": "a whole number such as 8192 or 256K (K, M, G: powers of 1024)",
    }
    assert not (tmp_path / "filled.csv").exists()


def test_neither_the_plan_nor_another_file_is_overwritten(
    cli: Cli, plan: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("kept")
    assert "is the input" in cli("fill", str(plan), "-o", str(plan), "--force").err
    assert "exists; --force replaces it" in cli("fill", str(plan), "-o", str(other)).err
    assert (plan.read_text(), other.read_text()) == (PLAN, "kept")
    assert cli("fill", str(plan), "-o", str(other), "--force").code == 0
    assert other.read_text() == FILLED


def test_a_column_is_named_by_a_pair(cli: Cli, plan: Path) -> None:
    plan.write_text(PLAN.replace("context", "ctx_len"))
    assert cli("fill", str(plan), "--column", "context=ctx_len").code == 0
    assert cli("fill", str(plan), "--column", "context").code == 2
    twice = cli("fill", str(plan), "--column", "context=ctx_len", "--column", "context=team")
    assert (twice.code, twice.err) == (2, "kvcalc: --column: 'context' is given twice\n")


def test_a_plan_asks_for_releases_and_is_told_them(cli: Cli, tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text(
        "model,context,engine,release\n"
        "gemma-3-27b,128K,vllm,0.25.1\n"
        "gemma-3-27b,128K,vllm@0.26.0,\n"
        "gemma-3-27b,128K,vllm,\n"
        "gemma-3-27b,128K,mlx,0.1\n"
    )
    outcome = cli("fill", str(plan))
    header, *rows = [line.split(",") for line in outcome.out.splitlines()]
    assert header[4:] == ["bytes", "bytes_per_gpu", "error", "engine_version"]
    assert [(row[4], row[-1]) for row in rows] == [
        ("15275130880", "0.25.1"),
        ("19301662720", "0.26.0"),
        ("19301662720", "0.33.0"),
        ("", ""),
    ]


@pytest.mark.parametrize("delimiter", [";", "\t", ","], ids=["semicolon", "tab", "comma"])
def test_a_plan_is_parted_as_its_program_parts_it(cli: Cli, tmp_path: Path, delimiter: str) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text(PLAN.replace(",", delimiter), newline="")
    assert cli("fill", str(plan)).out == FILLED.replace(",", delimiter)


def test_a_comma_within_a_quoted_name_parts_nothing(cli: Cli, tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text('"a, b, c, d";model;context\n1;llama-3.1-8b;8K\n', newline="")
    header, row = cli("fill", str(plan)).out.splitlines()
    assert header == "a, b, c, d;model;context;bytes;bytes_per_gpu;error"
    assert row == "1;llama-3.1-8b;8K;1073741824;1073741824;"


def test_a_filled_plan_is_filled_again(cli: Cli, plan: Path, tmp_path: Path) -> None:
    once, again = tmp_path / "once.csv", tmp_path / "again.tsv"
    assert cli("fill", str(plan), "-o", str(once), "--add", "gib").code == 0
    once.write_text(once.read_text().replace("8K,1073741824", "16K,1073741824"))
    assert cli("fill", str(once), "-o", str(again)).code == 0
    changed = FILLED.replace("8K,1073741824,1073741824", "16K,2147483648,2147483648")
    assert again.read_text() == changed.replace(",", "\t")


def test_a_column_named_as_one_of_the_answers_is_the_plans_own(cli: Cli, tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text("model,context,error\nllama-3.1-8b,8K,mine\n")
    outcome = cli("fill", str(plan))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "kvcalc: column 'error': found already, expected to be added\n"
    plan.write_text("gpus,model,context\n4,llama-3.1-8b,8K\n")
    outcome = cli("fill", str(plan), "--add", "gpus", "--gpu", "h200")
    assert outcome.err == "kvcalc: column 'gpus': found already, expected to be added\n"


def test_columns_are_added_on_request(cli: Cli, tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text(
        "model,context,sequences\nllama-3.1-8b,128K,1\nllama-3.1-405b,128K,1\nkimi-k3,8K,1\n,8K,1\n"
    )
    asked = ("--add", "gpus,gib,fits", "--gpu", "h200", "--gpus", "4")
    outcome = cli("fill", str(plan), *asked)
    assert outcome.code == 1
    rows = [line.split(",") for line in outcome.out.splitlines()]
    assert rows[0][-3:] == ["gpus", "gib", "fits"]
    for row, model in zip(rows[1:3], ("llama-3.1-8b", "llama-3.1-405b"), strict=True):
        least = kvcalc.fit(kvcalc.load(model), gpu="h200", context=131_072, sequences=1)
        held = kvcalc.fit(kvcalc.load(model), gpu="h200", gpus=4, context=131_072, sequences=1)
        assert row[-3:] == [str(least.gpus), row[-2], "yes" if held.fits else "no"]
        assert float(row[-2]) == int(row[3]) / 2**30
    assert [row[-1] for row in rows[1:3]] == ["yes", "no"]
    assert "fits: weights: Kimi-K3 does not say" in outcome.out.splitlines()[3]
    assert rows[4][-3:] == ["", "", ""]


def test_the_engines_defaults_are_those_on_the_gpu(cli: Cli, tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text("model,context,engine\nk-exaone-236b-a23b,256K,vllm\ngpt-oss-20b,8K,\n")
    rows = [line.split(",") for line in cli("fill", str(plan), "--gpu", "l4").out.splitlines()]
    model = kvcalc.load("k-exaone-236b-a23b")
    assert int(rows[1][3]) == kvcalc.cost(model, "vllm", gpu="l4")(262_144)
    assert int(rows[1][3]) != kvcalc.cost(model, "vllm")(262_144)


def test_a_gpu_that_nobody_knows_is_refused_once(cli: Cli, plan: Path) -> None:
    outcome = cli("fill", str(plan), "--gpu", "h2000")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("kvcalc: GPU 'h2000' is unknown; did you mean h200")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (["--add", "tib"], "add: found 'tib', expected gib, fits, gpus, each once"),
        (["--add", "gib,gib"], "add: found 'gib', expected gib, fits, gpus, each once"),
        (["--add", "fits"], "add: fits needs a gpu, as h200"),
        (
            ["--add", "gpus", "--gpu", "h200", "--gpus", "4"],
            "gpus: found 4 where fits is not added",
        ),
    ],
    ids=str,
)
def test_a_column_that_cannot_be_added_is_refused(
    cli: Cli, plan: Path, asked: list[str], sentence: str
) -> None:
    outcome = cli("fill", str(plan), *asked)
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"kvcalc: {sentence}\n")

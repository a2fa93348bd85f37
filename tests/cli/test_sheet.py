"""`kvcalc sheet`: its files, and what it refuses."""

import csv
import shlex
import sys
from pathlib import Path
from typing import Any

import openpyxl
import pytest

import kvcalc
from tests.conftest import Cli
from tests.outputs.workbook.office import cached

LEAST = ("llama-3.1-8b", "-e", "ideal", "-d", "bfloat16", "--tp", "1")
"""What takes the least time to work out."""

SHEETS = ["Plan", "Workload", "Sweep", "Formulas", "Start", "Models", "Engines", "GPUs", "Checks"]


def test_it_writes_a_workbook_that_says_how_it_was_made(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "plan.xlsx"
    outcome = cli("sheet", "llama-3.1-8b", "-e", "vllm", "-c", "8K", "-n", "3", "-o", str(path))
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    plan = cached(path)["Plan"]
    assert f"kvcalc sheet llama-3.1-8b -e vllm -c 8K -n 3 -o {path}" in plan.values()
    assert 8_192 in plan.values()
    assert 8_192 * 131_072 * 3 in plan.values()


def plan_of(path: Path) -> dict[str, Any]:
    """*Plan*'s inputs and answers by their names."""
    book = openpyxl.load_workbook(path, data_only=True, read_only=True)
    rows = [[*row] for row in book["Plan"].values]
    return {str(row[place]): row[place + 1] for row in rows for place in (0, 4) if row[place]}


def test_plan_starts_with_the_gpus_that_are_named(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "plan.xlsx"
    asked = ("deepseek-v3", "kimi-k2", "-e", "vllm", "--gpu", "H200", "--gpus", "16", "--tp", "8")
    outcome = cli("sheet", *asked, "-o", str(path))
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    cells = plan_of(path)
    assert (cells["gpu"], cells["gpus"], cells["tensor_parallel_size"]) == ("h200", 16, 8)
    assert cells["weights_bytes"] == kvcalc.load("deepseek-v3").stored_bytes()
    assert cells["max_sequences"] == 2 * cells["sequences_per_copy"]
    assert cells["fits"] == "fits"


def test_one_model_is_shared_by_all_gpus_and_the_engines_defaults_are_those_there(
    cli: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "plan.xlsx"
    asked = ("k-exaone-236b-a23b", "-e", "vllm", "-c", "256K", "--gpu", "l4", "--gpus", "4")
    assert cli("sheet", *asked, "-o", str(path)).code == 0
    cells = plan_of(path)
    model = kvcalc.load("k-exaone-236b-a23b")
    there = kvcalc.cost(model, "vllm", tensor_parallel_size=4, gpu="l4")
    assert cells["total_bytes"] == there(262_144)
    assert cells["total_bytes"] != kvcalc.cost(model, "vllm", tensor_parallel_size=4)(262_144)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (["--gpu", "h2000"], "GPU 'h2000' is unknown"),
        (["--gpus", "4", "--tp", "8"], "gpus: found 4, expected 8 (the ranks) to 1,048,576"),
    ],
)
def test_gpus_that_cannot_be_are_refused(
    cli: Cli, tmp_path: Path, asked: list[str], sentence: str
) -> None:
    outcome = cli("sheet", "qwen3-8b", *asked, "-o", str(tmp_path / "plan.xlsx"))
    assert (outcome.code, list(tmp_path.iterdir())) == (2, [])
    assert sentence in outcome.err


LINE = (
    "vllm serve LGAI-EXAONE/K-EXAONE-236B-A23B --max-model-len 131072 --kv-cache-dtype fp8 "
    "-tp 4 --gpu-memory-utilization 0.95 --max-num-batched-tokens 2048"
)


def test_a_servers_line_is_what_plan_starts_with(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "plan.XLSX"
    outcome = cli("sheet", "--from", LINE, "--gpu", "h200", "--gpus", "4", "-o", str(path))
    assert outcome.code == 0, outcome
    cells = plan_of(path)
    asked = ("model", "engine", "kv_cache_dtype", "tensor_parallel_size", "context", "memory_share")
    values = ("K-EXAONE-236B-A23B", "vllm", "fp8", 4, 131_072, 0.95)
    assert tuple(cells[name] for name in asked) == values
    settings: dict[str, Any] = {"kv_cache_dtype": "fp8", "max_num_batched_tokens": 2048}
    there = kvcalc.cost(
        kvcalc.load("k-exaone-236b-a23b"), "vllm", tensor_parallel_size=4, gpu="h200", **settings
    )
    assert cells["total_bytes"] == there(131_072)
    assert cells["max_num_batched_tokens"] == 2048


@pytest.mark.parametrize(
    ("typed", "formula"),
    [
        ("-e vllm --block-size 32", "cdiv(context, block_size)*147456*block_size"),
        ("--from 'llama-server -m qwen3-8b.gguf -np 4 -ctk q8_0 -ctv q8_0'", "78336*ceil"),
        ("--set page_size=64 -e sglang", "cdiv(context, 64)"),
    ],
)
def test_settings_and_flags_are_of_the_engines_that_have_them(
    cli: Cli, tmp_path: Path, typed: str, formula: str
) -> None:
    path = tmp_path / "plan.xlsx"
    outcome = cli(
        "sheet", *shlex.split(typed), *([] if "--from" in typed else ["qwen3-8b"]), "-o", str(path)
    )
    assert outcome.code == 0, outcome
    assert formula in plan_of(path)["formula"]


def test_the_same_values_come_as_csv(cli: Cli, tmp_path: Path) -> None:
    path, folder = tmp_path / "plan.xlsx", tmp_path / "sheets"
    assert cli("sheet", "gpt-oss-20b", "-o", str(path), "--csv", str(folder)).code == 0
    assert sorted(file.stem for file in folder.iterdir()) == sorted(SHEETS)
    values = cached(path)
    for name in SHEETS:
        with (folder / f"{name}.csv").open(newline="") as file:
            rows = list(csv.reader(file))
        for (row, column), value in values[name].items():
            text = rows[row - 1][column - 1].removeprefix("'")
            same = text == value if isinstance(value, str) else float(text) == value
            assert same, (name, row, column)


def test_lists_are_taken_by_commas_and_again(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "plan.xlsx"
    asked = ("-e", "mlx,ideal", "-e", "lmdeploy", "-d", "fp8", "--tp", "2,4")
    assert cli("sheet", "llama-3.1-8b", *asked, "-o", str(path)).code == 0
    sheet = openpyxl.load_workbook(path, read_only=True)["Formulas"]
    rows = {tuple(row) for row in sheet.iter_rows(5, max_col=4, values_only=True)}
    assert {row[1] for row in rows} == {"mlx", "ideal", "lmdeploy", "vllm", "llama.cpp"}
    assert {row[2] for row in rows} == {"fp8", "bfloat16"}
    assert {row[3] for row in rows} == {1, 2, 4}


def test_what_exists_is_not_replaced_unless_forced(cli: Cli, tmp_path: Path) -> None:
    path, folder = tmp_path / "plan.xlsx", tmp_path / "sheets"
    path.write_text("kept")
    folder.mkdir()
    (folder / "GPUs.csv").write_text("kept")
    for asked, kept in (("-o", path), ("--csv", folder / "GPUs.csv")):
        # Before anything is worked out: the model is not even looked for.
        outcome = cli("sheet", "no-model", asked, str(path if asked == "-o" else folder))
        said = f"kvcalc: output '{kept}': exists; --force replaces it\n"
        assert (outcome.code, outcome.err) == (2, said)
    assert path.read_text() == (folder / "GPUs.csv").read_text() == "kept"
    forced = ("-o", str(path), "--csv", str(folder), "--force")
    assert cli("sheet", *LEAST, *forced).code == 0
    assert path.read_bytes().startswith(b"PK")
    assert (folder / "GPUs.csv").read_text() != "kept"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("llama-3.1-8b",), "output: missing; give -o plan.xlsx, --csv DIR or both"),
        (("llama-3.1-8b", "-o", "plan.ods"), "output 'plan.ods': found '.ods', expected .xlsx"),
        (("llama-3.1-8c", "-o", "plan.xlsx"), "model 'llama-3.1-8c' is unknown"),
        (("llama-3.1-8b", "-o", "plan.xlsx", "-e", "vlm"), "engine 'vlm' is unknown"),
        (("llama-3.1-8b", "-o", "plan.xlsx", "-c", "1e99"), "--context: "),
        (("llama-3.1-8b", "-o", "plan.xlsx", "-c", "1G"), "context: found 1,073,741,824"),
        ((*LEAST, "-o", "missing/plan.xlsx"), "cannot be written"),
        ((), "MODEL: missing; give a model, or --from a server's line"),
        (
            ("--from", "vllm serve qwen3-8b -pp 2", "-o", "plan.xlsx"),
            "pipeline_parallel_size: found '2'; in a workbook a copy of the model has its",
        ),
        (
            ("qwen3-8b", "-o", "plan.xlsx", "--set", "blocks_size=3"),
            "has the setting 'blocks_size'",
        ),
        ((*LEAST, "--csv", "missing/sheets"), "cannot be made"),
    ],
)
def test_a_wrong_request_is_one_sentence(
    cli: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = cli("sheet", *arguments)
    assert outcome.code == 2
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_missing_extra_is_named(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    outcome = cli("sheet", "llama-3.1-8b", "-o", str(tmp_path / "plan.xlsx"))
    assert outcome.code == 2
    assert "pip install 'kvcalc[xlsx]'" in outcome.err
    assert cli("sheet", *LEAST, "--csv", str(tmp_path / "sheets")).code == 0

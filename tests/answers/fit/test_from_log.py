"""`fit --log`: the weights and parts of a start-up log, for other questions of its server."""

import json
from pathlib import Path

import pytest

from kvcalc.answers.fit import solve
from kvcalc.answers.fit.from_log import with_log
from kvcalc.answers.fit.placing import Placing
from kvcalc.answers.fit.question import question
from kvcalc.errors import KvcalcError
from tests.conftest import Cli
from tests.engines.vllm.memory_rows import (
    GIB,
    ROWS,
    Row,
    card_of,
    is_text,
    model_of,
    settings_of,
)

CONFIG = "config: model='m', tensor_parallel_size={tp}, pipeline_parallel_size=1, dtype=x\n"
LOADED = (
    "(Worker) INFO [model_runner.py:4820] Model loading took {weights_gib} GiB memory and 3.2 s\n"
)
PROFILED = (
    "DEBUG [gpu_worker.py:420] Memory profiling takes 9.31 seconds. Total non KV cache memory: "
    "1.0GiB; torch peak memory increase: {torch_peak_increase_gib}GiB; non-torch forward increase "
    "memory: {non_torch_increase_gib}GiB; weights memory: {weights_gib}GiB.\n"
)
REQUESTED = (
    "DEBUG Initial free memory: 78.7 GiB; Requested memory: 0.95 (util), {requested_gib} GiB\n"
)
AVAILABLE = "INFO [gpu_worker.py:436] Available KV cache memory: {available_gib} GiB\n"

TOLD = [
    row
    for row in ROWS
    if is_text(row)
    and row["engine_version"] == "0.19.0"
    and row["pp"] == 1
    and None not in (row["torch_peak_increase_gib"], row["kv_tokens"])
]


@pytest.mark.parametrize("row", TOLD, ids=lambda row: row["id"])
@pytest.mark.parametrize(
    "lines", [(CONFIG, LOADED, PROFILED, REQUESTED, AVAILABLE), (CONFIG, LOADED, AVAILABLE)]
)
def test_a_log_gives_its_own_pool_again(row: Row, lines: tuple[str, ...], tmp_path: Path) -> None:
    log = tmp_path / "start.log"
    log.write_text("".join(lines).format(**row))
    asked = question(
        model_of(row),
        on=card_of(row),
        engine="vllm",
        weights=0,
        gpu_memory_utilization=row["utilization"],
        **settings_of(row).model_dump(exclude_defaults=True, exclude={"gpu"}),
    )
    answer = solve(Placing(with_log(asked, log)), gpus=row["tp"], context=row["max_model_len"])
    fit = answer.fit
    assert fit.tensor_parallel_size == row["tp"]
    assert answer.replica.budget.cache / GIB == pytest.approx(row["available_gib"], abs=0.025)
    assert abs(fit.max_sequences - row["kv_tokens"] // row["max_model_len"]) <= 1
    assert fit.promised_sequences <= row["kv_tokens"] // row["max_model_len"]


START = (CONFIG + LOADED + AVAILABLE).format(tp=2, weights_gib=7.51, available_gib=63.76)


def test_it_answers_for_other_contexts_on_the_same_ranks(cli: Cli, tmp_path: Path) -> None:
    log = tmp_path / "start.log"
    log.write_text(START)
    on = ("fit", "llama-3.1-8b", "--gpu", "h100", "--gpus", "2", "-e", "vllm@0.19.0")
    share = ("--set", "gpu_memory_utilization=0.95", "--log", str(log))
    outcome = cli(*on, *share, "-c", "64K", "--json")
    found = json.loads(outcome.out)
    assert outcome.err == ""
    assert found["tensor_parallel_size"] == 2
    assert found["max_sequences"] == int(63.76 * GIB) // (65_536 * 65_536)
    assert {part["kind"] for part in found["parts"] if part["bytes"]} == {"given", "exact"}
    table = cli(*on, *share, "-c", "64K").out
    assert "weights: given, " in table
    assert "it holds for the log's ranks, max_num_seqs and batch" in table


@pytest.mark.parametrize(
    ("text", "given", "sentence"),
    [
        (START, ("--tp", "1"), "tensor_parallel_size: found 1, expected 2 as in the log"),
        (START, ("--reserve", "1GB"), "--log: found beside --reserve or --optimistic; give one"),
        (LOADED.format(weights_gib=1), (), 'found no line "Available KV cache memory"'),
        (AVAILABLE.format(available_gib=1), (), 'found no line "Model loading took"'),
    ],
)
def test_what_a_log_cannot_tell_is_said(
    cli: Cli, tmp_path: Path, text: str, given: tuple[str, ...], sentence: str
) -> None:
    log = tmp_path / "start.log"
    log.write_text(text)
    on = ("fit", "llama-3.1-8b", "--gpu", "h100", "--gpus", "2", "-e", "vllm@0.19.0")
    outcome = cli(*on, "--log", str(log), *given)
    assert outcome.code == 2
    assert sentence in outcome.err


def test_an_engine_without_such_lines_is_refused() -> None:
    asked = question(model_of(TOLD[0]), on=card_of(TOLD[0]), engine="ideal", weights=1)
    with pytest.raises(KvcalcError, match="ideal prints no parts that are read"):
        with_log(asked, Path("x"))

"""A plan's rows and their answers: each is the library's own cost of what the row asks."""

from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.answers.fill.columns import QUESTIONS, meant, places
from kvcalc.answers.fill.rows import Filled, filler
from kvcalc.errors import KvcalcError
from tests.each import each

HEADER = [
    "model",
    "engine",
    "context",
    "sequences",
    "window",
    "kv_cache_dtype",
    "tensor_parallel_size",
    "note",
]


def answered(*cells: str) -> Filled:
    row = [*cells, *[""] * (len(HEADER) - len(cells))]
    return filler(len(HEADER), places(HEADER, {}))(row)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("k-exaone-236b-a23b", "", "262144"), 12_903_776_256),
        (("k-exaone-236b-a23b", "", "256K", "", "4096"), 13_488_881_664),
        (("k-exaone-236b-a23b", "transformers", "262144"), 12_903_628_800),
        (("k-exaone-236b-a23b", "ideal", "262,144", "2", "", "fp8"), 12_903_776_256),
        (("k-exaone-236b-a23b", "ideal", "262144.0", "1.0", "128.0", "", "1.0"), 12_903_776_256),
        (("k-exaone-236b-a23b", "ideal", "262144.00", "1.000", "", "", "1.00"), 12_903_776_256),
    ],
    ids=["defaults", "another window", "another engine", "fp8", "as spreadsheets", "as decimals"],
)
def test_a_row_is_answered_by_its_cells(cells: tuple[str, ...], expected: int) -> None:
    assert answered(*cells).bytes == expected


def test_a_window_is_taken_by_all_layers_of_a_model_with_several() -> None:
    model = kvcalc.load("tests/oracles/configs/XiaomiMiMo--MiMo-V2-Flash.json")
    row = answered("tests/oracles/configs/XiaomiMiMo--MiMo-V2-Flash.json", "", "8192", "", "64")
    assert row.bytes == kvcalc.cost(model.with_window(64))(8192)


def test_tensor_parallel_shares_the_bytes_among_gpus() -> None:
    row = answered("k-exaone-236b-a23b", "", "262144", "", "", "", "8")
    assert (row.bytes, row.bytes_per_gpu) == (12_903_776_256, 1_612_972_032)


@each(
    ("cells", "sentence"),
    [
        (("",), "model: missing"),
        (("k-exaone-236b-a23b",), "context: found '', expected a whole number"),
        (("no-such-model", "", "1"), "model 'no-such-model' is unknown"),
        (("k-exaone-236b-a23b", "vlm", "1"), "engine 'vlm' is unknown"),
        (("k-exaone-236b-a23b", "", "0"), "context: found 0, expected a positive int"),
        (("k-exaone-236b-a23b", "", "-1"), "context: found '-1', expected a whole number"),
        (("k-exaone-236b-a23b", "", "1e9"), "context: found '1e9', expected a whole number"),
        (("k-exaone-236b-a23b", "", "9" * 100), "context: found '999"),
        (("k-exaone-236b-a23b", "", "1", "0"), "sequences: found 0, expected a positive int"),
        (("llama-3.1-8b", "", "1", "", "128"), "window: Llama-3.1-8B has no sliding layers"),
        (("k-exaone-236b-a23b", "", "1", "", "", "fp3"), "element type 'fp3' is unknown"),
        (("k-exaone-236b-a23b", "", "1", "", "", "", "3"), "tensor_parallel_size: found 3"),
    ],
)
def test_a_bad_row_says_why(cells: tuple[str, ...], sentence: str) -> None:
    row = answered(*cells)
    assert row.bytes is row.bytes_per_gpu is None
    assert str(row.error).startswith(sentence)


@each("column", QUESTIONS)
def test_a_formula_without_a_value_is_no_default(column: str) -> None:
    row = {"model": "llama-3.1-8b", "context": "8192", column: "=A2*2"}
    header = list(row)
    answer = filler(len(header), places(header, {}))(list(row.values()))
    assert str(answer.error) == (
        f"{column}: found '=A2*2', expected a value; this formula has none: "
        "save the plan in a spreadsheet program"
    )


def test_a_ragged_row_says_so() -> None:
    answer = filler(len(HEADER), places(HEADER, {}))
    assert str(answer(["k-exaone-236b-a23b"]).error) == "found 1 cells, expected 8"


def test_columns_go_by_the_names_that_a_person_gives() -> None:
    assert places(["m", "ctx_len"], {"model": "m", "context": "ctx_len"}) == {
        "model": 0,
        "context": 1,
    }


@pytest.mark.parametrize(
    ("header", "named", "sentence"),
    [
        (["model", "tokens"], {}, "column 'context': missing; the columns are 'model', 'tokens'"),
        (["model", "context"], {"window": "w"}, "column 'w': missing"),
        (["model", "context"], {"colour": "w"}, "--column: the question 'colour' is unknown"),
        (["model", "model", "context"], {}, "column 'model': found 2, expected one"),
        (["model", "context", "error"], {}, "column 'error': found already"),
    ],
)
def test_columns_that_are_not_there_are_named(
    header: list[str], named: dict[str, str], sentence: str
) -> None:
    with pytest.raises(KvcalcError) as caught:
        places(header, named)
    assert str(caught.value).startswith(sentence)


def test_no_more_formulas_are_remembered_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvcalc.answers.fill.rows.MAX_COSTS", 2)
    answer = filler(2, {"model": 0, "context": 1})
    names = ("llama-3.1-8b", "k-exaone-236b-a23b", "gpt-oss-20b", "llama-3.1-8b")
    for name in names:
        assert answer([name, "1024"]).bytes == kvcalc.cost(kvcalc.load(name))(1024)


def test_records_have_what_is_added() -> None:
    plan = "tests/oracles/plan.csv"
    rows = kvcalc.fill(plan, add=["gib", "fits", "gpus"], gpu="h200", gpus=4)
    assert [(row.gib, row.fits, row.gpus) for row in rows] == [
        *((12.02, True, 4), (25.13, True, 4), (256.0, True, 2))
    ]
    assert {(row.gib, row.fits, row.gpus) for row in kvcalc.fill(plan)} == {(None, None, None)}
    wrongs: tuple[tuple[dict[str, Any], str], ...] = (
        ({"add": ["tib"]}, "add: found 'tib', expected gib, fits, gpus, each once"),
        ({"add": ["fits"]}, "add: fits needs a gpu, as h200"),
    )
    for wrong, sentence in wrongs:
        with pytest.raises(KvcalcError, match=sentence):
            kvcalc.fill(plan, **wrong)


def test_a_row_that_needs_stages_fits_on_as_many_gpus_as_it_needs(tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text("model,engine,context\nmixtral-8x7b,vllm,8K\n")
    (row,) = kvcalc.fill(plan, add=["gpus", "fits"], gpu="rtx-4090", gpus=8)
    assert (row.gpus, row.fits) == (8, True)  # in 2 stages, as one stage of 8 ranks is declined


@each(
    ("column", "question"),
    [
        ("batch", "sequences"),
        ("Batch Size", "sequences"),
        ("concurrency", "sequences"),
        ("n", "sequences"),
        ("num_seqs", "sequences"),
        ("sliding_window", "window"),
        ("cache_type", "kv_cache_dtype"),
        ("dtype", "kv_cache_dtype"),
        ("KV dtype", "kv_cache_dtype"),
        ("tp", "tensor_parallel_size"),
        ("TP-size", "tensor_parallel_size"),
        ("tensor_paralel_size", "tensor_parallel_size"),
        ("sequence", "sequences"),
        ("owner", None),
        ("region", None),
    ],
)
def test_what_a_column_of_another_name_may_well_ask(column: str, question: str | None) -> None:
    said = meant(["model", "context", column], {"model": 0, "context": 1})
    assert said == ({column: question} if question else {})


def test_a_question_that_a_column_asks_is_meant_by_no_other() -> None:
    read = {"model": 0, "context": 1, "tensor_parallel_size": 2}
    assert meant(["model", "context", "tensor_parallel_size", "tp"], read) == {}

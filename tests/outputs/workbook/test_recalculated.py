"""Workbooks typed into and recalculated by LibreOffice, checked against the library."""

import random
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import pytest

import kvcalc
from kvcalc.answers.workbook import Workbook, workbook
from kvcalc.errors import KvcalcError
from kvcalc.outputs.workbook.contents import sheets
from kvcalc.outputs.workbook.writer import write_xlsx
from kvcalc.readers import read
from tests.outputs.workbook.office import (
    Cells,
    Office,
    Typed,
    cached,
    coordinate,
    formulas,
    place,
)

CONFIGS = Path(__file__).parents[2] / "oracles" / "configs"
MODELS = (
    "k-exaone-236b-a23b",
    "gpt-oss-20b",
    "deepseek-v3",
    "gemma-3-27b",
    str(CONFIGS / "Qwen--Qwen3.5-27B.json"),
    str(CONFIGS / "deepseek-ai--DeepSeek-V4-Flash.json"),
)


NOT_WRITTEN = "not in this workbook: kvcalc sheet"
WHOLE = "expected a whole number from 1 to"
ODD_INPUTS: list[tuple[dict[str, Any], str]] = [
    (
        {"tensor_parallel_size": 4},
        f"{NOT_WRITTEN} k-exaone-236b-a23b -e ideal -d bfloat16 --tp 4",
    ),
    ({"engine": "mlx"}, f"{NOT_WRITTEN} k-exaone-236b-a23b -e mlx -d bfloat16 --tp 1"),
    ({"model": "of my own"}, f"{NOT_WRITTEN} of my own -e ideal -d bfloat16 --tp 1"),
    ({"model": "K*"}, f"{NOT_WRITTEN} K* -e ideal -d bfloat16 --tp 1"),
    ({"context": 0}, f"context: {WHOLE} 134,217,728"),
    ({"context": "8K"}, f"context: {WHOLE} 134,217,728"),
    ({"sequences": 1.5}, f"sequences: {WHOLE} 131,072"),
    ({"window": "4K"}, f"window: {WHOLE} 134,217,728"),
    ({"window": -1}, f"window: {WHOLE} 134,217,728"),
    (
        {"context": 2**27, "sequences": 2**17},
        "more than 2^53 bytes: past what a spreadsheet counts exactly",
    ),
]
"""What may be pasted into *Plan*, past its validation, and what total_bytes then says."""


class Variant(NamedTuple):
    """What is typed into *Plan*; a window of None is left as it was."""

    model: str
    engine: str
    kv_cache_dtype: str
    tensor_parallel_size: int
    context: int
    sequences: int
    window: int | None

    def cells(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if value is not None}


def written(path: Path, models: tuple[str, ...], **asked: Any) -> Workbook:
    book = workbook(
        [(name, read(name)) for name in models],
        command="kvcalc sheet",
        version="0",
        date="2026-01-01",
        **asked,
    )
    write_xlsx(path, *sheets(book))
    return book


ANSWERS = ("total_bytes", "bytes_per_gpu")


def by_library(book: Workbook, asked: Variant) -> tuple[int, int] | str:
    """What the library answers to ANSWERS, or the sentence by which it refuses."""
    model = next(one.model for one in book.models if one.name == asked.model)
    try:
        cost = kvcalc.cost(
            model,
            engine=asked.engine,
            kv_cache_dtype=asked.kv_cache_dtype,
            tensor_parallel_size=asked.tensor_parallel_size,
        )
        given = {} if asked.window is None else {"window": asked.window}
        amounts = {"context": asked.context, "sequences": asked.sequences, **given}
        return cost(**amounts), cost.per_gpu(**amounts)
    except KvcalcError as error:
        return str(error)


def variants(book: Workbook) -> list[Variant]:
    """One for every row of *Formulas*, at amounts that no block or page divides.

    A window is typed into every other one that has any.
    """
    rolls = random.Random(7)
    found = []
    for number, one in enumerate(book.combinations):
        slides = one.listed.model.window is not None
        window = rolls.randint(1, 5000) if slides and number % 2 else None
        amounts = rolls.randint(1, 300_000), rolls.choice([1, 2, 3, 7, 64, 255, 300])
        asked = (one.engine, one.kv_cache_dtype, one.tensor_parallel_size)
        found.append(Variant(one.listed.name, *asked, *amounts, window))
    return found


class Run(NamedTuple):
    """All that LibreOffice calculated.

    `unchanged` is the whole workbook as it was written; `typed` has the rows of *Formulas* and
    *Checks* with each of a few variants typed in; `answers` are ANSWERS to every variant, and
    `odd` is the first of them to each of ODD_INPUTS. `saved` are the checks of a workbook that
    LibreOffice has saved.
    """

    book: Workbook
    path: Path
    unchanged: Cells
    typed: list[tuple[Variant, Cells]]
    answers: list[tuple[Variant, list[Any]]]
    odd: list[Any]
    saved: Cells


@pytest.fixture(scope="module")
def run(office: Office, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("workbooks")
    path, large = folder / "plan.xlsx", folder / "large.xlsx"
    book = written(path, MODELS)
    written(large, ("llama-3.1-405b",), among=["vllm", "ideal"], context=1_048_575, sequences=4_096)
    all_of_them = variants(book)
    few = random.Random(3).sample(all_of_them, 3)
    bytes_of_all = f"Formulas!F5:G{4 + len(book.combinations)}"
    found = office.recalculated(
        [
            Typed(path, [f"{title}!" for title in cached(path)]),
            Typed(path, ["checks", bytes_of_all, "Checks!"], [one.cells() for one in few]),
            Typed(
                path,
                ANSWERS,
                [*(one.cells() for one in all_of_them), *(cells for cells, _ in ODD_INPUTS)],
            ),
            Typed(large, ["Checks!"], saved_as=folder / "saved.xlsx"),
        ]
    )
    (unchanged,), typed, totals, (saved,) = found
    opened = openpyxl.load_workbook(path, read_only=True)
    at = [coordinate(place(opened, name)[1]) for name in ANSWERS]
    answers = [[one["Plan"].get(cell) for cell in at] for one in totals]
    odd = [total for total, _ in answers[len(all_of_them) :]]
    assert len(odd) == len(ODD_INPUTS)
    return Run(
        book,
        path,
        unchanged,
        [*zip(few, typed, strict=True)],
        [*zip(all_of_them, answers, strict=False)],
        odd,
        saved,
    )


def test_every_formula_gives_what_it_was_written_with(run: Run) -> None:
    before = cached(run.path)
    compared = 0
    for sheet, cells in formulas(run.path).items():
        for cell, text in cells.items():
            was, now = before[sheet].get(cell), run.unchanged[sheet].get(cell)
            assert was == now or was == pytest.approx(now, rel=1e-14), (sheet, cell, text)
            compared += 1
    assert compared > 1_000


def test_the_bytes_are_the_library_s_for_every_combination(run: Run) -> None:
    for asked, found in run.answers:
        expected = by_library(run.book, asked)
        if isinstance(expected, str):
            assert found[1] is None
            assert expected.endswith(found[0].removeprefix("sequences: ")), asked
        else:
            assert found == [*expected], asked
    assert len(run.answers) == len(run.book.combinations)
    assert sum(isinstance(found[0], float) for _, found in run.answers) >= 60


@pytest.mark.parametrize("number", range(len(ODD_INPUTS)))
def test_an_input_that_has_no_answer_gives_a_sentence(run: Run, number: int) -> None:
    assert run.odd[number] == ODD_INPUTS[number][1]


def test_changed_inputs_reach_every_row_and_leave_the_checks_alone(run: Run) -> None:
    _, cell = place(openpyxl.load_workbook(run.path, read_only=True), "checks")
    for asked, cells in run.typed:
        assert cells["Plan"][coordinate(cell)] == run.unchanged["Plan"][coordinate(cell)]
        for number, one in enumerate(run.book.combinations, 5):
            window = asked.window if one.listed.name == asked.model else None
            own = asked._replace(
                model=one.listed.name,
                engine=one.engine,
                kv_cache_dtype=one.kv_cache_dtype,
                tensor_parallel_size=one.tensor_parallel_size,
                window=window,
            )
            expected = by_library(run.book, own)
            found = [cells["Formulas"].get((number, column)) for column in (6, 7)]
            refused = isinstance(expected, str) and isinstance(found[0], str)
            assert refused or found == [*expected], own
        assert differences(cells) == {0.0}


def test_figures_of_16_digits_agree_after_another_program_has_saved_them(run: Run) -> None:
    """LibreOffice saves a typed number in 15 digits, which the check would be off by."""
    assert max(run.saved["Checks"][row, 8] for row in range(5, 9)) > 10**15
    assert differences(run.saved) == {0.0}


def differences(cells: Cells) -> set[float]:
    return {cells["Checks"][row, 10] for row, column in cells["Checks"] if column == 8 and row > 4}

"""*Workload* in tokens of a predecessor, recalculated by LibreOffice: the library's figures."""

from typing import Any

import pytest

import kvcalc
from kvcalc.outputs.workbook.contents import sheets
from kvcalc.outputs.workbook.layout import WORKLOAD_FIRST_ROW
from kvcalc.outputs.workbook.writer import write_xlsx
from kvcalc.readers import read
from kvcalc.readers.tokens import converted
from tests.outputs.workbook.office import Office, Typed
from tests.outputs.workbook.test_sheets import book_of

KEXAONE = "k-exaone-236b-a23b"
ROWS = range(WORKLOAD_FIRST_ROW + 1, WORKLOAD_FIRST_ROW + 6)
IN, OUT, CONTEXT, SESSIONS, BYTES = 2, 3, 5, 6, 7
TYPED: dict[str, dict[str, Any]] = {
    "own": {},
    "korean": {"in_tokens_of": "exaone-4.0-32b, korean"},
    "code": {"in_tokens_of": "exaone-4.0-32b, code"},
    "another's": {"in_tokens_of": "exaone-4.0-32b, code", "model": "gpt-oss-20b"},
    "unknown": {"in_tokens_of": "gpt-2*"},
}


@pytest.fixture(scope="module")
def workload(office: Office, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("workload")
    readings = [(name, read(name)) for name in (KEXAONE, "gpt-oss-20b")]
    write_xlsx(folder / "plan.xlsx", *sheets(book_of(readings, dtypes=["bfloat16"], ranks=[1])))
    asked = Typed(folder / "plan.xlsx", ["Workload!"], [*TYPED.values()])
    (found,) = office.recalculated([asked])
    return {typed: cells["Workload"] for typed, cells in zip(TYPED, found, strict=True)}


@pytest.mark.parametrize("language", ["korean", "code"])
def test_tokens_of_a_predecessor_are_the_model_s_own_as_the_library_says(
    workload: dict[str, Any], language: str
) -> None:
    cells = workload[language]
    cost = kvcalc.cost(kvcalc.load(KEXAONE))
    for row in ROWS:
        tokens = int(cells[row, IN] + cells[row, OUT])
        own = converted(tokens, KEXAONE, "exaone-4.0-32b", language)
        assert (cells[row, CONTEXT], cells[row, BYTES]) == (
            own,
            cost(own, sequences=int(cells[row, SESSIONS])),
        )
    assert "of its tokens are" in cells[7, 5]


def test_unless_asked_the_tokens_are_the_model_s_own(workload: dict[str, Any]) -> None:
    cells = workload["own"]
    assert all(cells[row, CONTEXT] == cells[row, IN] + cells[row, OUT] for row in ROWS)
    assert cells[7, 2] == "the model itself"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("another's", "no gain over exaone-4.0-32b, code is published for gpt-oss-20b"),
        ("unknown", "no gain over gpt-2* is published for K-EXAONE-236B-A23B"),
    ],
)
def test_a_gain_that_is_not_published_gives_no_bytes(
    workload: dict[str, Any], typed: str, sentence: str
) -> None:
    cells = workload[typed]
    assert cells[7, 5] == sentence
    assert {cells[row, BYTES] for row in ROWS} == {"see in_tokens_of"}


def test_models_without_gains_have_no_input_for_them() -> None:
    laid_out, names = sheets(
        book_of([("llama-3.1-8b", read("llama-3.1-8b"))], dtypes=["bfloat16"], ranks=[1])
    )
    assert "in_tokens_of" not in names
    assert (6, 1) not in laid_out[1].cells

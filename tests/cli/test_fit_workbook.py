"""`kvcalc fit -o plan.xlsx`: a row per answer, and costs that follow the prices people type."""

from pathlib import Path

import openpyxl
import pytest

from tests.conftest import Cli
from tests.outputs.workbook.office import Office, Typed

GRID = ("llama-3.1-8b", "--gpu", "h100,gb10", "--gpus", "1", "-e", "vllm@0.31.0", "-c", "8K,32K")


def test_a_workbook_has_each_answer_and_what_it_costs(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "plan.xlsx"
    outcome = cli("fit", *GRID, "--price", "h100=2.5,gb10=1", "-o", str(path))
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    cells = openpyxl.load_workbook(path, data_only=True)["Fit"]
    head, *rows = cells.iter_rows(min_row=4, values_only=True)
    first, _, refused, _ = (dict(zip(head, row, strict=True)) for row in rows)
    assert (first["fits"], first["cost_hour"], refused["fits"]) == ("yes", 2.5, "cannot")
    assert first["cost_hour_per_sequence"] == 2.5 / first["promised_sequences"]
    assert refused["why_not"].startswith("vllm: ")


def test_its_costs_follow_the_prices_and_are_empty_without(
    cli: Cli, office: Office, tmp_path: Path
) -> None:
    """LibreOffice calculates them anew, with the price typed over."""
    written = tmp_path / "plan.xlsx"
    cli("fit", *GRID, "--spare", "1", "-o", str(written))
    prices: list[dict[str, int | None]] = [{"Prices!B5": price} for price in (None, 4)]
    (found,) = office.recalculated([Typed(written, ["Fit!"], prices)])
    names = [cell.value for cell in openpyxl.load_workbook(written)["Fit"][4]]
    without, priced = (
        {name: cells["Fit"].get((5, place)) for place, name in enumerate(names, 1)}
        for cells in found
    )
    costs = ("cost_hour", "cost_month", "cost_hour_per_sequence")
    assert [without[name] or None for name in costs] == [None, None, None]
    assert (priced["gpus_rented"], priced["cost_hour"], priced["cost_month"]) == (2, 8, 5840)
    assert priced["promised_sequences"] == without["promised_sequences"]
    assert priced["cost_hour_per_sequence"] == pytest.approx(
        8 / int(priced["promised_sequences"] or 0)
    )

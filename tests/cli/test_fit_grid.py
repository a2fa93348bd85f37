"""`kvcalc fit` for several questions at once, and what the answers cost."""

import csv
import json
import re

from tests.conftest import Cli

KEXAONE = "k-exaone-236b-a23b"
FOUR_H200 = (KEXAONE, "--gpu", "h200", "--gpus", "4", "-c", "256K")


def test_a_grid_in_which_nothing_fits_is_exit_1(cli: Cli) -> None:
    assert cli("fit", KEXAONE, "--gpu", "l4,t4", "--gpus", "1", "-f", "csv").code == 1


def test_a_price_adds_cost_an_hour_and_a_month(cli: Cli) -> None:
    outcome = cli("fit", *FOUR_H200, "--price", "h200=3.5", "--spare", "1", "--json")
    found = json.loads(outcome.out)
    assert (found["gpus_with_spare"], found["cost_hour"], found["cost_month"]) == (5, 17.5, 12_775)


GRID = ("--gpu", "h100,gb10", "--gpus", "1", "-e", "vllm@0.31.0", "-c", "8K,32K")


def test_a_grid_names_what_is_refused_and_goes_on(cli: Cli) -> None:
    """GB10 shares its memory with other processes, which no log tells enough of."""
    outcome = cli("fit", "llama-3.1-8b", *GRID)
    assert (outcome.code, outcome.err) == (0, "")
    assert len(re.findall(r"1 gb10 +cannot", outcome.out)) == 2
    assert outcome.out.count("cannot, Llama-3.1-8B on 1 gb10: vllm: kvcalc does not know") == 1
    rows = json.loads(cli("fit", "llama-3.1-8b", *GRID, "--json").out)
    assert [("error" in row, row["context"]) for row in rows] == [
        *((False, 8192), (False, 32_768)),
        *((True, 8192), (True, 32_768)),
    ]
    table = list(csv.DictReader(cli("fit", "llama-3.1-8b", *GRID, "-f", "csv").out.splitlines()))
    assert [row["fits"] for row in table] == ["True", "True", "", ""]
    assert all(row["error"].startswith("vllm: ") for row in table[2:])


def test_a_grid_of_refusals_alone_is_one_of_them(cli: Cli) -> None:
    outcome = cli("fit", "llama-3.1-8b", *("--gpu", "gb10", "--gpus", "1,2", "-e", "vllm@0.31.0"))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1

"""A public start-up log of vLLM 0.19.0 (Qwen3-8B on an H100): its row, its check, its fit."""

import warnings

import kvcalc
from kvcalc.answers.check import AGREES
from kvcalc.answers.fit.card import card
from kvcalc.answers.fit.from_log import with_log
from kvcalc.answers.fit.placing import Placing
from kvcalc.answers.fit.question import question
from tests.engines.vllm.memory_rows import ROWS
from tests.oracles.measure.comparison import ORACLES
from tests.oracles.measure.vllm_memory import row_of

LOG = ORACLES / "logs" / "vllm-0.19.0-qwen3-8b-h100.log"
(KEPT,) = (row for row in ROWS if row["id"] == "llmd19-qwen-qwen3-8b.tp1pp1dp1--8192")


def test_the_script_makes_the_row_that_is_kept() -> None:
    """But for the runner, which no line names, and the GPU's name in the catalogue."""
    made = row_of(LOG.read_text(), "h100", model="qwen3-8b", id=KEPT["id"], source=KEPT["source"])
    assert list(made) == list(KEPT)
    assert {name: made[name] for name in made if name not in ("runner", "gpu")} == {
        name: KEPT[name] for name in KEPT if name not in ("runner", "gpu")
    }


def test_every_figure_of_it_agrees() -> None:
    """Its line "Overriding num_gpu_blocks=0" is of the profile of its graphs, not of its pool."""
    rows = kvcalc.check(LOG, kvcalc.load("qwen3-8b"), gpu="h100")
    assert len(rows) == 15
    assert {row.verdict for row in rows} == {AGREES}


def test_a_size_that_both_labels_give_has_the_releases_own() -> None:
    (row,) = (row for row in kvcalc.check(LOG, kvcalc.load("qwen3-8b")) if "KV cache" in row.figure)
    assert row.why == "blocks // groups x block size, the label's meaning up to 0.20.0"


def test_the_parts_that_its_use_line_prints_are_enough_for_a_fit() -> None:
    """57.5 GiB of pool: 51 requests of 8,192 tokens, and without the log as many."""
    asked = question(
        kvcalc.load("qwen3-8b"), on=card("h100"), engine="vllm@0.19.0", gpu_memory_utilization=0.95
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        both = with_log(asked, LOG), asked
        told, own = (Placing(one).on(1).most_sequences(8192) for one in both)
    assert (told, own) == (51, 51)

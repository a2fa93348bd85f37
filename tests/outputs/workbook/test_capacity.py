"""*Plan*'s answers about GPUs, recalculated by LibreOffice and checked against `kvcalc fit`."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import pytest

import kvcalc
from kvcalc.answers.fit.card import card
from kvcalc.answers.fit.question import question
from kvcalc.answers.fit.replica import Replica
from kvcalc.outputs.workbook.contents import sheets
from kvcalc.outputs.workbook.writer import write_xlsx
from kvcalc.readers import load, read
from kvcalc.readers.weights import Weights, weights_of
from tests.outputs.workbook.office import Office, Typed, coordinate, place
from tests.outputs.workbook.test_sheets import book_of

OF_PLAN = {"max_num_batched_tokens": 8_192, "max_num_seqs": 1_024}
OUTSIDE = "outside of gpu_memory_utilization"
ENGINES = ["ideal", "vllm", "llama.cpp", "lmdeploy", "sglang", "mlx"]


class Plan(NamedTuple):
    """What is typed into *Plan*."""

    model: str
    engine: str
    tensor_parallel_size: int
    gpu: str
    gpus: int
    context: int
    sequences: int
    weights_bytes: int
    reserve_bytes: int = 0
    spare_gpus: int = 0
    price_hour: float = 0


PLANS = [
    Plan("K-EXAONE-236B-A23B", "vllm", 8, "h200", 8, 262_144, 16, 472 * 10**9, 5 * 10**9, 1, 3.5),
    Plan("K-EXAONE-236B-A23B", "vllm", 1, "h200", 1, 262_144, 1, 472 * 10**9),
    Plan("K-EXAONE-236B-A23B", "ideal", 8, "h100", 16, 131_071, 100, 236 * 10**9 + 1, 10**9, 0, 2),
    Plan("gpt-oss-20b", "vllm", 1, "l4", 3, 100_003, 10, 13 * 10**9, 0, 2, 0.75),
    Plan("gpt-oss-20b", "llama.cpp", 1, "rtx-4090", 1, 65_537, 4, 13 * 10**9, 10**9),
    Plan("Llama-3.1-8B", "lmdeploy", 1, "h200", 2, 8_191, 30, 16 * 10**9, 123_456_789),
    Plan("Llama-3.1-8B", "vllm", 8, "b200", 8, 1, 1_000, 16 * 10**9),
    Plan("Llama-3.1-8B", "lmdeploy", 1, "t4", 1, 8_191, 30, 16 * 10**9),
    Plan("gpt-oss-20b", "mlx", 1, "mac-64gb", 1, 8_192, 150, 13 * 10**9),
]
CLEARED = ("memory_share", "weights_bytes", "gpu", "gpus")
"""Inputs that are emptied, each by itself."""

ASKED_OF_FIT = Plan("Llama-3.1-8B", "sglang", 1, "h100", 1, 8_192, 1, 16 * 10**9)


def by_fit(plan: Plan) -> Replica:
    """One copy, by the rules of fit, with the settings that *Plan* has as of an H200."""
    settings = OF_PLAN if plan.engine == "vllm" else {}
    asked = question(
        load(plan.model),
        on=card(plan.gpu),
        engine=plan.engine,
        weights=Weights(plan.weights_bytes, "", ""),
        reserve=plan.reserve_bytes,
        kv_cache_dtype="bfloat16",
        **settings,
    )
    return Replica.of(asked, plan.tensor_parallel_size)


def planned(
    office: Office,
    models: Sequence[str],
    plans: Sequence[Mapping[str, Any]],
    folder: Path,
    **asked: Any,
) -> list[dict[str, Any]]:
    """Each plan's cells by their names, all typed into one workbook."""
    path = folder / "plan.xlsx"
    readings = [(name, read(name)) for name in models]
    write_xlsx(path, *sheets(book_of(readings, dtypes=["bfloat16"], **asked)))
    (found,) = office.recalculated([Typed(path, ["Plan!"], plans)])
    book = openpyxl.load_workbook(path, read_only=True)
    at = {name: coordinate(place(book, name)[1]) for name in book.defined_names}
    return [{name: cells["Plan"].get(where) for name, where in at.items()} for cells in found]


@pytest.fixture(scope="module")
def answers(office: Office, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    plans = [plan._asdict() for plan in (*PLANS, ASKED_OF_FIT)]
    plans += [{**plans[0], name: None} for name in CLEARED]
    models = ("k-exaone-236b-a23b", "gpt-oss-20b", "llama-3.1-8b")
    return planned(office, models, plans, tmp_path_factory.mktemp("capacity"), among=ENGINES)


@pytest.mark.parametrize("number", range(len(PLANS)))
def test_the_budget_and_what_fits_are_fit_s(answers: list[dict[str, Any]], number: int) -> None:
    plan, found = PLANS[number], answers[number]
    copy = by_fit(plan).promised
    each = copy.most_sequences(plan.context)
    assert found["cache_budget"] == copy.budget.cache
    assert found["cache_usable"] == copy.cache
    if plan.engine == "lmdeploy" and plan.gpu != "h200":
        assert found["sequences_per_copy"].startswith(
            "what lmdeploy takes and runs at once depends"
        )
        return
    assert found["sequences_per_copy"] == each
    most = plan.gpus // plan.tensor_parallel_size * each
    assert found["max_sequences"] == most
    assert found["fits"] == ("fits" if plan.sequences <= most else "does not fit")
    if not each:
        assert found["gpus_needed"] == "does not fit on so few ranks"
        return
    needed = -(-plan.sequences // each) * plan.tensor_parallel_size + plan.spare_gpus
    assert found["gpus_needed"] == needed
    expected = needed * plan.price_hour * 730 if plan.price_hour else "give price_hour"
    assert found["cost_month"] == expected


def test_an_engine_of_several_pools_is_left_to_fit(answers: list[dict[str, Any]]) -> None:
    found = answers[len(PLANS)]
    assert found["memory_share"] == "give mem_fraction_static"
    assert "missing" in found["max_sequences"]
    assert found["total_bytes"] == 8_192 * 131_072


@pytest.mark.parametrize("name", CLEARED)
def test_an_input_that_is_cleared_is_missing_and_not_0(
    answers: list[dict[str, Any]], name: str
) -> None:
    found = answers[len(PLANS) + 1 + CLEARED.index(name)]
    of_budget = "weights_bytes, memory_share or gpu: missing"
    budget = answers[0]["cache_budget"] if name == "gpus" else of_budget
    assert found["cache_budget"] == budget
    assert found["max_sequences"] == ("gpus: missing" if name == "gpus" else of_budget)
    assert "fits" not in found or found["fits"] is None


def test_the_weights_are_those_that_fit_counts(office: Office, tmp_path: Path) -> None:
    """DeepSeek-V3 is published in FP8: 673 GB, not 1,342; as BF16 it would not fit on 8 H200."""
    plan = {"model": "DeepSeek-V3", "engine": "vllm", "tensor_parallel_size": 8}
    plans = [
        {**plan, "gpu": "h200", "gpus": 8, "context": 32_768},
        {"model": "gpt-oss-120b", "engine": "vllm", "tensor_parallel_size": 1},
    ]
    models = ("deepseek-v3", "gpt-oss-120b", "llama-3.1-8b")
    found, packed = planned(office, models, plans, tmp_path, among=["vllm"])
    for answer, model in ((found, "deepseek-v3"), (packed, "gpt-oss-120b")):
        assert answer["weights_bytes"] == weights_of(load(model), None).bytes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = kvcalc.fit(load("deepseek-v3"), gpu="h200", gpus=8, engine="vllm", context=32_768)
    assert found["weights_per_gpu"] == fit.weights_per_gpu
    beside = (part.high for part in fit.parts if part.name not in ("weights", OUTSIDE))
    assert found["start_most"] == sum(beside)
    assert found["max_sequences"] == fit.promised_sequences

"""*Plan*'s parts of a start and what they leave, typed into it and held against `kvcalc fit`."""

import random
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import openpyxl
import pytest

import kvcalc
from kvcalc.answers.fit.fitted import Fit
from kvcalc.engines.memory_part import MemoryPart
from kvcalc.errors import KvcalcError
from kvcalc.outputs.workbook.contents import sheets
from kvcalc.outputs.workbook.plan_parts import HEADS, UNSEEN
from kvcalc.outputs.workbook.writer import write_xlsx
from kvcalc.readers import load, read
from tests.outputs.workbook.office import Cells, Office, Typed, coordinate, place
from tests.outputs.workbook.test_sheets import book_of

MODELS = {
    "K-EXAONE-236B-A23B": "k-exaone-236b-a23b",
    "Llama-3.1-8B": "llama-3.1-8b",
    "gpt-oss-20b": "gpt-oss-20b",
    "Gemma-3-27B": "gemma-3-27b",
    "DeepSeek-V3": "deepseek-v3",
    "Qwen3-Next-80B-A3B": "qwen3-next-80b-a3b",
    "Kimi-K2.5": "kimi-k2.5",
}
"""By their names in the book; the last one's start is declined."""

ENGINES = {
    "vllm": ("gpu_memory_utilization", ("max_num_batched_tokens", "max_num_seqs")),
    "llama.cpp": ("", ("ubatch_size",)),
    "lmdeploy": ("", ()),
}
"""What each calls its share of the memory, where *Plan*'s is typed, and *Plan*'s settings."""

NAMES = {"memory that a driver may not report": UNSEEN}
"""What *Plan* calls a part in fewer words."""

GPU = "h200"
COUNT = 48


class Asked(NamedTuple):
    """What is typed into *Plan*; a share of None is left as it was."""

    model: str
    engine: str
    kv_cache_dtype: str
    tensor_parallel_size: int
    context: int
    gpu: str
    memory_share: float | None
    max_num_batched_tokens: int
    max_num_seqs: int
    ubatch_size: int

    def cells(self) -> dict[str, Any]:
        own = {name: value for name, value in self._asdict().items() if value is not None}
        return {**own, "gpus": self.tensor_parallel_size, "sequences": 1}


def asked() -> Iterator[Asked]:
    """Amounts that no step divides, of each model and engine in turn."""
    rolls = random.Random(18)
    for number in range(COUNT):
        engine = rolls.choice(["vllm"] * 6 + ["llama.cpp", "lmdeploy"])
        share = ENGINES[engine][0] and rolls.choice([None, 0.5, 0.873, 0.95])
        yield Asked(
            [*MODELS][number % len(MODELS)],
            engine,
            rolls.choice(["bfloat16", "fp8"]) if engine == "vllm" else "bfloat16",
            1 if engine == "llama.cpp" else rolls.choice([1, 8]),
            rolls.choice([1_000, 8_192, 100_003]),
            GPU
            if engine == "lmdeploy"
            else rolls.choice([GPU, "h100", "b200", "l4", "gb10", "a100-80gb"]),
            share or None,
            rolls.choice([1, 17, 255, 2_048, 8_192, 16_384]),
            rolls.choice([1, 5, 8, 100, 256, 1_000, 3_000]),
            rolls.choice([1, 512, 700, 4_096]),
        )


def by_fit(one: Asked) -> Fit | KvcalcError:
    """What `kvcalc fit` answers of one copy, or its refusal."""
    share, names = ENGINES[one.engine]
    settings: dict[str, Any] = {name: getattr(one, name) for name in names}
    if share and one.memory_share is not None:
        settings[share] = one.memory_share
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return kvcalc.fit(
                load(MODELS[one.model]),
                engine=one.engine,
                gpu=one.gpu,
                gpus=one.tensor_parallel_size,
                context=one.context,
                kv_cache_dtype=one.kv_cache_dtype,
                tensor_parallel_size=one.tensor_parallel_size,
                **settings,
            )
    except KvcalcError as error:
        return error


class Shown(NamedTuple):
    """What *Plan* shows: cells by their names, and the parts of its table by theirs."""

    cells: dict[str, Any]
    parts: dict[str, MemoryPart]


def shown(book: Any, cells: Cells) -> Shown:
    plan = cells["Plan"]
    at = {name: coordinate(place(book, name)[1]) for name in book.defined_names}
    first = next(row for (row, column), text in plan.items() if text == HEADS[0])
    parts = {}
    for row in range(first + 1, first + 30):
        cells_of_row: list[Any] = [plan.get((row, column)) for column in range(1, 8)]
        name, likely, kind, _, low, high, source = cells_of_row
        if name and {type(likely), type(low), type(high)} == {float}:
            parts[name] = MemoryPart(name, likely, low, high, kind, source)
    return Shown({name: plan.get(where) for name, where in at.items()}, parts)


VLLM = {"model": "Llama-3.1-8B", "engine": "vllm", "tensor_parallel_size": 1, "gpus": 1}
OF_MY_OWN = {"GPUs!A5": "mine", "GPUs!E5": 100 * 2**30, "GPUs!G5": None, "gpu": "mine"}
"""A GPU that is typed over the first of *GPUs*, and the cell of whose compute capability is H5."""


class Run(NamedTuple):
    """What *Plan* shows for each that is asked, for sentences, and for a GPU of one's own."""

    asked: list[tuple[Asked, Shown]]
    odd: list[Shown]
    own: list[Shown]


@pytest.fixture(scope="module")
def run(office: Office, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("starts")
    path = folder / "plan.xlsx"
    readings = [(name, read(name)) for name in MODELS.values()]
    book = book_of(readings, among=[*ENGINES], ranks=[1, 8], dtypes=["bfloat16", "fp8"], gpu=GPU)
    write_xlsx(path, *sheets(book))
    typed = [*asked()]
    cells = [one.cells() for one in typed]
    cells += [{**VLLM, **over} for over, _, _ in SENTENCES]
    cells += [{**VLLM, **OF_MY_OWN, "GPUs!H5": capability} for capability in ("9.0", 9)]
    (found,) = office.recalculated([Typed(path, ["Plan!"], cells)])
    opened = openpyxl.load_workbook(path, read_only=True)
    all_shown = [shown(opened, cells) for cells in found]
    answers, odd = all_shown[: len(typed)], all_shown[len(typed) : -2]
    return Run([*zip(typed, answers, strict=True)], odd, all_shown[-2:])


def test_the_parts_and_what_they_leave_are_fit_s(run: Run) -> None:
    answered = refused = 0
    for one, (cells, parts) in run.asked:
        fit = by_fit(one)
        if isinstance(fit, KvcalcError):
            assert isinstance(cells["max_sequences"], str), one
            refused += 1
            continue
        if str(cells["max_sequences"]).startswith("vllm lays its cache out otherwise on this GPU"):
            assert fit.bytes_per_gpu_per_sequence != cells["bytes_per_gpu"], one
            continue
        assert cells["max_sequences"] == fit.promised_sequences, one
        assert cells["likely_sequences"] == fit.max_sequences, one
        assert cells["cache_usable"] == fit.promised_cache_memory_per_gpu, one
        assert cells["likely_usable"] == fit.cache_memory_per_gpu, one
        for part in (part for part in fit.parts if part.place == "GPU"):
            outside = part.name.startswith("outside of ") and part.name != "outside of PyTorch"
            name = "outside of memory_share" if outside else NAMES.get(part.name, part.name)
            found = parts[name]
            if outside or part.low == part.bytes == 0:  # its source is told in other words
                part = replace(part, name=name, kind=found.kind, source=found.source)
            assert found == part, one
        answered += 1
    assert answered > COUNT // 2
    assert refused > COUNT // 10


SENTENCES: list[tuple[dict[str, Any], str, str]] = [
    ({"gpu": "*"}, "cache_budget", "weights_bytes, memory_share or gpu: missing"),
    ({"gpu": "gb10"}, "cache_budget", "vllm: kvcalc does not know how much memory GB10, whose"),
    ({"gpu": "mi300x"}, "cache_budget", "vllm: kvcalc does not know how much memory this GPU, of"),
    ({"model": "Kimi-K2.5"}, "cache_budget", "vllm: kvcalc does not know how much memory a tower"),
    ({"tensor_parallel_size": 3}, "max_sequences", "see total_bytes"),
    ({"max_num_seqs": 0}, "max_sequences", "see total_bytes"),
    ({**OF_MY_OWN, "GPUs!H5": 13.1}, "cache_budget", "gpu: Start has no such compute_capability"),
    ({"engine": "lmdeploy", "gpu": "t4"}, "cache_budget", "what lmdeploy takes and runs at once"),
    (
        {"engine": "lmdeploy", "memory_share": 0.7},
        "cache_budget",
        "other parts with another memory",
    ),
]
"""What is typed over a plan of vLLM, and a cell whose sentence then begins so."""


def test_what_no_row_knows_is_a_sentence_and_never_a_number(run: Run) -> None:
    for (typed, name, sentence), (cells, _) in zip(SENTENCES, run.odd, strict=True):
        assert str(cells[name]).startswith(sentence), typed


def test_a_gpu_of_ones_own_is_known_by_its_compute_capability(run: Run) -> None:
    for cells, _ in run.own:
        assert cells["start_bytes"] == run.own[0][0]["start_bytes"]
        assert cells["least_memory"] == 100 * 2**30

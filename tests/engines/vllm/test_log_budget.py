"""`check` holds what a vLLM log prints of its start against the parts, where the GPU is given."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.log import AGREES, CANNOT, DIFFERS, Checked
from kvcalc.engines.vllm.log.budget import FIGURES as FIGURES_OF
from tests.answers.fit.test_from_log import AVAILABLE, LOADED, PROFILED, TOLD
from tests.each import each
from tests.engines.vllm.memory_rows import ROWS, SIZED, Row, gpu_of, is_text, model_of

FIGURES = ["weights (GiB)", "PyTorch's peak (GiB)", "non-torch (GiB)"]


def checked(row: Mapping[str, Any], lines: str = LOADED + PROFILED, **given: Any) -> list[Checked]:
    settings = {
        "tensor_parallel_size": row["tp"],
        "max_num_seqs": row["max_num_seqs"],
        "max_num_batched_tokens": row["max_num_batched_tokens"],
        "release": row["engine_version"],
        **({"kv_cache_dtype": "float32"} if row["dtype"] == "float32" else {}),
        **given,
    }
    log = lines.format(**row)
    return kvcalc.check(BytesIO(log.encode()), model_of(row), **settings)


KNOWN = [row for row in TOLD if row["quantization"] in (None, "fp8-dynamic")]
"""Start-ups whose weights' format is one that is counted, or none."""


@each("row", KNOWN, ids=lambda row: row["id"])
def test_what_a_start_printed_agrees(row: Row) -> None:
    rows = checked(row, gpu=gpu_of(row))
    assert [one.figure for one in rows] == FIGURES
    assert {one.verdict for one in rows} == {AGREES}


@each(
    ("name", "figure", "why"),
    [
        ("weights_gib", "weights (GiB)", "weights: exact, 14.98 to 15.00 GiB: off by "),
        ("torch_peak_increase_gib", "PyTorch's peak (GiB)", "sampler: estimate, "),
        ("non_torch_increase_gib", "non-torch (GiB)", "outside of PyTorch: table, 0.20 to 0.30"),
    ],
)
def test_a_difference_names_the_part(name: str, figure: str, why: str) -> None:
    row = next(row for row in KNOWN if row["model"] == "llama-3.1-8b" and row["tp"] == 1)
    rows = checked({**row, name: round(row[name] + 1, 2)}, gpu="h100")
    (differing,) = (one for one in rows if one.verdict == DIFFERS)
    assert differing.figure == figure
    assert differing.why.startswith(why)
    assert "off by +" in differing.why


USED = (
    "INFO Free memory on device (78.68/79.19 GiB) on startup. Desired GPU memory utilization is "
    "(0.95, {requested_gib} GiB). Actual usage is {weights_gib} GiB for weight, "
    "{torch_peak_increase_gib} GiB for peak activation, {non_torch_increase_gib} GiB for non-torch "
    "memory, and {cudagraph_actual_gib} GiB for CUDAGraph memory.\n"
)
GRAPHS = (
    "INFO [gpu_model_runner.py:5900] Estimated CUDA graph memory: {cudagraph_estimate_gib} GiB "
    "total\nINFO Graph capturing finished in 12 secs, took {cudagraph_actual_gib} GiB\n"
    "INFO [gpu_worker.py:772] CUDA graph pool memory: {cudagraph_actual_gib} GiB (actual), "
    "{cudagraph_estimate_gib} GiB (estimated), difference: 0.1 GiB (7.1%).\n"
)
WITH_GRAPHS = [row for row in KNOWN if row["cudagraph_estimate_gib"] is not None]
ESTIMATED, CAPTURED = "CUDA graphs, estimated (GiB)", "CUDA graphs, captured (GiB)"


def test_lines_of_the_use_and_of_graphs_agree() -> None:
    """Each start-up's own figures; the pool is what was requested, less all of them."""
    for row in WITH_GRAPHS:
        rows = checked(row, USED + GRAPHS + AVAILABLE, gpu=gpu_of(row))
        assert [one.figure for one in rows] == [
            *(*FIGURES, CAPTURED, ESTIMATED, CAPTURED, ESTIMATED, CAPTURED),
            "available KV cache memory (GiB)",
        ]
        assert {one.verdict for one in rows} == {AGREES}, row["id"]


CONSUMED = (
    "INFO Free memory on device. Desired GPU memory utilization is (0.9, {requested_gib} GiB). "
    "Actual usage is {total_consumed_gib} GiB for consumed memory (weights + non-torch), "
    "{peak_activation_and_graph_estimate_gib} GiB for peak activation, and 0.0 GiB for CUDAGraph "
    "memory.\n"
)
NEWER = [
    row
    for row in ROWS
    if row["total_consumed_gib"] is not None
    and row["peak_activation_and_graph_estimate_gib"] is not None
    and row["model"] in SIZED
    and row["quantization"] is None
    and is_text(row)
]


@pytest.mark.parametrize(
    ("name", "figure"),
    [("consumed", "total consumed (GiB)"), ("headroom", "peak activation (GiB)")],
)
def test_newer_lines_have_figures_of_their_own(name: str, figure: str) -> None:
    assert FIGURES_OF[name][0] == figure


def test_from_0_27_on_what_is_consumed_and_the_headroom_agree() -> None:
    assert NEWER
    for row in NEWER:
        log = CONSUMED + ("" if row["available_gib"] is None else AVAILABLE)
        rows = checked(row, log, gpu=gpu_of(row), enforce_eager=row["enforce_eager"])
        figures = {one.figure: one.verdict for one in rows if one.figure != CAPTURED}
        assert "total consumed (GiB)" in figures
        assert "peak activation (GiB)" in figures
        assert {*figures.values()} == {AGREES}, row["id"]


def test_what_is_not_modelled_cannot_be_checked() -> None:
    row = KNOWN[0]
    rows = checked(row, PROFILED, gpu=gpu_of(row), speculative_method="mtp")
    assert {one.verdict for one in rows} == {CANNOT}
    assert all("kvcalc does not know how much memory a draft takes" in one.why for one in rows)


def test_nothing_is_said_of_a_gpu_that_is_not_given() -> None:
    with pytest.raises(kvcalc.SourceError, match="found no figure to check, only settings"):
        checked(KNOWN[0])

"""`check` holds what a vLLM log prints of its start against the parts, where the GPU is given."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.log import AGREES, DIFFERS, Checked
from tests.answers.fit.test_from_log import LOADED, PROFILED, TOLD
from tests.engines.vllm.memory_rows import Row, gpu_of, model_of

FIGURES = ["weights (GiB)", "PyTorch's peak (GiB)", "non-torch (GiB)"]


def checked(row: Mapping[str, Any], **given: Any) -> list[Checked]:
    settings = {
        "tensor_parallel_size": row["tp"],
        "max_num_seqs": row["max_num_seqs"],
        "max_num_batched_tokens": row["max_num_batched_tokens"],
        "release": row["engine_version"],
        **given,
    }
    log = (LOADED + PROFILED).format(**row)
    return kvcalc.check(BytesIO(log.encode()), model_of(row), **settings)


KNOWN = [row for row in TOLD if row["quantization"] in (None, "fp8-dynamic")]
"""Start-ups whose weights' format is one that is counted, or none."""


@pytest.mark.parametrize("row", KNOWN, ids=lambda row: row["id"])
def test_what_a_start_printed_agrees(row: Row) -> None:
    rows = checked(row, gpu=gpu_of(row))
    assert [one.figure for one in rows] == FIGURES
    assert {one.verdict for one in rows} == {AGREES}


@pytest.mark.parametrize(
    ("name", "figure", "why"),
    [
        ("weights_gib", "weights (GiB)", "the model's tensors on a rank"),
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


def test_nothing_is_said_of_a_gpu_that_is_not_given() -> None:
    with pytest.raises(kvcalc.SourceError, match="found no figure to check, only settings"):
        checked(KNOWN[0])

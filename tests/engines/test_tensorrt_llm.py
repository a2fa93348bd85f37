"""TensorRT-LLM was measured by nobody: it gives what its source says, and no number."""

import pytest

import kvcalc
from kvcalc.model import Model
from tests.shapes import full, model, sliding


@pytest.mark.parametrize(
    ("of", "advice"),
    [
        (model(full()), "blocks of 32 tokens, every layer full$"),
        (
            model(sliding(), full()),
            "without max_attention_window every layer is full, .* "
            r"TRTLLM_WINDOW_SIZE_SHARES .* must sum to exactly 1\.0$",
        ),
    ],
    ids=["full", "windows"],
)
def test_it_refuses_with_what_its_source_says(of: Model, advice: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=f"^not measured, .*: {advice}"):
        kvcalc.cost(of, engine="tensorrt-llm")


def test_it_has_no_pool() -> None:
    with pytest.raises(kvcalc.KvcalcError, match="tensorrt-llm has no pool"):
        kvcalc.pool(model(), engine="tensorrt-llm", memory=10**9, context=100)

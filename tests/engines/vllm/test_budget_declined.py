"""Starts of vLLM whose parts are not modelled: each is declined by name."""

from typing import Any

import pytest

from kvcalc.engines.memory import Card
from kvcalc.engines.vllm.budget import parts
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError, UnsupportedError
from kvcalc.model import Model
from kvcalc.readers import load
from tests.each import each
from tests.engines.vllm.budget_models import GQA, LLAMA_8B
from tests.engines.vllm.memory_rows import GIB

pytestmark = pytest.mark.filterwarnings("ignore::kvcalc.engines.releases.ReleaseWarning")


@each(
    ("given", "what"),
    [
        ({"enable_expert_parallel": True}, "expert parallelism"),
        ({"data_parallel_size": 2}, "data parallelism"),
        ({"speculative_method": "mtp"}, "a draft"),
        ({"runner": "pooling"}, "a pooling model"),
        ({"prefill_context_parallel_size": 2}, "context parallelism of prefills"),
        ({"gpu": "gb10"}, "GB10, whose memory other processes share,"),
        ({"gpu": "mi300x"}, "mi300x, of no generation of NVIDIA's that is known,"),
        ({"release": "0.10.2"}, "a release before 0.11.2"),
        ({"tensor_parallel_size": 16}, "16 ranks on Hopper"),
    ],
)
def test_what_is_not_modelled_is_declined_by_name(given: dict[str, Any], what: str) -> None:
    with pytest.raises(UnsupportedError) as declined:
        parts(LLAMA_8B, VllmSettings(**given), Card("a card", 80 * GIB, 80 * GIB))
    assert what in str(declined.value)
    assert "--reserve with what a log shows, or --optimistic" in str(declined.value)


@pytest.mark.parametrize(
    ("release", "way"),
    [
        ("0.33.0", "give --language-model-only where images are not served, --reserve"),
        ("0.16.0", "give a start-up log of the same server by --log, --reserve"),
    ],
)
def test_what_is_declined_names_a_way_on_that_the_release_has(release: str, way: str) -> None:
    model, card = load("qwen3.5-27b"), Card("h200", 140 * GIB, 141 * GIB)
    ranks: dict[str, Any] = {"tensor_parallel_size": 8, "release": release}
    with pytest.raises(UnsupportedError, match=way):
        parts(model, VllmSettings(**ranks), card)


def test_a_model_without_sizes_is_declined() -> None:
    with pytest.raises(KvcalcError, match="a batch of a shape, whose sizes are not known,"):
        parts(
            Model(name="a shape", layers=(GQA,)), VllmSettings(), Card("h100", 80 * GIB, 80 * GIB)
        )


def test_other_states_are_declined_by_name() -> None:
    with pytest.raises(UnsupportedError, match="a model with mamba2 layers"):
        parts(load("nemotron-3-nano-30b-a3b"), VllmSettings(), Card("h100", 80 * GIB, 80 * GIB))

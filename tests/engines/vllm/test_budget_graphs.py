"""What vLLM's start keeps for CUDA graphs, and which runner captures them."""

from pathlib import Path
from typing import Any

import pytest

from kvcalc.engines.memory import Card
from kvcalc.engines.memory_part import MemoryPart
from kvcalc.engines.vllm.budget import graphs, parts
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.model import Model
from kvcalc.readers import load
from tests.each import each
from tests.engines.vllm.budget_models import GQA, LLAMA_8B, MIXTRAL, size, sizes
from tests.engines.vllm.memory_rows import GIB

pytestmark = pytest.mark.filterwarnings("ignore::kvcalc.engines.releases.ReleaseWarning")


def test_without_graphs_there_is_no_estimate_and_nothing_compiled() -> None:
    card = Card("h100", 80 * GIB, 80 * GIB)
    (with_graphs,) = parts(LLAMA_8B, VllmSettings(max_num_seqs=8), card)
    (eager,) = parts(LLAMA_8B, VllmSettings(max_num_seqs=8, enforce_eager=True), card)
    assert size(eager, "CUDA graphs") == 0 < size(with_graphs, "CUDA graphs")
    assert size(with_graphs, "activations") - size(eager, "activations") == 50 / 1024


@each(
    ("most", "likely", "low", "high"),
    [
        # The first graph: 110 MiB, .25 GiB less and 1.1 more. A second of each kind is of 6 MiB:
        # .2 of each of 32 layers, and .16, in steps of 2.
        (1, 110, 0, 110 + 1127),
        (2, 110 + 2 * 6, 0, 122 + 1127),
        # FlashAttention 3 keeps 32 parts of 512 tokens' 4,096 elements in float32: 256 MiB.
        (512, 256 + 50 * 2 * 6, 856 - 256, 856 + 1127),
    ],
)
def test_what_is_kept_out_of_the_pool_for_graphs(
    most: int, likely: int, low: int, high: int
) -> None:
    """MiB of Llama 3.1 8B on H100 with so large a batch captured: 51 of up to 512."""
    settings = VllmSettings(release="0.20.0", max_cudagraph_capture_size=most)
    (found,) = parts(LLAMA_8B, settings, Card("h100", 80 * GIB, 80 * GIB))
    (part,) = (part for part in found if part.name == "CUDA graphs")
    sizes_mib = [size / 2**20 for size in (part.bytes, part.low, part.high)]
    assert sizes_mib == [likely, low, high]


def test_a_release_that_keeps_nothing_for_graphs_has_no_such_part() -> None:
    (found,) = parts(LLAMA_8B, VllmSettings(release="0.19.0"), Card("h100", 80 * GIB, 80 * GIB))
    assert "CUDA graphs" not in {part.name for part in found}


def test_fewer_captured_batches_are_estimated_as_less() -> None:
    card = Card("h100", 80 * GIB, 80 * GIB)
    estimates = [
        size(parts(LLAMA_8B, VllmSettings(max_cudagraph_capture_size=most), card)[0], "CUDA graphs")
        for most in (512, 256, 32, 1)
    ]
    assert estimates == sorted(estimates, reverse=True)
    assert len(set(estimates)) == len(estimates)


@each(
    ("release", "model_type", "runner", "sampling", "graphs", "charged"),
    [
        ("0.11.2", "llama", "V1", "sorted", "none", "before fusion"),
        ("0.16.0", "qwen3", "V1", "sorted", "none", "before fusion"),
        ("0.17.0", "qwen3", "V1", "selected", "none", "fused"),
        ("0.19.0", "qwen3", "V1", "selected", "none", "graphs profiled"),
        ("0.20.0", "qwen3", "V1", "selected", "sampled", "graphs profiled"),
        ("0.21.0", "qwen3", "V1", "masked", "sampled", "graphs profiled"),
        ("0.22.0", "qwen3", "V2", "fused", "none", "graphs profiled"),
        ("0.22.0", "llama", "V1", "masked", "sampled", "graphs profiled"),
        ("0.23.0", "llama", "V2", "fused", "none", "graphs profiled"),
        ("0.24.0", "qwen2", "V1", "masked", "sampled", "graphs profiled"),
        ("0.25.0", "qwen2", "V2", "fused", "none", "graphs profiled"),
        ("0.27.1", "qwen2", "V2", "fused", "none", "all consumed"),
        ("0.27.1", "mixtral", "V1", "masked", "sampled", "all consumed"),
        ("0.27.1", "qwen2_moe", "V2", "fused", "none", "all consumed"),
        ("0.29.0", "mixtral", "V2", "fused", "captured", "all consumed"),
        ("0.33.0", "mixtral", "V2", "masked", "captured", "all consumed"),
    ],
)
def test_which_runner_starts_and_what_it_counts(
    release: str, model_type: str, runner: Any, sampling: str, graphs: str, charged: str
) -> None:
    """As config/vllm.py (use_v2_model_runner) and the runners of each release have it."""
    mixed = model_type in ("mixtral", "qwen2_moe")
    model = Model(
        name="a model",
        model_type=model_type,
        layers=(GQA,),
        sizes=MIXTRAL if mixed else sizes(intermediate_size=14_336),
    )
    rules = VllmSettings(release=release).rules
    assert ("V2" if rules.v2_runner(model) else "V1") == runner
    assert (rules.sampling[runner], rules.graphs[runner]) == (sampling, graphs)
    assert rules.charged == charged


def test_a_sampled_graph_has_a_prefill_from_0_26_on() -> None:
    """128 KiB a token of Qwen3.5-122B-A10B on one RTX PRO 6000, and none on 0.23 (vllm#50780)."""
    model = load(Path("tests/oracles/configs/Qwen--Qwen3.5-122B-A10B.json"))
    card = Card("rtx-pro-6000", 95 * GIB, 95 * GIB)

    def graphs(release: str, tokens: int) -> MemoryPart:
        settings = VllmSettings(
            release=release,
            gpu="rtx-pro-6000",
            max_num_seqs=16,
            max_num_batched_tokens=tokens,
            language_model_only=True,
        )
        (found,) = parts(model, settings, card)
        return next(part for part in found if part.name == "CUDA graphs")

    more = graphs("0.26.0", 32_768).bytes - graphs("0.26.0", 16_384).bytes
    assert more == 16_384 * 128 * 1024
    assert graphs("0.23.0", 32_768) == graphs("0.23.0", 16_384)
    assert graphs("0.26.0", 32_768).low <= 4.2 * GIB <= graphs("0.26.0", 32_768).high
    # At most a quarter more.
    most = graphs("0.26.0", 32_768).high - graphs("0.26.0", 16_384).high
    assert most == more + more // 4
    assert graphs("0.33.0", 32_768).high - graphs("0.33.0", 16_384).high == more


BATCHES = (1, 2, 4, *range(8, 256, 8), *range(256, 1025, 16))
"""What is captured (config/vllm.py, _set_cudagraph_sizes)."""


@each("most", range(1, 1025))
def test_captured_batches_are_counted_in_closed_form(most: int) -> None:
    captured = [size for size in BATCHES if size <= most]
    assert (graphs.up_to(most), graphs.largest_of(most)) == (len(captured), captured[-1])

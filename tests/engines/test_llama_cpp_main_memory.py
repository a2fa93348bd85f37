"""What llama.cpp leaves in main memory, against public logs and by hand."""

from typing import Any

import pytest

import kvcalc
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.llama_cpp.weights import weigh
from kvcalc.engines.memory_part import MAIN_MEMORY, MemoryPart
from kvcalc.readers import load
from kvcalc.readers.weights import Weights, read_weights
from tests.each import each

MIB = 2**20


def parts(
    name: str, mix: str | None = None, weights: Weights | None = None, **asked: Any
) -> dict[str, MemoryPart]:
    """The parts in main memory of one copy on an H100, by their names."""
    model = load(name)
    found = kvcalc.fit(
        model,
        gpu="h100",
        gpus=1,
        engine="llama.cpp",
        weights=weights or read_weights(name, model, mix),
        **asked,
    )
    return {
        part.name.removesuffix(" in main memory"): part
        for part in found.parts
        if part.place == MAIN_MEMORY
    }


def test_a_log_of_one_model_has_its_parts() -> None:
    """Llama-3.1-8B of Q4_K_M, 4 slots that share 8,192 cells (ollama of 2025-12): CPU model buffer
    281.81 MiB, CUDA_Host output buffer 2.02, with hidden states, and compute buffer 24.01."""
    asked: dict[str, Any] = {"context": 2_048, "sequences": 4, "kv_unified": True}
    found = parts("llama-3.1-8b", "Q4_K_M", flash_attn=False, **asked)
    assert found.keys() == {"weights", "compute buffer", "output buffer"}
    assert f"{found['weights'].bytes / MIB:.2f}" == "281.81"
    assert f"{found['output buffer'].high / MIB:.2f}" == "2.02"
    compute = found["compute buffer"]
    assert compute.bytes == 24 * MIB
    assert compute.low <= 24.01 * MIB <= compute.high


@pytest.mark.parametrize(
    ("name", "context", "sequences", "printed"),
    [
        # ollama/ollama#16416 and #16480: two slots of 131,072 cells, a micro-batch of 1,024.
        ("gpt-oss-120b", 131_072, 2, 281),
        # ggml-org/llama.cpp#22673: Qwen3.6-35B-A3B, whose experts stay, a micro-batch of 1,024.
        ("qwen3.5-35b-a3b", 131_072, 1, 264),
    ],
)
def test_with_flash_attention_the_mask_takes_half(
    name: str, context: int, sequences: int, printed: int
) -> None:
    asked: dict[str, Any] = {"ubatch_size": 1_024, "batch_size": 1_024}
    part = parts(name, context=context, sequences=sequences, **asked)["compute buffer"]
    assert part.low <= printed * MIB <= part.high
    assert part.bytes / MIB == pytest.approx(printed, rel=0.06)


def test_a_published_checkpoint_is_loaded_as_it_is_converted() -> None:
    """gpt-oss-120b, ollama/ollama#16416: ROCm0 has a model of 61,223 MiB, the host 1,104."""
    found = weigh(load("gpt-oss-120b"), LlamaCppSettings())
    assert found is not None
    assert (found.bytes // MIB, sum(found.host.values()) // MIB) == (61_223, 1_104)


def test_layers_before_the_last_stay_with_their_cells() -> None:
    """Qwen3-8B, -ngl 20: of 36 layers and the output's place 17 stay, each of 192,937,984 elements
    of 2 bytes, two norms of 4,096 and two of 128 in float32, 4,096 bytes a token."""
    found = parts("qwen3-8b", context=32_768, sequences=2, n_gpu_layers=20)
    layer = 2 * (2 * 4_096 * 4_096 + 2 * 4_096 * 1_024 + 3 * 4_096 * 12_288)
    layer += 4 * (2 * 4_096 + 2 * 128)
    assert found["weights"].bytes == 17 * layer + 2 * 151_936 * 4_096
    assert found["cache"].bytes == 2 * 17 * 32_768 * 4_096
    assert found["cache"].kind == found["weights"].kind == "exact"


@each(
    ("given", "layers"),
    [({"n_cpu_moe": 10}, 10), ({"n_cpu_moe": 99}, 48), ({"override_tensor": "exps=CPU"}, 48)],
)
def test_experts_stay_and_their_cells_do_not(given: dict[str, Any], layers: int) -> None:
    """Qwen3-30B-A3B in BF16: a layer's 128 experts are 3 x 2,048 x 768 elements each."""
    found = parts("qwen3-30b-a3b", context=4_096, sequences=1, **given)
    experts = layers * 128 * 3 * 2_048 * 768 * 2
    assert found["weights"].bytes == experts + 2 * 151_936 * 2_048
    assert "cache" not in found


def test_no_kv_offload_leaves_all_cells() -> None:
    found = parts("qwen3-8b", context=4_096, sequences=3, offload_kqv=False)
    assert found["cache"].bytes == 3 * 36 * 4_096 * 4_096
    everything = parts("qwen3-8b", context=4_096, sequences=3)
    assert "cache" not in everything
    assert found["compute buffer"].high > everything["compute buffer"].high


def test_without_a_files_tensors_all_weights_are_counted_on_gpus() -> None:
    weights = Weights(9 * 10**9, "", "as given")
    found = parts("qwen3-8b", weights=weights, context=4_096, sequences=1, n_gpu_layers=20)
    part = found["weights"]
    assert (part.bytes, part.low, part.high) == (0, 0, 9 * 10**9)
    assert "give the .gguf" in part.source


def test_each_copy_has_its_own_share_of_the_sequences() -> None:
    model = load("qwen3-8b")
    asked: dict[str, Any] = {"gpu": "h100", "context": 4_096, "engine": "llama.cpp"}
    two = kvcalc.fit(model, gpus=2, sequences=6, tensor_split="1", offload_kqv=False, **asked)
    one = kvcalc.fit(model, gpus=1, sequences=3, tensor_split="1", offload_kqv=False, **asked)
    assert two.replicas == 2
    assert two.parts == one.parts

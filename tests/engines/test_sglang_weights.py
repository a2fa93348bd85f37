"""What SGLang loads on a rank: vLLM's measured parts, and what its source says is otherwise."""

from typing import Any

import pytest

import kvcalc
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.weights import weigh
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.weights import weigh as weigh_in_vllm
from kvcalc.engines.weights import Loaded
from kvcalc.errors import UnsupportedError
from kvcalc.parameters.stored import Stored
from tests.shapes import full, model


def loaded(name: str, **settings: Any) -> Loaded:
    found = weigh(kvcalc.load(name), SglangSettings(**settings))
    assert found is not None
    return found


@pytest.mark.parametrize("ranks", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("name", ["k-exaone-236b-a23b", "qwen3-8b", "llama-3.1-70b"])
def test_weights_are_divided_as_vllm_divides_them_and_rope_tables_are_twice_as_wide(
    name: str, ranks: int
) -> None:
    ours = loaded(name, tensor_parallel_size=ranks)
    theirs = weigh_in_vllm(kvcalc.load(name), VllmSettings(tensor_parallel_size=ranks))
    assert theirs is not None
    assert ours.parts["rope table"] == 2 * theirs.parts["rope table"]
    scales = {"k-exaone-236b-a23b": 48, "qwen3-8b": 36, "llama-3.1-70b": 80}[name] * 24
    assert ours.bytes - ours.parts["rope table"] == theirs.bytes - (
        theirs.parts["rope table"] + scales
    )


def test_llama_4_scouts_rope_table_is_5_gb_on_every_rank() -> None:
    found = loaded("llama-4-scout", tensor_parallel_size=8)
    assert found.parts["rope table"] == 10_485_760 * 128 * 4


@pytest.mark.parametrize(("name", "heads"), [("deepseek-v3", 128), ("kimi-k2", 64)])
def test_latent_attention_keeps_copies_for_decoding(name: str, heads: int) -> None:
    found = loaded(name, tensor_parallel_size=8)
    assert found.parts["w_kc and w_vc"] == 61 * heads // 8 * 512 * (128 + 128) * 2


def test_attention_that_is_data_parallel_is_shared_by_its_group_alone() -> None:
    plain = loaded("k-exaone-236b-a23b", tensor_parallel_size=4).parts
    grouped = loaded("k-exaone-236b-a23b", tensor_parallel_size=4, attn_dp_size=4).parts
    differing = {part for part in plain if plain[part] != grouped[part]}
    assert differing == {"attention", "embedding"}
    assert all(grouped[part] == 4 * plain[part] for part in differing)


def test_a_quantised_checkpoint_has_the_bytes_of_its_file() -> None:
    """17/32 bytes for an element of gpt-oss's experts, and their biases in bfloat16."""
    experts = 24 * 32 * (3 * 2880 * 2880 * 17 // 32 + 3 * 2880 * 2)
    assert loaded("gpt-oss-20b").parts["experts"] == experts


@pytest.mark.parametrize(
    ("config", "role"),
    [("LGAI-EXAONE--K-EXAONE-236B-A23B", "router_correction"), ("Qwen--Qwen3.5-27B", "decay")],
)
def test_what_is_float32_takes_four_bytes(config: str, role: str) -> None:
    found = kvcalc.load(f"tests/oracles/configs/{config}.json")
    assert found.tensors is not None
    (one,) = [each for each in found.tensors if each.role == role and each.layers[0] < 64]
    alone = found.model_copy()
    alone.__dict__["tensors"] = (one,)
    weighed = weigh(alone, SglangSettings())
    assert weighed is not None
    assert weighed.parts[one.component] == 4 * one.elements


def test_what_is_not_counted_is_said_or_refused() -> None:
    assert "not measured" in loaded("qwen3-8b").note
    assert "draft" in loaded("qwen3-8b", speculative_num_draft_tokens=3).note
    assert weigh(model(full()), SglangSettings()) is None
    file = (Stored("token_embd.weight", "F16", 1, 1, 2),)
    assert weigh(kvcalc.load("qwen3-8b"), SglangSettings(), file) is None
    with pytest.raises(UnsupportedError, match="tensor_parallel_size: found 3, expected a divisor"):
        loaded("qwen3-8b", tensor_parallel_size=3)

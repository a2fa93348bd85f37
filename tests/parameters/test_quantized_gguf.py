"""What llama-quantize makes of each tensor."""

from math import prod

import pytest

import kvcalc
from kvcalc.errors import UnsupportedError
from kvcalc.parameters.ggml_types import BLOCKS
from kvcalc.parameters.gguf_mixes import MIXES
from kvcalc.parameters.quantized_gguf import KEPT, NAMES, OTHERWISE, mixed
from kvcalc.parameters.tensor import Role, Tensor
from tests.each import each


def tensor(role: Role, *shape: int, layers: tuple[int, ...] = (0,)) -> Tensor:
    return Tensor(role, "mlp", shape, layers)


def types(name: str, *tensors: Tensor, layers: int = 32, model_type: str = "llama") -> list[str]:
    head = Tensor("lm_head", "lm_head", (2, 256))
    return [one.dtype for one in mixed(name, [*tensors, head], model_type, layers)][:-1]


PUBLISHED = """
IQ1_S 2.0042 IQ1_M 2.1460 IQ2_XXS 2.3824 IQ2_XS 2.5882 IQ2_S 2.7403 IQ2_M 2.9294 IQ3_XXS 3.2548
IQ3_XS 3.4977 IQ3_S 3.6606 IQ3_M 3.7628 IQ4_XS 4.4597 IQ4_NL 4.6818 Q2_K_S 2.9697 Q2_K 3.1593
Q3_K_S 3.6429 Q3_K_L 4.2979 Q4_K_S 4.6672 Q4_K_M 4.8944 Q5_K_S 5.5704 Q5_K_M 5.7036 Q6_K 6.5633
Q8_0 8.5008
"""
"""Bits a weight of Llama 3.1 8B by each mixture, of llama.cpp's tools/quantize/README.md."""


def test_files_have_the_bits_a_weight_that_llama_cpp_publishes() -> None:
    model = kvcalc.load("llama-3.1-8b")
    words = PUBLISHED.split()
    published = dict(zip(words[::2], map(float, words[1::2]), strict=True))
    found = {}
    for name in published:
        stored = [*mixed(name, model.tensors or (), model.model_type, len(model.layers))]
        bits, elements = 8 * sum(one.bytes for one in stored), sum(one.elements for one in stored)
        found[name] = round(bits / elements, 4)
    assert found == published


@each(
    ("name", "gigabytes"),
    [
        ("qwen3.5-27b", 28.6),
        ("qwen3.5-35b-a3b", 36.9),
        ("tests/oracles/configs/Qwen--Qwen3.5-122B-A10B.json", 129.9),
        ("qwen3.5-397b-a17b", 421.5),
    ],
)
def test_files_of_gated_delta_nets_are_as_large_as_published(name: str, gigabytes: float) -> None:
    """Q8_0 of unsloth's repositories, as ggml-org/Llama-macOS#63 lists them."""
    model = kvcalc.load(name)
    stored = mixed("Q8_0", model.tensors or (), model.model_type, len(model.layers))
    assert round(sum(one.bytes for one in stored) / 1e9, 1) == gigabytes


def test_a_gated_delta_nets_projection_counts_as_values() -> None:
    projection = tensor("delta_qkv", 256, 256)
    assert types("Q4_K_M", projection) == ["Q6_K"]
    assert types("Q4_K_M", tensor("delta_z", 256, 256)) == ["Q4_K"]
    assert types("Q4_K_M", tensor("conv", 256, 1, 4)) == ["F32"]
    assert types("Q4_K_M", tensor("shared_expert_gate", 1, 256)) == ["F32"]


@each("model_type", ["bloom", "gpt_neox", "mpt", "persimmon", "phi3"])
def test_what_a_file_has_in_one_tensor_counts_as_values(model_type: str) -> None:
    """Layer 0 is stored better, layer 4 is not (use_more_bits)."""
    attention = [tensor(role, 256, 256, layers=(0, 4)) for role in ("q", "k", "v")]
    assert types("Q4_K_M", *attention, model_type=model_type) == ["Q6_K", "Q4_K"] * 3
    assert types("Q4_K_M", *attention) == ["Q4_K"] * 4 + ["Q6_K", "Q4_K"]
    stored = mixed("Q4_K_M", attention, model_type, 32)
    assert {one.name for one in stored} == {"blk.0.attn_qkv.weight", "blk.4.attn_qkv.weight"}


def test_rules_of_its_own_are_not_made_up_for_falcon() -> None:
    with pytest.raises(UnsupportedError, match="what Q4_K_M makes of falcon is not known"):
        types("Q4_K_M", tensor("q", 2, 256), model_type="falcon")


def test_queries_that_have_a_gate_beside_them_share_as_many_keys() -> None:
    """8 KV heads of 32: two query heads each, though queries and gate together are four times."""
    shapes: dict[Role, tuple[int, int]] = {
        "q": (2 * 512, 512),
        "k": (256, 512),
        "v": (256, 512),
        "o": (512, 512),
    }
    gated = [tensor(role, *shape) for role, shape in shapes.items()]
    assert types("Q2_K_S", *gated)[2] == "Q2_K"


@each("role", sorted(NAMES))
def test_weights_of_several_rows_are_quantised_but_norms_routers_and_biases(role: Role) -> None:
    kept = not NAMES[role].endswith(".weight") or NAMES[role].endswith(KEPT)
    assert types("Q4_0", tensor(role, 2, 256)) == (
        ["F32"] if kept else ["Q6_K" if role == "lm_head" else "Q4_0"]
    )
    assert types("Q4_0", tensor(role, 256)) == ["F32"]


@each("name", sorted(MIXES))
def test_bytes_are_those_of_whole_blocks(name: str) -> None:
    for one in mixed(name, [tensor("gate", 8, 1024), tensor("embedding", 4, 512)], None, 1):
        block = BLOCKS[one.dtype]
        assert one.bytes * block.elements == one.elements * block.bytes
        assert one.elements == prod((8, 1024) if "gate" in one.name else (4, 512))


def test_rows_that_are_not_whole_blocks_take_another_type() -> None:
    for kind, otherwise in OTHERWISE.items():
        name = next(name for name, mix in MIXES.items() if mix.kind == kind)
        assert types(name, tensor("gate", 2, 32)) == [otherwise]
        assert types(name, tensor("gate", 2, 48)) == ["F16"]


@each(
    ("name", "role", "better"),
    [
        ("Q4_K_M", "v", {0: "Q6_K", 3: "Q6_K", 4: "Q4_K", 6: "Q6_K", 27: "Q6_K", 28: "Q6_K"}),
        ("Q5_K_M", "down", {0: "Q6_K", 4: "Q5_K", 31: "Q6_K"}),
        ("Q4_K_S", "v", {3: "Q5_K", 4: "Q4_K"}),
        ("Q4_K_S", "down", {3: "Q5_K", 4: "Q4_K"}),
        ("Q3_K_M", "v", {1: "Q5_K", 2: "Q4_K"}),
        ("Q3_K_M", "down", {1: "Q5_K", 2: "Q4_K"}),
        ("Q3_K_L", "o", {0: "Q5_K", 31: "Q5_K"}),
        ("IQ3_XS", "gate", {3: "IQ3_S", 4: "IQ3_XXS", 27: "IQ3_XXS", 28: "IQ3_S"}),
        ("IQ3_XS", "shared_up", {3: "IQ3_S", 4: "IQ3_XXS"}),
        ("IQ3_XS", "expert_gate_up", {3: "IQ3_S", 4: "IQ3_XXS"}),
        ("IQ2_M", "down", {3: "IQ3_S", 4: "IQ2_S"}),
        ("Q2_K_S", "expert_down", {3: "Q4_K", 4: "Q2_K"}),
        ("TQ1_0", "expert_up", {0: "TQ1_0"}),
        ("MXFP4_MOE", "expert_up", {0: "MXFP4"}),
        ("MXFP4_MOE", "up", {0: "Q8_0"}),
    ],
)
def test_some_layers_are_stored_better(name: str, role: Role, better: dict[int, str]) -> None:
    found = types(name, tensor(role, 2, 256, layers=tuple(range(32))))
    assert {layer: found[layer] for layer in better} == better


def test_the_values_of_a_70b_and_of_eight_experts_have_types_of_their_own() -> None:
    values = tensor("v", 2, 256, layers=(40,))
    assert types("Q4_K_S", values, layers=80) == ["Q5_K"]
    assert types("Q4_K_S", values, layers=80, model_type="qwen3") == ["Q4_K"]
    eight = tensor("expert_down", 8, 2, 256)
    assert types("Q4_K_M", tensor("k", 2, 256), tensor("o", 2, 256), eight)[:2] == ["Q8_0", "Q5_K"]


def attention(query_rows: int) -> tuple[Tensor, ...]:
    return tensor("q", query_rows, 256), tensor("k", 256, 256), tensor("v", 256, 256)


@each(
    ("name", "query_rows", "found"),
    [
        ("Q2_K", 1024, ["Q2_K", "Q2_K", "Q4_K"]),
        ("Q2_K", 512, ["Q2_K", "Q2_K", "Q3_K"]),
        ("IQ4_XS", 1024, ["IQ4_XS", "IQ4_XS", "Q5_K"]),
        ("IQ4_XS", 512, ["IQ4_XS"] * 3),
        ("IQ3_XXS", 512, ["IQ2_S", "IQ2_S", "IQ3_XXS"]),
        ("IQ2_XS", 512, ["IQ2_XS", "IQ2_XS", "Q2_K"]),
    ],
)
def test_values_that_many_query_heads_share_are_stored_better(
    name: str, query_rows: int, found: list[str]
) -> None:
    assert types(name, *attention(query_rows)) == found


def test_of_eight_experts_attention_is_stored_by_the_mixtures_family() -> None:
    eight = (*attention(512), tensor("o", 2, 256), tensor("expert_down", 8, 2, 256))
    assert types("IQ2_XS", *eight)[:4] == ["IQ2_XS", "Q4_K", "Q4_K", "Q5_K"]
    assert types("IQ3_S", *eight)[:4] == ["IQ3_S", "Q8_0", "Q8_0", "Q5_K"]
    assert types("Q3_K_L", *eight)[:4] == ["Q3_K", "Q8_0", "Q8_0", "Q3_K"]
    assert types("MXFP4_MOE", *eight)[:4] == ["Q8_0"] * 4
    down = tensor("expert_down", 8, 2, 256, layers=(3, 4, 5, 6))
    assert types("IQ3_M", down) == ["Q4_K", "IQ3_S", "IQ3_S", "Q4_K"]


def test_two_bits_count_the_downs_of_a_layer_not_the_layers() -> None:
    layers = tuple(range(4))
    downs = [tensor(role, 2, 256, layers=layers) for role in ("shared_down", "down")]
    (shared, own) = (types("IQ2_XS", *downs)[place : place + 4] for place in (0, 4))
    assert own == ["Q2_K", "Q2_K", "IQ2_XS", "IQ2_XS"]  # blk.0.ffn_down before ffn_down_shexp
    assert shared == own


def test_a_tied_embedding_is_stored_as_the_head_would_be() -> None:
    (one,) = mixed("Q4_K_M", [Tensor("embedding", "embedding", (2, 256))], "llama", 1)
    assert (one.name, one.dtype) == ("token_embd.weight", "Q6_K")

"""What llama-quantize makes of each tensor."""

from math import prod

import pytest

from kvcalc.parameters.ggml_types import BLOCKS
from kvcalc.parameters.gguf_mixes import KEPT, MIXES, NAMES, OTHERWISE, mixed
from kvcalc.parameters.tensor import Role, Tensor


def tensor(role: Role, *shape: int, layers: tuple[int, ...] = (0,)) -> Tensor:
    return Tensor(role, "mlp", shape, layers)


def types(name: str, *tensors: Tensor, layers: int = 32, model_type: str = "llama") -> list[str]:
    head = Tensor("lm_head", "lm_head", (2, 256))
    return [one.dtype for one in mixed(name, [*tensors, head], model_type, layers)][:-1]


@pytest.mark.parametrize("role", sorted(NAMES))
def test_weights_of_several_rows_are_quantised_but_norms_routers_and_biases(role: Role) -> None:
    kept = not NAMES[role].endswith(".weight") or NAMES[role].endswith(KEPT)
    assert types("Q4_0", tensor(role, 2, 256)) == (
        ["F32"] if kept else ["Q6_K" if role == "lm_head" else "Q4_0"]
    )
    assert types("Q4_0", tensor(role, 256)) == ["F32"]


@pytest.mark.parametrize("name", sorted(MIXES))
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


@pytest.mark.parametrize(
    ("name", "role", "better"),
    [
        ("Q4_K_M", "v", {0: "Q6_K", 3: "Q6_K", 4: "Q4_K", 6: "Q6_K", 27: "Q6_K", 28: "Q6_K"}),
        ("Q5_K_M", "down", {0: "Q6_K", 4: "Q5_K", 31: "Q6_K"}),
        ("Q4_K_S", "v", {3: "Q5_K", 4: "Q4_K"}),
        ("Q4_K_S", "down", {3: "Q5_K", 4: "Q4_K"}),
        ("Q3_K_M", "v", {1: "Q5_K", 2: "Q4_K"}),
        ("Q3_K_M", "down", {1: "Q5_K", 2: "Q4_K"}),
        ("Q3_K_L", "o", {0: "Q5_K", 31: "Q5_K"}),
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


def test_a_tied_embedding_is_stored_as_the_head_would_be() -> None:
    (one,) = mixed("Q4_K_M", [Tensor("embedding", "embedding", (2, 256))], "llama", 1)
    assert (one.name, one.dtype) == ("token_embd.weight", "Q6_K")

"""What llama-quantize makes of a model: the element type of each tensor, by the mixture's name.

llama.cpp, commit 007dbbf: src/llama-quant.cpp (tensor_allows_quantization, llama_tensor_get_type),
without an importance matrix; checked against the bits a weight that tools/quantize/README.md
publishes. Files that others mix by rules of their own (Unsloth's UD) have other sizes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import prod
from typing import NamedTuple

from kvcalc.errors import UnsupportedError
from kvcalc.parameters.ggml_types import BLOCKS
from kvcalc.parameters.stored import Stored
from kvcalc.parameters.tensor import Role, Tensor

OTHERWISE = {
    "Q3_K": "Q4_0",
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
}
"""What takes a type's place where a row is not whole blocks, before F16 (tensor_type_fallback)."""


def _more_bits(layer: int, layers: int) -> bool:
    """Whether a layer is among those that some mixtures store better (use_more_bits)."""
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


Better = Callable[[int, int], str | None]
"""The type of a tensor in a layer of so many, where it is not the mixture's own."""


def _always(kind: str) -> Better:
    return lambda layer, layers: kind


def _often(kind: str) -> Better:
    return lambda layer, layers: kind if _more_bits(layer, layers) else None


def _first(kind: str, part: int, then: str | None = None) -> Better:
    """One type for the first layers, one in so many of all."""
    return lambda layer, layers: kind if layer < layers // part else then


def _first_few(kind: str, count: int, then: str | None = None) -> Better:
    return lambda layer, layers: kind if layer < count else then


class Mix(NamedTuple):
    """A mixture: its own type, and what takes better ones."""

    kind: str
    better: Mapping[Role, Better] = {}


MIXES: Mapping[str, Mix] = {
    "Q4_0": Mix("Q4_0"),
    "Q4_1": Mix("Q4_1"),
    "Q5_0": Mix("Q5_0"),
    "Q5_1": Mix("Q5_1"),
    "Q8_0": Mix("Q8_0"),
    "Q3_K_S": Mix("Q3_K"),
    "Q3_K_M": Mix(
        "Q3_K",
        {
            "v": _first_few("Q5_K", 2, "Q4_K"),
            "o": _always("Q4_K"),
            "down": _first("Q5_K", 16, "Q4_K"),
        },
    ),
    "Q3_K_L": Mix("Q3_K", {"v": _always("Q5_K"), "o": _always("Q5_K"), "down": _always("Q5_K")}),
    "Q4_K_S": Mix("Q4_K", {"v": _first_few("Q5_K", 4), "down": _first("Q5_K", 8)}),
    "Q4_K_M": Mix("Q4_K", {"v": _often("Q6_K"), "down": _often("Q6_K")}),
    "Q5_K_S": Mix("Q5_K"),
    "Q5_K_M": Mix("Q5_K", {"v": _often("Q6_K"), "down": _often("Q6_K")}),
    "Q6_K": Mix("Q6_K"),
}
"""By the names that llama-quantize takes."""

NAMES: Mapping[Role, str] = {
    "embedding": "token_embd.weight",
    "lm_head": "output.weight",
    "norm": "norm",
    "q": "attn_q.weight",
    "k": "attn_k.weight",
    "v": "attn_v.weight",
    "o": "attn_output.weight",
    "q_bias": "attn_q.bias",
    "k_bias": "attn_k.bias",
    "v_bias": "attn_v.bias",
    "o_bias": "attn_output.bias",
    "q_norm": "attn_q_norm.weight",
    "k_norm": "attn_k_norm.weight",
    "head_norm": "attn_head_norm.weight",
    "sinks": "attn_sinks.weight",
    "gate": "ffn_gate.weight",
    "up": "ffn_up.weight",
    "down": "ffn_down.weight",
    "expert_gate_up": "ffn_gate_up_exps.weight",
    "expert_up": "ffn_up_exps.weight",
    "expert_down": "ffn_down_exps.weight",
    "expert_up_bias": "ffn_up_exps.bias",
    "expert_down_bias": "ffn_down_exps.bias",
    "router": "ffn_gate_inp.weight",
    "router_bias": "ffn_gate_inp.bias",
    "shared_gate": "ffn_gate_shexp.weight",
    "shared_up": "ffn_up_shexp.weight",
    "shared_down": "ffn_down_shexp.weight",
}
"""The name of a tensor in its block; the rules of others were not read."""

KEPT = ("_norm.weight", "ffn_gate_inp.weight")
"""Weights of several rows that stay in F32."""

SAME_RULE: Mapping[Role, Role] = {"expert_down": "down", "shared_down": "down"}

EIGHT_EXPERTS: Mapping[Role, str] = {"v": "Q8_0", "k": "Q8_0"}
"""With 8 experts, attention is stored better in every mixture."""

EIGHT_EXPERTS_OUTPUT = ("Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M")
"""Mixtures that store its output as Q5_K then, and only so."""

SEVENTY_BILLION = frozenset({("llama", 80), ("qwen2", 80)})
"""Model types and layers whose values llama.cpp stores as Q5_K instead of less (LLM_TYPE_70B)."""


def mixed(
    name: str, tensors: Iterable[Tensor], model_type: str | None, layers: int
) -> Iterator[Stored]:
    """List the tensors of the file that llama-quantize writes, of a mixture and a model's own.

    Towers and layers that draft are in files of their own.

    Raises:
        UnsupportedError: the model has tensors whose rules were not read.
    """
    own = [one for one in tensors if one.component not in ("vision", "mtp", "buffers")]
    roles = {one.role for one in own}
    if unread := sorted(roles - NAMES.keys()):
        raise UnsupportedError.of(
            "weights", f"what {name} makes of these tensors is not known: {', '.join(unread)}"
        )
    experts = max((one.shape[0] for one in own if one.role == "expert_down"), default=0)
    rule = _Rule(
        MIXES[name],
        name,
        layers,
        tied="lm_head" not in roles,
        eight=experts == 8,
        seventy=(model_type, layers) in SEVENTY_BILLION,
    )
    for tensor in own:
        for place in tensor.layers or (None,):
            named = NAMES[tensor.role] if place is None else f"blk.{place}.{NAMES[tensor.role]}"
            elements, row = prod(tensor.shape), tensor.shape[-1]
            kind = rule.kind_of(tensor, place)
            block = BLOCKS[kind]
            size = elements // block.elements * block.bytes
            for _ in range(tensor.copies):
                yield Stored(named, kind, row, elements, size)


class _Rule(NamedTuple):
    mix: Mix
    name: str
    layers: int
    tied: bool
    eight: bool
    seventy: bool

    def kind_of(self, tensor: Tensor, place: int | None) -> str:
        """The type of a tensor in a layer, or outside of them; rows of odd length take another."""
        name = NAMES[tensor.role]
        if len(tensor.shape) < 2 or not name.endswith(".weight") or name.endswith(KEPT):
            return "F32"
        kind = self._better(tensor.role, place)
        while tensor.shape[-1] % BLOCKS[kind].elements:
            kind = OTHERWISE.get(kind, "F16")
        return kind

    def _better(self, role: Role, place: int | None) -> str:
        own = self.mix.kind
        if role == "lm_head" or (self.tied and role == "embedding"):
            return own if own == "Q8_0" else "Q6_K"
        if place is None:
            return own
        if self.eight and role in EIGHT_EXPERTS:
            return EIGHT_EXPERTS[role]
        if self.eight and role == "o":
            return "Q5_K" if self.name in EIGHT_EXPERTS_OUTPUT else own
        better = self.mix.better.get(SAME_RULE.get(role, role))
        kind = (better(place, self.layers) if better else None) or own
        return "Q5_K" if self.seventy and role == "v" and kind in ("Q3_K", "Q4_K") else kind

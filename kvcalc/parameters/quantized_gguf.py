"""The file that llama-quantize writes of a model: each tensor's type and bytes.

llama.cpp, commit 007dbbf: src/llama-quant.cpp (tensor_allows_quantization, llama_tensor_get_type).
"""

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import NamedTuple

from kvcalc.errors import UnsupportedError
from kvcalc.parameters.ggml_types import BLOCKS
from kvcalc.parameters.gguf_mixes import MIXES, Mix, Where
from kvcalc.parameters.stored import Stored
from kvcalc.parameters.tensor import Role, Tensor

OTHERWISE = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S"), "IQ4_NL"),
    **dict.fromkeys(("IQ3_XXS", "IQ3_S", "IQ4_XS"), "IQ4_NL"),
    **dict.fromkeys(("Q2_K", "Q3_K", "TQ1_0", "TQ2_0"), "Q4_0"),
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
}
"""What takes a type's place where a row is not whole blocks, before F16 (tensor_type_fallback)."""


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
    "shared_expert_gate": "ffn_gate_inp_shexp.weight",
    "delta_qkv": "attn_qkv.weight",
    "delta_z": "attn_gate.weight",
    "delta_a": "ssm_alpha.weight",
    "delta_b": "ssm_beta.weight",
    "conv": "ssm_conv1d.weight",
    "decay": "ssm_a",
    "step_bias": "ssm_dt.bias",
    "delta_norm": "ssm_norm.weight",
    "recurrent_out": "ssm_out.weight",
}
"""The name of a tensor in its block; the rules of others were not read."""

KEPT = ("_norm.weight", "ffn_gate_inp.weight", "ssm_conv1d.weight")
"""Weights of several rows that stay in F32."""

SAME_RULE: Mapping[Role, Role] = {
    **dict.fromkeys(("expert_down", "shared_down"), "down"),
    **dict.fromkeys(("expert_up", "shared_up"), "up"),
    **dict.fromkeys(("expert_gate_up", "shared_gate"), "gate"),
    "delta_qkv": "v",
}
"""Roles that llama-quantize tells apart by no name (tensor_get_category)."""

FUSED_QKV = frozenset({"bloom", "gpt_neox", "mpt", "persimmon", "phi3"})
"""Model types whose file has queries, keys and values in one tensor, attn_qkv, which counts as
values (category_is_attn_v): their checkpoints have one, and convert_hf_to_gguf.py leaves it."""

QKV: frozenset[Role] = frozenset({"q", "k", "v"})

OWN_RULES = frozenset({"falcon"})
"""Model types for which llama-quantize has rules of their own, which were not taken over."""

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
    return made_by(MIXES[name], tensors, model_type, layers, name)


def made_by(
    mix: Mix,
    tensors: Iterable[Tensor],
    model_type: str | None,
    layers: int,
    name: str = "llama.cpp",
) -> Iterator[Stored]:
    """The same of a mixture itself, by its `name` in an error.

    Raises:
        UnsupportedError: as `mixed`.
    """
    own = [one for one in tensors if one.component not in ("vision", "mtp", "buffers")]
    roles = {one.role for one in own}
    if model_type in OWN_RULES:
        raise UnsupportedError.of("weights", f"what {name} makes of {model_type} is not known")
    if unread := sorted(roles - NAMES.keys()):
        raise UnsupportedError.of(
            "weights", f"what {name} makes of these tensors is not known: {', '.join(unread)}"
        )
    rule = _Rule(
        mix,
        layers,
        gqa=_query_heads_of_a_kv_head(own),
        experts=max((one.shape[0] for one in own if one.role == "expert_down"), default=0),
        tied="lm_head" not in roles,
        seventy=(model_type, layers) in SEVENTY_BILLION,
        downs=_in_the_files_order(own, "down"),
        fused=QKV if model_type in FUSED_QKV else frozenset(),
    )
    for tensor in own:
        for place in tensor.layers or (None,):
            own_name = "attn_qkv.weight" if tensor.role in rule.fused else NAMES[tensor.role]
            named = own_name if place is None else f"blk.{place}.{own_name}"
            elements, row = prod(tensor.shape), tensor.shape[-1]
            kind = rule.kind_of(tensor, place)
            block = BLOCKS[kind]
            size = elements // block.elements * block.bytes
            for _ in range(tensor.copies):
                yield Stored(named, kind, row, elements, size)


def _query_heads_of_a_kv_head(tensors: Iterable[Tensor]) -> int:
    """Of the first layer (n_gqa); 0 without attention."""
    shapes: dict[Role, tuple[int, ...]] = {}
    for one in tensors:
        if one.role in ("q", "k", "v", "o"):
            shapes.setdefault(one.role, one.shape)
    if {"v", "o"} <= shapes.keys():  # queries may have a gate beside them
        return shapes["o"][1] // shapes["v"][0]
    return shapes["q"][0] // shapes["k"][0] if {"q", "k"} <= shapes.keys() else 0


def _in_the_files_order(tensors: Iterable[Tensor], role: Role) -> Mapping[tuple[int, Role], int]:
    """Number the tensors of one rule as the file has them: by layer, and by name within one."""
    found = [
        (place, NAMES[one.role], one.role)
        for one in tensors
        if SAME_RULE.get(one.role, one.role) == role
        for place in one.layers
    ]
    return {(place, own): nth for nth, (place, _, own) in enumerate(sorted(found))}


class _Rule(NamedTuple):
    mix: Mix
    layers: int
    gqa: int
    experts: int
    tied: bool
    seventy: bool
    downs: Mapping[tuple[int, Role], int]
    fused: frozenset[Role]

    def kind_of(self, tensor: Tensor, place: int | None) -> str:
        """The type of a tensor in a layer, or outside of them; rows of odd length take another."""
        name = NAMES[tensor.role]
        if prod(tensor.shape[:-1]) == 1 or not name.endswith(".weight") or name.endswith(KEPT):
            return "F32"
        kind = self._better(tensor.role, place)
        while tensor.shape[-1] % BLOCKS[kind].elements:
            kind = OTHERWISE.get(kind, "F16")
        return kind

    def _better(self, role: Role, place: int | None) -> str:
        role = "v" if role in self.fused else role
        mix, same = self.mix, SAME_RULE.get(role, role)
        if role == "lm_head" or (self.tied and role == "embedding"):
            return mix.head
        if role == "embedding":
            return mix.embedding or mix.kind
        if place is None:
            return mix.kind
        if self.experts == 8 and role in mix.eight:
            return mix.eight[role] or mix.kind
        better = mix.better.get(role) or mix.better.get(same)
        nth = self.downs.get((place, role), place)
        where = Where(place, self.layers, self.gqa, self.experts, nth)
        kind = (better(where) if better else None) or mix.kind
        return "Q5_K" if self.seventy and role == "v" and kind in ("Q3_K", "Q4_K") else kind

"""The mixtures of llama-quantize: the element type of each tensor, by the mixture's name.

llama.cpp, commit 007dbbf: src/llama-quant.cpp (llama_tensor_get_type_impl). Of a mixture that can
be made without an importance matrix it is what is made so; those of one and two bits, IQ3_XXS,
IQ3_XS and Q2_K_S are made with one alone. Each was checked against the bits a weight that
tools/quantize/README.md publishes. Files that others mix by rules of their own (Unsloth's UD) have
other sizes.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kvcalc.parameters.tensor import Role


class Where(NamedTuple):
    """A tensor's layer, of so many, and the model's query heads per KV head and experts.

    `nth` is its place among the tensors of its kind in the file, which a layer may have two of.
    """

    layer: int
    layers: int
    gqa: int
    experts: int
    nth: int

    @property
    def often(self) -> bool:
        """Whether the layer is among those that some mixtures store better (use_more_bits)."""
        eighth = self.layers // 8
        late = self.layer >= 7 * self.layers // 8
        return self.layer < eighth or late or (self.layer - eighth) % 3 == 2


Better = Callable[[Where], str | None]
"""The type of a tensor, where it is not the mixture's own."""


def _always(kind: str) -> Better:
    return lambda at: kind


def _often(kind: str) -> Better:
    return lambda at: kind if at.often else None


def _first(kind: str, part: int, then: str | None = None) -> Better:
    """One type for the first layers, one in so many of all."""
    return lambda at: kind if at.layer < at.layers // part else then


def _first_few(kind: str, count: int, then: str | None = None) -> Better:
    return lambda at: kind if at.layer < count else then


def _first_eighth_of_tensors(kind: str) -> Better:
    return lambda at: kind if at.nth < at.layers // 8 else None


def _where_shared(kind: str, then: str | None = None) -> Better:
    """One type where four query heads or more share a KV head."""
    return lambda at: kind if at.gqa >= 4 else then


def _where_cheap(kind: str, then: str) -> Better:
    """One type where values are a small part: shared by four heads, or beside four experts."""
    return lambda at: kind if at.gqa >= 4 or at.experts >= 4 else then


def _in_the_middle(kind: str) -> Better:
    return lambda at: kind if at.layers // 8 <= at.layer < 7 * at.layers // 8 else None


def _first_or_often_of_eight(kind: str) -> Better:
    """One type for the first eighth, and with 8 experts for those that are stored better, too."""
    return lambda at: kind if at.layer < at.layers // 8 or (at.experts == 8 and at.often) else None


OF_EIGHT: Mapping[Role, str | None] = {"v": "Q8_0", "k": "Q8_0", "o": "Q5_K"}
"""With 8 experts attention is stored better; None is the mixture's own type."""

OF_EIGHT_BUT_OUTPUT: Mapping[Role, str | None] = {**OF_EIGHT, "o": None}
OF_EIGHT_IN_TWO_BITS: Mapping[Role, str | None] = {"k": "Q4_K", "o": "Q5_K"}


class Mix(NamedTuple):
    """A mixture: its own type, and what takes better ones.

    `eight` are those of a model with 8 experts, beside which no other rule holds for its attention.
    Of a mixture that is not made without an importance matrix, it is what is made with one.
    """

    kind: str
    better: Mapping[Role, Better] = {}
    head: str = "Q6_K"
    embedding: str | None = None
    eight: Mapping[Role, str | None] = OF_EIGHT_BUT_OUTPUT


def _in_two_bits(kind: str, more: str, output: str | None = None, embedding: str = "") -> Mix:
    """The mixtures of one and two bits, which share their rules."""
    better: dict[Role, Better] = {
        "v": _where_cheap("Q4_K", more),
        "down": _first_eighth_of_tensors(more),
    }
    if output is not None:
        better["o"] = _always(output)
    return Mix(kind, better, "Q5_K", embedding or more, OF_EIGHT_IN_TWO_BITS)


MIXES: Mapping[str, Mix] = {
    "Q4_0": Mix("Q4_0"),
    "Q4_1": Mix("Q4_1"),
    "Q5_0": Mix("Q5_0"),
    "Q5_1": Mix("Q5_1"),
    "Q8_0": Mix("Q8_0", head="Q8_0"),
    "Q2_K_S": Mix("Q2_K", {"v": _where_shared("Q4_K"), "down": _first("Q4_K", 8)}),
    "Q2_K": Mix(
        "Q2_K",
        {"v": _where_shared("Q4_K", "Q3_K"), "o": _always("Q3_K"), "down": _always("Q3_K")},
        eight=OF_EIGHT,
    ),
    "Q3_K_S": Mix("Q3_K", eight=OF_EIGHT),
    "Q3_K_M": Mix(
        "Q3_K",
        {
            "v": _first_few("Q5_K", 2, "Q4_K"),
            "o": _always("Q4_K"),
            "down": _first("Q5_K", 16, "Q4_K"),
        },
        eight=OF_EIGHT,
    ),
    "Q3_K_L": Mix("Q3_K", {"v": _always("Q5_K"), "o": _always("Q5_K"), "down": _always("Q5_K")}),
    "Q4_K_S": Mix("Q4_K", {"v": _first_few("Q5_K", 4), "down": _first("Q5_K", 8)}, eight=OF_EIGHT),
    "Q4_K_M": Mix("Q4_K", {"v": _often("Q6_K"), "down": _often("Q6_K")}, eight=OF_EIGHT),
    "Q5_K_S": Mix("Q5_K"),
    "Q5_K_M": Mix("Q5_K", {"v": _often("Q6_K"), "down": _often("Q6_K")}),
    "Q6_K": Mix("Q6_K"),
    "IQ1_S": _in_two_bits("IQ1_S", "Q2_K", "IQ2_XXS"),
    "IQ1_M": _in_two_bits("IQ1_M", "Q2_K", "IQ2_XXS"),
    "IQ2_XXS": _in_two_bits("IQ2_XXS", "Q2_K"),
    "IQ2_XS": _in_two_bits("IQ2_XS", "Q2_K"),
    "IQ2_S": _in_two_bits("IQ2_XS", "IQ3_S", "IQ3_S"),
    "IQ2_M": _in_two_bits("IQ2_S", "IQ3_S", "IQ3_S"),
    "IQ3_XXS": Mix(
        "IQ3_XXS",
        {
            "v": _where_shared("Q4_K"),
            **dict.fromkeys(("q", "k"), _always("IQ2_S")),
            "o": _always("IQ3_S"),
        },
        "Q5_K",
        "IQ3_S",
        OF_EIGHT,
    ),
    "IQ3_XS": Mix(
        "IQ3_S",
        {
            "v": _where_shared("Q4_K"),
            **dict.fromkeys(("q", "k"), _always("IQ3_XXS")),
            **dict.fromkeys(("gate", "up"), _in_the_middle("IQ3_XXS")),
        },
        eight=OF_EIGHT,
    ),
    "IQ3_S": Mix("IQ3_S", {"v": _where_shared("Q4_K")}, eight=OF_EIGHT),
    "IQ3_M": Mix(
        "IQ3_S",
        {
            **dict.fromkeys(("v", "o"), _always("Q4_K")),
            "down": _first_or_often_of_eight("Q4_K"),
        },
        eight=OF_EIGHT,
    ),
    "IQ4_NL": Mix(
        "IQ4_NL", {"v": _where_shared("Q5_K"), "down": _first("Q5_K", 8)}, eight=OF_EIGHT
    ),
    "IQ4_XS": Mix(
        "IQ4_XS", {"v": _where_shared("Q5_K"), "down": _first("Q5_K", 8)}, eight=OF_EIGHT
    ),
    "TQ1_0": Mix("TQ1_0", embedding="Q4_K"),
    "TQ2_0": Mix("TQ2_0", embedding="Q4_K"),
    "MXFP4_MOE": Mix(
        "Q8_0",
        dict.fromkeys(("expert_gate_up", "expert_up", "expert_down"), _always("MXFP4")),
        head="Q8_0",
        eight={},
    ),
}
"""By the names that llama-quantize takes."""

CONVERTED: Mapping[tuple[str, str | None], Mix] = {
    ("bfloat16", None): Mix("BF16", head="BF16", eight={}),
    ("float16", None): Mix("F16", head="F16", eight={}),
    ("bfloat16", "mxfp4"): Mix(
        "BF16",
        dict.fromkeys(("expert_gate_up", "expert_up", "expert_down"), _always("MXFP4")),
        head="BF16",
        eight={},
    ),
}
"""What a checkpoint becomes whose types are kept, by its element type and its format.

convert_hf_to_gguf.py (prepare_tensors) keeps types of 16 bits, and gpt-oss's experts as they are;
norms, biases and routers become F32, as llama-quantize leaves them. What it makes of other formats
was not read.
"""

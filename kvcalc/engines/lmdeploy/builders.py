"""What LMDeploy's PyTorch engine builds of a model type (pytorch/configurations/*.py).

A type has a builder of its own or falls to the default one, which reads a config as attention in
every layer, with one head size and one window for all; and it has a model class or none
(pytorch/models/module_map.py), and then cannot be served.
"""

from kvcalc.costs import WINDOW
from kvcalc.engines.engine import names
from kvcalc.errors import UnsupportedError, quote
from kvcalc.formula.expression import Value
from kvcalc.model import Model

ONE_WINDOW = names(
    "chatglm deepseek gemma gemma2 gemma3_text glm4 glm4_moe glm4v hy_v3 internlm2 internlm3 llama "
    "minimax_m2 mistral mixtral phi3 phi3_v phimoe qwen2 qwen2_5_vl qwen2_moe qwen2_vl qwen3 "
    "qwen3_moe qwen3_omni_moe qwen3_vl qwen3_vl_moe sdar sdar_moe"
)
"""The window of the file, if there is one, holds for every layer (default.py)."""

NO_WINDOW = names("gemma3 gpt_oss llama4")
"""Every layer is paged in full (gemma.py, gpt_oss.py and llama4.py: sliding_window is -1)."""

LATENT = names("deepseek_v2 deepseek_v3 glm4_moe_lite kimi_k2 kimi_k25")
"""One head holds the latent row; its value is empty (deepseek_v2.py, glm4.py, kimi_k2.py)."""

SPARSE = names("deepseek_v32 glm_moe_dsa")
"""Latent rows beside an indexer's (deepseek_v32.py, glm_moe_dsa.py)."""

DELTA = names("qwen3_5 qwen3_5_moe qwen3_next")
"""Attention beside states of delta nets (qwen3_5.py, qwen3_next.py)."""

COMPRESSED = names("deepseek_v4")
"""Packed rows of several rates, and windows in a state (deepseek_v4.py)."""

ATTENTION = ("full_attention", "sliding_attention")

KINDS_OF = {
    **dict.fromkeys(ONE_WINDOW, ATTENTION),
    **dict.fromkeys(NO_WINDOW, (*ATTENTION, "chunked_attention")),
    **dict.fromkeys(LATENT, ("latent_attention",)),
    **dict.fromkeys(SPARSE, ("latent_attention",)),
    **dict.fromkeys(DELTA, ("full_attention", "gated_delta_net")),
    **dict.fromkeys(COMPRESSED, ("compressed_attention",)),
}
"""The kinds of layers that a type's builder takes into account."""

SHAPES = (*ATTENTION, "chunked_attention", "latent_attention")
"""The kinds that a model given by its shape can have."""

KINDS = (*SHAPES, "gated_delta_net", "compressed_attention")


def require(model: Model, version: str) -> None:
    """Refuse what a version of LMDeploy cannot build, or builds as what it is not.

    Raises:
        UnsupportedError: the model type, or the kind of layer.
    """
    kind = model.model_type
    if kind is not None and kind not in KINDS_OF:
        raise UnsupportedError(
            f"lmdeploy {version} has no builder for the model type {quote(kind)}: its default "
            "would take every layer for attention over one window",
            what=f"model type {kind}",
        )
    allowed = SHAPES if kind is None else KINDS_OF[kind]
    for layer, _ in model.groups:
        if layer.kind not in allowed:
            of = f" of {kind}" if kind else ""
            raise UnsupportedError(
                f"lmdeploy does not support {layer.kind} layers{of}", what=f"{layer.kind} layers"
            )


def window(model: Model) -> Value | None:
    """The window that blocks must have left to be given back; None where none are.

    Raises:
        UnsupportedError: layers with a window beside others, where LMDeploy gives all the same one.
    """
    slides = [layer.kind == "sliding_attention" for layer, _ in model.groups]
    if not any(slides) or model.model_type in NO_WINDOW:
        return None
    if all(slides) and model.window is not None:
        return WINDOW
    if model.model_type is None:
        return None  # as its builders of such models do
    raise UnsupportedError(
        f"lmdeploy takes one window for every layer of {model.model_type}, full ones too",
        what="window",
    )

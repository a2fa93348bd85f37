"""Sizes that a model type's class works out of other keys.

Source: transformers 5.24.0, models/<type>/modeling_<type>.py and configuration_<type>.py.
"""

from collections.abc import Callable, Mapping
from typing import Any

from kvcalc.errors import SourceError, quote
from kvcalc.readers.huggingface.keys import Keys

Rule = Callable[[Keys], Any]


def _adjusted(keys: Keys) -> int:
    """Two thirds of what the file says, to a multiple, unless it says that it is as it is (LFM2).

    Raises:
        SourceError: a key is something else.
    """
    width = keys.size("block_ff_dim" if keys.get("block_ff_dim") else "intermediate_size")
    if not keys.flag("block_auto_adjust_ff_dim", True):
        return width
    factor = keys.get("block_ffn_dim_multiplier", 1.0)
    multiple = keys.size("block_multiple_of") if keys.has("block_multiple_of") else 256
    if not isinstance(factor, int | float) or not 0 < factor <= MOST_TIMES:
        raise SourceError(f"block_ffn_dim_multiplier: found {quote(factor)}, expected a number")
    return -(-int(factor * (2 * width // 3)) // multiple) * multiple


MOST_TIMES = 1_000


def _four_times(key: str) -> Rule:
    """What a key says, else four times the hidden size."""
    return lambda keys: keys.count(key) or 4 * keys.size("hidden_size")


def _first_of(key: str) -> Rule:
    """What a key says, else the width of an expert."""
    return lambda keys: keys.count(key) or keys.size("intermediate_size")


def _of_hidden(key: str) -> Rule:
    """What a key says, else a head's share of the hidden size."""
    return lambda keys: (
        keys.count(key) or keys.size("hidden_size") // keys.size("num_attention_heads")
    )


def _learned(more: int = 0) -> Rule:
    """Rows of a table of positions, some of which stand for padding."""
    return lambda keys: keys.size("max_position_embeddings") + more


def _rank(key: str) -> Rule:
    """The rank of a state's steps: as the file says, else a sixteenth of the hidden size."""

    def rank(keys: Keys) -> int:
        automatic = keys.get(key, AUTOMATIC) == AUTOMATIC
        return -(-keys.size("hidden_size") // 16) if automatic else keys.size(key)

    return rank


AUTOMATIC = "auto"


def _falcon_norms(keys: Keys) -> int:
    """Two norms a layer, or one for attention and the MLP, which run side by side."""
    if not keys.flag("parallel_attn", True):
        return 2
    two = 2 if keys.flag("new_decoder_architecture") else 1
    return 2 if (keys.count("num_ln_in_parallel_attn") or two) == 2 else 1


GPT2: Mapping[str, Rule] = {"intermediate_size": _four_times("n_inner"), "positions": _learned()}
GPTJ: Mapping[str, Rule] = {"intermediate_size": _four_times("n_inner")}
OFFSET: Mapping[str, Rule] = {"positions": _learned(2)}
WIDE: Mapping[str, Rule] = {"intermediate_size": _four_times("")}
STEPS: Mapping[str, Rule] = {"step_rank": _rank("time_step_rank")}

WORKED: Mapping[str, Mapping[str, Rule]] = {
    "lfm2": {"intermediate_size": _adjusted},
    **dict.fromkeys(("gpt2", "gpt_bigcode"), GPT2),
    "gpt_neo": {"intermediate_size": _four_times("intermediate_size"), "positions": _learned()},
    **dict.fromkeys(("gptj", "codegen"), GPTJ),
    **dict.fromkeys(("opt", "biogpt"), OFFSET),
    **dict.fromkeys(("bloom", "mpt"), WIDE),
    "falcon": {"intermediate_size": _four_times("ffn_hidden_size"), "layer_norms": _falcon_norms},
    **dict.fromkeys(("mamba", "falcon_mamba"), STEPS),
    "cohere2_moe": {"intermediate_size": _first_of("prefix_dense_intermediate_size")},
    "minicpm3": {"v_head_dim": _of_hidden("v_head_dim")},
    "jamba": {"step_rank": _rank("mamba_dt_rank")},
}
"""The fields of `Sizes` by model type."""


def _narrow(keys: Keys) -> bool:
    """OPT whose embedding is narrower than its layers, or which ends without a norm."""
    width = keys.get("word_embed_proj_dim", keys.get("hidden_size"))
    plain = keys.flag("do_layer_norm_before", True) and keys.flag("enable_bias", True)
    affine = keys.flag("layer_norm_elementwise_affine", True)
    return width != keys.get("hidden_size") or not (plain and affine)


OTHERWISE: Mapping[str, Callable[[Keys], bool]] = {"opt": _narrow}
"""When the rule of a model type does not hold, where that is no key by itself."""

"""The draft that a line of `vllm serve` asks for: --speculative-config, or --spec-method and so on.

vLLM 0.33.0, config/speculative.py: without a method the draft's name and its file's type say it.
"""

from collections.abc import Mapping
from typing import Any

from kvcalc.engines.server.asked import Asked
from kvcalc.engines.server.json_flags import table_of
from kvcalc.engines.vllm.json_flags import refuse_and_name
from kvcalc.errors import RequestError, quote

FLAG = "--speculative-config"

COUNTED = ("mtp", "eagle", "eagle3")
"""Methods that are values of speculative_method."""

WITHOUT_LAYERS = ("ngram", "ngram_gpu", "suffix", "custom_class")
"""Methods that draft without layers of their own: their tokens alone are counted."""

OWN_TOKENS = {"suffix": ("suffix_decoding_max_tree_depth", 24)}
"""Methods that draft so many tokens at most where none are given: by which key, and its default."""

ONE_BATCH = ("suffix", "custom_class")
"""Methods that the V1 runner runs, which turns asynchronous scheduling off (config/vllm.py)."""

KEPT = ("eagle", "eagle3", "dflash", "dspark", *WITHOUT_LAYERS, "extract_hidden_states")
"""Methods that stand as they are given; others follow the draft's name."""

NAMED = {"eagle-": "eagle", "eagle3": "eagle3", "dflash": "dflash", "dspark": "dspark"}
"""Parts of a draft's name, in the order in which they are looked for, and what they say."""

KEYS = frozenset(
    {
        *("method", "model", "num_speculative_tokens", "enforce_eager", "quantization"),
        *("moe_backend", "max_model_len", "revision", "code_revision", "draft_load_config"),
        *("index_share_for_mtp_iteration", "disable_padded_drafter_batch"),
        *("disable_eagle_block_drop", "disable_lookahead_block_hashes", "draft_sample_method"),
        *("draft_lm_head_quantization", "use_local_argmax_reduction", "use_heterogeneous_vocab"),
        *("prompt_lookup_max", "prompt_lookup_min", "parallel_drafting", "attention_backend"),
        *("suffix_decoding_max_tree_depth", "suffix_decoding_max_cached_requests"),
        *("suffix_decoding_max_spec_factor", "suffix_decoding_min_token_prob"),
        *("rejection_sample_method", "synthetic_acceptance_rates", "synthetic_acceptance_length"),
        *("enable_adaptive_verification", "dspark_draft_topk", "xpress_topc", "fly_window_size"),
        *("fly_entropy_threshold", "fly_entropy_top_k", "disable_by_batch_size"),
        "num_speculative_tokens_per_batch_size",
    }
)
"""Keys of --speculative-config that are read, or say nothing of the cache."""

REFUSED = {
    "kv_cache_dtype": "it gives the draft's layers a format of their own",
}
"""Keys of --speculative-config that change the cache in ways that are not counted."""

RANKS = ("draft_tensor_parallel_size", "tensor_parallel_size")
"""Keys that say how many ranks share the draft's layers: as many as the model's are counted."""

FLAGS = {
    "method": "speculative_method",
    "model": "speculative_model",
    "num_speculative_tokens": "num_speculative_tokens",
}
"""Keys that flags of their own give: --spec-method, --spec-model, --spec-tokens."""


def read_draft(asked: Asked) -> None:
    """Make settings of what a line says of a draft; what of it is not counted is said in a note.

    Raises:
        RequestError: it is not JSON, names no draft, or changes the cache in a way not counted.
    """
    text = asked.settings.pop("speculative_config", None)
    if (
        text is None
        and not ({*FLAGS.values()} - {"num_speculative_tokens"}) & asked.settings.keys()
    ):
        return
    table = {} if text is None else table_of(FLAG, text)
    for key, name in FLAGS.items():
        if (value := asked.settings.pop(name, None)) is not None:
            table[key] = value
    refuse_and_name(FLAG, table, {*KEYS, *RANKS}, REFUSED, asked)
    method = method_of(table, asked.model)
    ranks = next((str(table[key]) for key in RANKS if key in table), None)
    if ranks not in (None, str(asked.settings.get("tensor_parallel_size", 1))):
        asked.notes.append(f"{FLAG}: the draft is counted over all ranks, not over {quote(ranks)}")
    tokens = table.get("num_speculative_tokens")
    if tokens is None and method in OWN_TOKENS:
        tokens = table.get(*OWN_TOKENS[method])
    if tokens is not None:
        asked.settings["num_speculative_tokens"] = tokens
    if method in COUNTED:
        asked.settings["speculative_method"] = method
    elif method not in WITHOUT_LAYERS:
        asked.notes.append(
            f"the draft {quote(table.get('model', method))} is not counted: of the method "
            f"{quote(method)} it has layers of its own, whose cache comes on top; kvcalc counts "
            f"{', '.join(COUNTED)}"
        )
    if method in ONE_BATCH:
        asked.settings.setdefault("async_scheduling", False)


def method_of(table: Mapping[str, Any], target: str | None) -> str:
    """Tell the method as vLLM does: as given, by the draft's name, or the target's own MTP layers.

    Raises:
        RequestError: neither a method nor a draft is given.
    """
    method = str(table.get("method") or "").lower().strip("[]")
    model = None if table.get("model") is None else str(table["model"])
    if not method and model is None:
        raise RequestError.about(
            "--from", f"{FLAG}: found neither method nor model, without which vllm does not start"
        )
    if method in KEPT or (model is not None and model.strip("[]") == "ngram"):
        return method or "ngram"
    if not method and _is_a_class(str(model)):
        return "custom_class"
    lower = (model or "").lower()
    by_name = next((says for part, says in NAMED.items() if part in lower), None)
    if by_name is not None:
        return by_name
    own = model is not None and model == target
    return "mtp" if own or method == "mtp" or method.endswith("_mtp") else method or "draft_model"


def _is_a_class(model: str) -> bool:
    """Whether a draft is the path of a class, as pkg.Proposer."""
    parts = model.split(".")
    return len(parts) > 1 and all(part.isidentifier() for part in parts)

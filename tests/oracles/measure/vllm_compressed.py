"""Layers of DeepSeek V4 as a release of vLLM plans them, in FlashMLA's packed rows.

Each layer's specification is built from its sizes (models/deepseek_v4, sparse_swa.py), of the
fields that the release's class has; the tokens in flight are one batch.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.oracles.measure.comparison import Case
from tests.oracles.measure.vllm_planner import Setup, made, planned, torch

ROW, ALIGNMENT = 584, 576
"""Bytes of a packed row, and of what pages are a multiple of."""

BLOCK, WINDOW_BLOCK = 256, 64
"""Tokens of a block of compressed rows, and of a window's."""

STATES = {4: (4, 8), 128: (8, 128)}
"""Tokens of a block of a ratio's state, and of its window."""

INDEX_ROWS = {"fp8": 132, "mxfp4": 68}

FOUND = ("bytes_per_block", "blocks_per_request", "bytes_per_request")
IN_MEMORY = ("num_blocks_in_50GiB", "max_concurrency_in_50GiB")


def spec(layer: Mapping[str, Any], index: str) -> Any:
    """The specification of one cache."""
    shared = {"num_kv_heads": 1, "max_tp_shards": 1, "alignment": ALIGNMENT}
    packed = {
        "head_size": layer.get("head_dim"),
        "dtype": torch.uint8,
        "cache_dtype_str": "fp8_ds_mla",
        "model_version": "deepseek_v4",
        "state_content_bytes": ROW,
    }
    match layer["kind"]:
        case "v4 window":
            own = {"block_size": WINDOW_BLOCK, "sliding_window": layer["window"]}
            return made("SlidingWindowMLA", **shared, **packed, **own)
        case "v4 state":
            block, window = STATES[layer["ratio"]]
            own = {"block_size": block, "sliding_window": window, "head_size": layer["state_dim"]}
            return made("SlidingWindowMLA", **shared, dtype=torch.float32, **own)
        case "v4 index":
            packed = {"head_size": INDEX_ROWS[index], "dtype": torch.uint8}
    ratio = layer["ratio"]
    rate = {"tokens_per_state": ratio, "compress_ratio": ratio, "block_size": BLOCK}
    return made("MLAAttention", **shared, **packed, **rate)


def specs(model: Mapping[str, Any], index: str) -> Iterator[tuple[str, Any]]:
    """The caches in the order in which the model makes them."""
    for place, kind in enumerate(model["order"]):
        yield f"layers.{place}.cache", spec(model["layers"][int(kind)], index)


def measured(table: Mapping[str, Any], case: Case) -> Case:
    """What the release plans for a case of vllm_kinds.json; its groups may stand in any order."""
    setup = Setup(
        case["max_model_len"],
        case["max_in_flight_tokens"],
        layout=case["layout"],
        cache={"block_size": BLOCK, "cache_dtype": "fp8_ds_mla"},
    )
    model = table["models"][case["model"]]
    found = planned(setup.config(), [dict(specs(model, case["index_dtype"]))])
    if "refused" in found:
        return {"refused": found["refused"]}
    return {name: found[name] for name in (*FOUND, *IN_MEMORY)}

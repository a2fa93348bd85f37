"""What vLLM's start-up lines say of the run: its release, its arguments, the engine's settings.

Read in vLLM 0.33.0 (entrypoints/utils.py, v1/engine/core.py, v1/worker/gpu_worker.py,
config/vllm.py, v1/core/kv_cache_utils.py), and as older versions had them.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kvcalc.engines.log import COUNT, Found, pattern
from kvcalc.engines.releases import numbers, parsed
from kvcalc.engines.server.model_overrides import SHAPES
from kvcalc.engines.vllm.draft_flags import COUNTED, WITHOUT_LAYERS
from kvcalc.engines.vllm.releases import RELEASES
from kvcalc.errors import RequestError, quote

VERSION = r"(?P<version>[0-9][0-9A-Za-z.+]{0,60})"

PATTERNS = (
    pattern(
        "engine", " LLM engine (v", rf"LLM engine \(v{VERSION}\)(?: with config: (?P<config>.*))?"
    ),
    pattern("engine", "version ", rf"(?:vLLM API server|█) version {VERSION}"),
    pattern("arguments", "non-default args:", r"non-default args: (?P<config>\{.*)"),
    pattern("arguments", "cache_config_info{", r"cache_config_info\{(?P<config>[^}]*)"),
    *(
        pattern("overrides", key, rf"{key}['\"]?[=:] ?(?P<{key}>\{{.{{1,2000}})")
        for key in ("hf_overrides", "rope_scaling")
    ),
    pattern("batch", "max_num_batched_tokens=", rf"max_num_batched_tokens=(?P<tokens>{COUNT})"),
    pattern(
        "manager off",
        "ybrid",
        r"Turning off hybrid kv cache manager|Hybrid KV cache manager is disabled",
    ),
)

KEY = re.compile(r"['\"]([a-z_0-9]{1,60})['\"]:")
"""A key of a table, as Python or JSON writes it."""

SAID = {"manager off": {"disable_hybrid_kv_cache_manager": True}}
"""What a line says by standing there."""

SPELLINGS = {
    "tp": "tensor_parallel_size",
    "tp_size": "tensor_parallel_size",
    "pp": "pipeline_parallel_size",
    "pp_size": "pipeline_parallel_size",
    "pp_partition": "pp_layer_partition",
    "kv_dtype": "kv_cache_dtype",
    "prefix_caching": "enable_prefix_caching",
    "max_model_len": "context",
    "max_seq_len": "context",
    "cache_dtype": "kv_cache_dtype",
    "method": "speculative_method",
    "speculative_config": "speculative_method",
    "num_spec_tokens": "num_speculative_tokens",
}
"""Other names of settings: those of tools around vLLM, and those of its own lines."""

CONFIGURED = (
    *("tensor_parallel_size", "pipeline_parallel_size", "decode_context_parallel_size"),
    *(
        "kv_cache_dtype",
        "cache_dtype",
        "max_seq_len",
        "max_model_len",
        "max_num_seqs",
        "block_size",
    ),
    *("enable_prefix_caching", "max_num_batched_tokens", "async_scheduling", "performance_mode"),
    *("enable_chunked_prefill", "data_parallel_size", "enable_expert_parallel", "runner"),
    *("all2all_backend", "prefill_context_parallel_size"),
    *("disable_hybrid_kv_cache_manager", "mamba_cache_mode", "mamba_ssm_cache_dtype"),
    *("num_gpu_blocks_override", "kv_cache_memory_bytes", "kv_connector"),
    *("gpu_memory_utilization", "quantization"),
    *("speculative_config", "method", "num_spec_tokens", "num_speculative_tokens"),
)
"""Settings that are taken from the lines of the arguments and of the engine's configuration."""


def release(text: str) -> str | None:
    """The release of a build; None for a build without a tag, as 0.1.dev1+g0c1e570."""
    try:
        key, _ = parsed(text)
    except RequestError:
        return None
    oldest = numbers(RELEASES.rows[0].version)
    return None if "dev" in text and key < oldest else text


def method(text: str) -> str:
    """The setting of a draft's method; one whose layers are not counted stands as it is."""
    if text in ("None", *WITHOUT_LAYERS):
        return "none"
    return "mtp" if text.endswith("mtp") else text


def uncounted(settings: Mapping[str, Any]) -> str | None:
    """Say that a draft has layers of its own that are not counted, if it has."""
    draft = settings.get("speculative_method", "none")
    if draft in ("none", *COUNTED):
        return None
    return (
        f"a draft of the method {quote(draft)} has layers of its own, whose cache is not counted; "
        f"kvcalc counts {', '.join(COUNTED)}"
    )


def overridden(found: Iterable[Found]) -> frozenset[str]:
    """Name the keys of the model's file that the arguments override."""
    tables = (
        _braced(text) for line in found if line.kind == "overrides" for text in line.values.values()
    )
    scaled = any("rope_scaling" in line.values for line in found)
    return frozenset(KEY.findall(" ".join(tables))) | ({"rope_scaling"} if scaled else set())


def reshaped(keys: Iterable[str]) -> str | None:
    """Say that keys that are overridden may change what the model caches, if there are such."""
    of_shapes = sorted(key for key in keys if any(part in key for part in SHAPES))
    if not of_shapes:
        return None
    return (
        f"the log overrides {quote(of_shapes[0])} of the model's file (hf_overrides), which may "
        "change what the model caches: give --model a file that has it so"
    )


def _braced(text: str) -> str:
    """What a text has up to the brace that closes its first one."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "{") - (letter == "}")
        if not depth:
            return text[:place]
    return text


VALUES: dict[str, Any] = {
    "release": release,
    "method": method,
    "speculative_config": lambda text: method(text) if text == "None" else None,
    "max_model_len": lambda text: None if text in ("None", "auto", "-1") else text,
}
"""How what the lines say is made a setting."""

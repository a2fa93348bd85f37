"""llama-server's command line: what of it says something of the cache, read and written.

Flags are those of llama.cpp's common/arg.cpp (2026-10-01, commit 0c1e570), defaults those of
tools/server/server.cpp. Flags that change what is loaded in ways not followed here
(`--override-kv`, `--hf-file`) stand in no table, so they are named or refused.
"""

import re
from dataclasses import replace
from typing import Any

from kvcalc.engines.llama_cpp.ignored_flags import (
    HARMLESS_VARIABLES,
    IGNORED,
    REFUSED,
    SAID,
    SAID_VARIABLES,
)
from kvcalc.engines.llama_cpp.option_values import TAKES
from kvcalc.engines.llama_cpp.slots import EVERY_LAYER, finish, finish_alone
from kvcalc.engines.server import MODEL, Server
from kvcalc.engines.server.asked import Wanted
from kvcalc.model import Model


def _values(names: dict[str, str]) -> dict[str, str]:
    return {flag: what for flags, what in names.items() for flag in flags.split()}


VALUES = _values(
    {
        "-m --model -mu --model-url -hf -hfr --hf-repo": "model",
        "-c --ctx-size": "context",
        "-np --parallel": "sequences",
        "-b --batch-size": "batch_size",
        "-ub --ubatch-size": "ubatch_size",
        "-ctk --cache-type-k": "cache_type_k",
        "-ctv --cache-type-v": "cache_type_v",
        "-fa --flash-attn": "flash_attn",
        "-sm --split-mode": "split_mode",
        "-ts --tensor-split": "tensor_split",
        "-ngl --gpu-layers --n-gpu-layers": "n_gpu_layers",
        "-ncmoe --n-cpu-moe": "n_cpu_moe",
        "-ot --override-tensor": "override_tensor",
        "--kv-unified-per-slot": "kv_unified_per_slot",
        "-fit --fit": "fit",
        "--spec-type": "spec_type",
        "-md --model-draft --spec-draft-model": "spec_draft_model",
        "-hfd -hfrd --hf-repo-draft --spec-draft-hf": "spec_draft_hf",
        "-ctkd --cache-type-k-draft --spec-draft-type-k": "spec_draft_type_k",
        "-ctvd --cache-type-v-draft --spec-draft-type-v": "spec_draft_type_v",
        "--spec-draft-n-max --draft --draft-n --draft-max": "spec_draft_n_max",
    }
)
"""What each flag with a value gives; `slots` and `drafts` make settings of those that are none."""

SWITCHES = {
    "--swa-full": ("swa_full", True),
    "-kvu": ("kv_unified", True),
    "--kv-unified": ("kv_unified", True),
    "-no-kvu": ("kv_unified", False),
    "--no-kv-unified": ("kv_unified", False),
    "-cmoe": ("n_cpu_moe", EVERY_LAYER),
    "--cpu-moe": ("n_cpu_moe", EVERY_LAYER),
    "-kvo": ("offload_kqv", True),
    "--kv-offload": ("offload_kqv", True),
    "-nkvo": ("offload_kqv", False),
    "--no-kv-offload": ("offload_kqv", False),
}

QWEN_CODER = {"batch_size": 1024, "ubatch_size": 1024}
GPT_OSS = {"sequences": 2, "context": 262_144, "batch_size": 32_768, "ubatch_size": 2048}

PRESETS: dict[str, dict[str, Any]] = {
    "--embd-gemma-default": {
        "model": "ggml-org/embeddinggemma-300M-qat-q4_0-GGUF",
        "sequences": 32,
        "context": 65_536,
        "batch_size": 2048,
        "ubatch_size": 2048,
    },
    "--fim-qwen-1.5b-default": {"model": "ggml-org/Qwen2.5-Coder-1.5B-Q8_0-GGUF", **QWEN_CODER},
    "--fim-qwen-3b-default": {"model": "ggml-org/Qwen2.5-Coder-3B-Q8_0-GGUF", **QWEN_CODER},
    "--fim-qwen-7b-default": {"model": "ggml-org/Qwen2.5-Coder-7B-Q8_0-GGUF", **QWEN_CODER},
    **{
        f"--fim-qwen-{size}b-spec": {
            "model": f"ggml-org/Qwen2.5-Coder-{size}B-Q8_0-GGUF",
            "spec_draft_hf": "ggml-org/Qwen2.5-Coder-0.5B-Q8_0-GGUF",
            **QWEN_CODER,
        }
        for size in (7, 14)
    },
    "--fim-qwen-30b-default": {
        "model": "ggml-org/Qwen3-Coder-30B-A3B-Instruct-Q8_0-GGUF",
        **QWEN_CODER,
    },
    "--gpt-oss-20b-default": {"model": "ggml-org/gpt-oss-20b-GGUF", **GPT_OSS},
    "--gpt-oss-120b-default": {"model": "ggml-org/gpt-oss-120b-GGUF", **GPT_OSS},
    "--vision-gemma-4b-default": {"model": "ggml-org/gemma-3-4b-it-qat-GGUF"},
    "--vision-gemma-12b-default": {"model": "ggml-org/gemma-3-12b-it-qat-GGUF"},
}
"""Flags that stand for a model and settings (common/arg.cpp, presets)."""

ENVIRONMENT = {
    f"LLAMA_ARG_{name}": what
    for name, what in {
        "MODEL": "model",
        "MODEL_URL": "model",
        "HF_REPO": "model",
        "CTX_SIZE": "context",
        "N_PARALLEL": "sequences",
        "BATCH": "batch_size",
        "UBATCH": "ubatch_size",
        "CACHE_TYPE_K": "cache_type_k",
        "CACHE_TYPE_V": "cache_type_v",
        "FLASH_ATTN": "flash_attn",
        "SPLIT_MODE": "split_mode",
        "TENSOR_SPLIT": "tensor_split",
        "N_GPU_LAYERS": "n_gpu_layers",
        "N_CPU_MOE": "n_cpu_moe",
        "CPU_MOE": "cpu_moe",
        "OVERRIDE_TENSOR": "override_tensor",
        "SWA_FULL": "swa_full",
        "KV_UNIFIED": "kv_unified",
        "KV_UNIFIED_PER_SLOT": "kv_unified_per_slot",
        "KV_OFFLOAD": "offload_kqv",
        "FIT": "fit",
        "SPEC_TYPE": "spec_type",
        "SPEC_DRAFT_N_MAX": "spec_draft_n_max",
        "DRAFT_MAX": "spec_draft_n_max",
        "SPEC_DRAFT_MODEL": "spec_draft_model",
        "SPEC_DRAFT_HF_REPO": "spec_draft_hf",
        "SPEC_DRAFT_CACHE_TYPE_K": "spec_draft_type_k",
        "SPEC_DRAFT_CACHE_TYPE_V": "spec_draft_type_v",
    }.items()
}
"""Variables of the environment (set_env of common/arg.cpp): what each gives."""


def prepare(wanted: Wanted) -> Wanted:
    """Turn settings into what llama-server's flags give: the way back of `finish`.

    -c counts all slots; kv_cache_dtype is the type of both K and V where they have none of their
    own; drafted tokens are the MTP head's, of a model that has one.
    """
    given = wanted.given
    if "context" in given:
        given["context"] *= given.get("sequences", 1)
    common = given.pop("kv_cache_dtype", None)
    if common is not None:
        given.setdefault("cache_type_k", common)
        given.setdefault("cache_type_v", common)
    if "flash_attn" in given:
        given["flash_attn"] = "on" if given["flash_attn"] else "off"
    if given.get("swa_full") is False:
        del given["swa_full"]  # off by default; no flag turns it off
    if "tensor_split" in given:
        given["tensor_split"] = [_proportion(part) for part in given["tensor_split"]]
    if wanted.model.num_nextn_predict_layers and "n_rs_seq" in given:
        given |= {"spec_type": "draft-mtp", "spec_draft_n_max": given.pop("n_rs_seq")}
    return wanted


def _proportion(part: float) -> str:
    return repr(part).removesuffix(".0")


def file_or_repository(model: Model, source: str | None) -> tuple[str, ...]:
    """Name what llama-server loads: a GGUF file as given, one of the Hub's, or one by its preset.

    A preset's file has the preset's name; of a repository only one that holds GGUF files will do.
    """
    if source is not None and source.endswith(".gguf"):
        return "--model", source
    hub_id = re.sub("@[^:]*", "", model.hub_id or "")  # it loads no other branch than main
    if ":" in hub_id or hub_id.lower().endswith("gguf"):
        return "--hf-repo", hub_id
    known = hub_id and "/" not in model.name
    return "--model", f"{model.name if known else MODEL}.gguf"


SERVER = Server(
    start="llama-server {model}",
    values=VALUES,
    takes=TAKES,
    switches=SWITCHES,
    bundles=PRESETS,
    bare={"-fa": "on", "--flash-attn": "on"},
    environment=ENVIRONMENT,
    harmless=IGNORED,
    said=SAID,
    refused=REFUSED,
    harmless_variables=HARMLESS_VARIABLES,
    said_variables=SAID_VARIABLES,
    decides=r"ctx|context|parallel|slot|cache[-_]type|kv|ubatch|batch[-_]size",
    context_of_all=True,
    adds=frozenset({"override_tensor"}),  # arg.cpp, parse_tensor_buffer_overrides
    names=file_or_repository,
    finish=finish,
    prepare=prepare,
)

ONE_SEQUENCE = replace(SERVER, finish=finish_alone)
"""The same flags, of programs with one sequence: llama-cli, llama-tts and others."""

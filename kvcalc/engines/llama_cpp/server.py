"""llama-server's command line: what of it says something of the cache, read and written.

Flags are those of llama.cpp's common/arg.cpp (2026-10-01, commit 0c1e570), defaults those of
tools/server/server.cpp. Flags that change what is loaded in ways not followed here
(`--override-kv`, `--hf-file`) stand in no table, so they are named or refused.
"""

import re
from dataclasses import replace
from typing import Any, NamedTuple

from kvcalc.engines.llama_cpp.ignored_flags import HARMLESS_VARIABLES, IGNORED, SAID
from kvcalc.engines.llama_cpp.option_values import TAKES
from kvcalc.engines.llama_cpp.rules import Rules, one_slot
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.server import MODEL, Asked, Beside, Server, Wanted
from kvcalc.errors import RequestError, quote
from kvcalc.model import Model

CONTEXT = 4096
"""Tokens without -c before --fit (common/common.h, n_ctx)."""

MAIN_MEMORY = frozenset({"--cache-ram", "-cram", "--ctx-checkpoints", "-ctxcp"})
"""Flags of which a note says what they keep in main memory."""

IN_MAIN_MEMORY = (
    "llama-server: main memory holds earlier prompts on top, up to 8,192 MiB (--cache-ram), and of "
    "each slot checkpoints of states and windows (--ctx-checkpoints)"
)

DRAFTED = 3
"""Tokens that a draft is asked for unless --spec-draft-n-max says otherwise (common/common.h)."""

TRUE = {"on", "enabled", "true", "1"}
"""What common/arg.cpp takes for true."""

TYPES = ("kv_cache_dtype", "cache_type_k", "cache_type_v")
"""Settings of the model's element types, which a draft does not share."""

DRAFT_TYPES = {"cache_type_k": "spec_draft_type_k", "cache_type_v": "spec_draft_type_v"}
"""Settings of a draft's element types, and what its flags give."""

ROLLS_BACK = frozenset({"draft-mtp", "draft-eagle3", "draft-dflash", "draft-dspark"})
"""Kinds of speculative decoding that want spare recurrent states (need_n_rs_seq)."""


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
"""What each flag with a value gives; `finish` makes n_rs_seq of the last two."""

SWITCHES = {
    "--swa-full": ("swa_full", True),
    "-kvu": ("kv_unified", True),
    "--kv-unified": ("kv_unified", True),
    "-no-kvu": ("kv_unified", False),
    "--no-kv-unified": ("kv_unified", False),
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


ANY_SLOT = "any of them may use all of it"
"""What one buffer for all slots gives each (tools/server/server-context.cpp, n_ctx_slot)."""


class Started(NamedTuple):
    """A program of llama.cpp at its release.

    `unified` says whether its sequences share a buffer, `fits` whether --fit is on; a stream is
    whole `pad` cells.
    """

    name: str
    rules: Rules
    unified: bool
    pad: int
    fits: bool


def finish(asked: Asked) -> Asked:
    """Make of what was asked what llama-server makes of it.

    Raises:
        RequestError: more slots than tokens, or a count below 1.
    """
    started = _started(asked, "llama-server")
    drafts = any(asked.settings.get(name) for name in ("spec_draft_model", "spec_draft_hf"))
    wanted = asked.sequences
    asked.sequences, unified = started.rules.slots(wanted, started.unified, drafts)
    if unified and not started.unified:
        asked.settings["kv_unified"] = True
        given = "without -np" if wanted is None or wanted < 0 else f"with -np {wanted}"
        asked.notes.append(
            f"llama-server: {given} it makes {asked.sequences} slots in one unified buffer"
        )
    asked = _contexts(asked, started._replace(unified=unified))
    if started.rules.main_memory and not MAIN_MEMORY & asked.passed.keys():
        asked.notes.append(IN_MAIN_MEMORY)
    return asked


def finish_alone(asked: Asked) -> Asked:
    """Make of what was asked what the programs of one sequence make of it, as llama-cli."""
    asked.sequences = max(1, asked.sequences or 1)
    return _contexts(asked, _started(asked, "llama.cpp"))


def _started(asked: Asked, program: str) -> Started:
    settings = asked.settings
    known = ("release", "kv_unified", "flash_attn")
    own = LlamaCppSettings(**{name: settings[name] for name in known if name in settings})
    fits = str(settings.pop("fit", "on")).lower() in TRUE
    pad = own.rules.padding(own.own("flash_attn"))
    return Started(program, own.rules, own.own("kv_unified"), pad, fits)


def _contexts(asked: Asked, started: Started) -> Asked:
    """Part -c among the slots; without it they have the model's own context, each or together."""
    if asked.sequences is None or asked.sequences < 1:
        raise RequestError.about(
            "-np", f"found {asked.sequences}, expected at least 1 slot", found=asked.sequences
        )
    limit = asked.settings.pop("kv_unified_per_slot", None)
    if limit is not None and not asked.context:
        asked.context = asked.sequences * _count(limit)
    elif asked.context is None and started.rules.without_context == "4096":
        asked.context = CONTEXT
        asked.notes.append(f"{started.name}: without -c it takes {CONTEXT:,} tokens")
    if not asked.context:
        asked.context = None
        _without_context(asked, started)
    elif asked.context > 0:
        of_all = asked.context
        asked.context = _of_one(of_all, asked.sequences, started)
        each = f"each of {asked.sequences} gets {asked.context:,} tokens"
        if started.unified and started.rules.slots is not one_slot:
            each = f"{ANY_SLOT}, and {asked.sequences} of {asked.context:,} tokens fill it"
        if asked.sequences > 1:
            asked.notes.append(f"{started.name}: -c {of_all:,} counts all slots, so {each}")
    _drafted(asked)
    return asked


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,10}", str(text)):
        raise RequestError.of("--kv-unified-per-slot", text, "a whole number")
    return int(text)


def _without_context(asked: Asked, started: Started) -> None:
    """Without -c: one buffer is the model's own context; --fit gives each slot's stream as much.

    Without --fit, and before it knew of streams, all slots share it (common/fit.cpp).
    """
    each = started.fits and not started.unified and started.rules.without_context == "each"
    asked.shares_maximum = not each
    if asked.sequences == 1:
        said = "the context is the model's own"
    elif each:
        said = "each slot has the model's own context (--fit)"
    else:
        said = "its slots share the model's own context"
    asked.notes.append(
        f"{started.name}: without -c {said}, or less to fit the memory"
        + (f"; {ANY_SLOT}" if started.unified else "")
    )


def _drafted(asked: Asked) -> None:
    """Read the draft: states that are rolled back, and a context of its own beside the model's.

    That has the model's whole context, streams and batches, but no spare states, and f16 whatever
    the model's types are (common/speculative.cpp, common_base_params_to_speculative).
    """
    settings = asked.settings
    kinds = set(str(settings.pop("spec_type", "")).split(","))
    drafted = settings.pop("spec_draft_n_max", DRAFTED)
    file, repository = settings.pop("spec_draft_model", None), settings.pop("spec_draft_hf", None)
    own = {
        name: settings.pop(flag)
        for name, flag in DRAFT_TYPES.items()
        if settings.get(flag) is not None
    }
    alike = {name: value for name, value in settings.items() if name not in TYPES}
    mtp = "draft-mtp" in kinds
    draft = repository or file
    if draft is not None or mtp:
        of_mtp = {"ctx_type": "mtp"} if mtp else {}
        what = f"the draft {quote(draft)}" if draft else "the context of the model's NextN layers"
        told_by = ("ctx_type", "mtp") if mtp and draft is None else None
        asked.beside.append(Beside(what, draft, alike | own | of_mtp, told_by))
    if ROLLS_BACK & kinds:
        settings["n_rs_seq"] = drafted


def _of_one(context: int, sequences: int, started: Started) -> int:
    """Part -c among slots: the tokens of one that take the cells which -c takes of all."""
    down, pad = context // sequences, started.pad
    padded = -(-context // pad) * pad
    if started.unified:
        same = -(-down * sequences // pad) * pad == padded
    else:
        same = -(-down // pad) == -(-(padded // sequences) // pad)
    return down if down and same else down + 1


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
        del given["swa_full"]  # nothing says that it is off, as it is by itself
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
    hub_id = re.sub("@[^:]*", "", model.hub_id or "")  # it loads the main branch alone
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
    harmless_variables=HARMLESS_VARIABLES,
    decides=r"ctx|context|parallel|slot|cache[-_]type|kv|ubatch|batch[-_]size",
    names=file_or_repository,
    finish=finish,
    prepare=prepare,
)

ONE_SEQUENCE = replace(SERVER, finish=finish_alone)
"""The same flags, of programs with one sequence: llama-cli, llama-tts and others."""

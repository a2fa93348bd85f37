"""Ollama's command line and variables, by which it starts llama-server.

From 0.30 on each model has a llama-server of OLLAMA_NUM_PARALLEL streams of OLLAMA_CONTEXT_LENGTH
tokens each, in no unified buffer. Names, and what holds where a variable is not set:
envconfig/config.go, llm/llama_server.go and server/sched.go of ollama/ollama 0.33.0, whose server
has Ollama's environment; docs/context-length.mdx.
"""

import re

from kvcalc.engines.engine import names
from kvcalc.engines.llama_cpp.architectures import architecture_of
from kvcalc.engines.llama_cpp.ignored_flags import (
    HARMLESS_VARIABLES,
    OTHER_MODELS,
    SAID_VARIABLES,
)
from kvcalc.engines.llama_cpp.option_values import TAKES
from kvcalc.engines.llama_cpp.server import ENVIRONMENT
from kvcalc.engines.llama_cpp.slots import finish as finish_server
from kvcalc.engines.server import Server
from kvcalc.engines.server.asked import Asked
from kvcalc.model import Model

CONTEXT = 4096
"""Tokens where neither the model nor a variable says more, on a GPU of less than 24 GiB."""

MICRO_BATCH = 512
"""What llama-server takes by itself, too."""

ON_THE_HUB = re.compile(r"(?:hf\.co|huggingface\.co)/(.+)")

FALSE = frozenset({"0", "f", "F", "false", "False", "FALSE"})
"""What Go's strconv.ParseBool takes for false; what it cannot read is true to Ollama."""

ITS_OWN = frozenset(
    f"LLAMA_ARG_{name}"
    for name in ("BATCH", "CTX_SIZE", "FLASH_ATTN", "MODEL", "N_PARALLEL", "UBATCH")
)
"""llama-server's variables whose flags Ollama gives itself."""

ALONE = names(
    "lfm2 lfm2moe nemotron_h nemotron_h_moe qwen35 qwen35moe qwen3next qwen3vl qwen3vlmoe"
)
"""Architectures that Ollama gives one request at a time (server/sched.go, load)."""


def _take_micro_batch(asked: Asked, tokens: int) -> None:
    """Take Ollama's micro-batch for tokens of all requests, and say what it depends on.

    server/sched.go: generationBatchForContext, and automaticGenerationBatch without flash
    attention.
    """
    if tokens <= 4096:
        return
    batch = 1024 if tokens <= 32_768 else 2048
    if asked.settings.get("flash_attn") is False:
        asked.notes.append(
            f"ollama: without flash attention it takes a micro-batch of {MICRO_BATCH} tokens on "
            f"CUDA, 256 where 8 GiB or less are free there, and {batch:,} on other GPUs"
        )
        return
    asked.settings |= {"batch_size": batch, "ubatch_size": batch}
    asked.notes.append(
        f"ollama: for {tokens:,} tokens of all requests it takes a micro-batch of {batch:,}, less "
        "where the model's maximum leaves fewer, or the GPU has no room for it; 512 before 0.30, "
        "or the model's own num_batch"
    )


def _alone(model: Model) -> bool:
    return architecture_of(model) in ALONE


def finish(asked: Asked) -> Asked:
    """Make of what was asked the llama-server that Ollama starts, and name models as it does."""
    settings, notes = asked.settings, asked.notes
    asked.sequences = asked.sequences or 1
    if asked.context is None or asked.context == 0:
        asked.context = CONTEXT
        notes.append(
            f"ollama: without OLLAMA_CONTEXT_LENGTH it takes {CONTEXT:,} tokens on a GPU below "
            "24 GiB, 32,768 below 48 GiB, 262,144 above, or the model's own num_ctx"
        )
    if settings.pop("flash_attn", "1") in FALSE:
        settings["flash_attn"] = False
        if settings.get("kv_cache_dtype", "f16") not in ("f16", "f32"):
            notes.append("ollama: before 0.30 it kept f16 without flash attention")
    if "kv_cache_dtype" in settings:
        settings["kv_cache_dtype"] = settings["kv_cache_dtype"].lower()
        for own in ("cache_type_k", "cache_type_v"):  # its flags win over their variables
            settings.pop(own, None)
    asked.cut_to_maximum = True  # llm/server.go, NewLlamaServer
    asked.alone = _alone
    asked.context *= asked.sequences
    _take_micro_batch(asked, asked.context)
    if asked.model is not None:
        found = ON_THE_HUB.fullmatch(asked.model)
        asked.model = found[1] if found else None
        if not found:
            notes.append("ollama: its own names say no shape; name the model beside the line")
    return finish_server(asked)


OLLAMA = Server(
    start="ollama serve",
    own_amounts=True,
    values={},
    takes=TAKES,
    environment={
        "OLLAMA_CONTEXT_LENGTH": "context",
        "OLLAMA_NUM_PARALLEL": "sequences",
        "OLLAMA_KV_CACHE_TYPE": "kv_cache_dtype",
        "OLLAMA_FLASH_ATTENTION": "flash_attn",
        **{name: what for name, what in ENVIRONMENT.items() if name not in ITS_OWN},
    },
    prefix=("OLLAMA_", "LLAMA_ARG_"),
    harmless_variables=HARMLESS_VARIABLES
    | {
        *("OLLAMA_AUTH", "OLLAMA_DEBUG", "OLLAMA_DEBUG_LOG_REQUESTS", "OLLAMA_EDITOR"),
        *("OLLAMA_GO_TEMPLATE", "OLLAMA_HOST", "OLLAMA_IGPU_ENABLE", "OLLAMA_KEEP_ALIVE"),
        *("OLLAMA_LLM_LIBRARY", "OLLAMA_LOAD_TIMEOUT", "OLLAMA_MAX_QUEUE"),
        *("OLLAMA_MAX_TRANSFER_STREAMS", "OLLAMA_MODELS", "OLLAMA_NOHISTORY", "OLLAMA_NOPRUNE"),
        *("OLLAMA_NO_CLOUD", "OLLAMA_ORIGINS", "OLLAMA_REMOTES", "OLLAMA_VULKAN"),
    },
    said_variables=SAID_VARIABLES
    | {
        "it leaves so much of each GPU free, which fit gives the cache": "OLLAMA_GPU_OVERHEAD",
        OTHER_MODELS: f"OLLAMA_MAX_LOADED_MODELS {SAID_VARIABLES[OTHER_MODELS]}",
        "llama.cpp's caches are counted, not those of Ollama's own engine": "OLLAMA_NEW_ENGINE",
        "it divides the model among all GPUs, where it fits on one, too": "OLLAMA_SCHED_SPREAD",
        "Ollama gives llama-server the flag of it, which wins": " ".join(sorted(ITS_OWN)),
    },
    harmless={
        "the text of requests and answers: its tokens are the context": {
            0: "--hidethinking --insecure --nowordwrap --verbose",
            1: "--format --keepalive --think",
        },
    },
    positional_model=True,
    finish=finish,
)

"""Ollama's command line and variables, by which it starts llama.cpp.

Each model's runner has OLLAMA_NUM_PARALLEL streams of OLLAMA_CONTEXT_LENGTH tokens each, in no
unified buffer. Names, and what holds where a variable is not set: docs/faq.mdx and
docs/context-length.mdx of ollama/ollama.
"""

import re

from kvcalc.engines.llama_cpp.ignored_flags import OTHER_MODELS
from kvcalc.engines.llama_cpp.option_values import TAKES
from kvcalc.engines.server import Server
from kvcalc.engines.server.asked import Asked

CONTEXT = 4096
"""Tokens where neither the model nor a variable says more, on a GPU of less than 24 GiB."""

ON_THE_HUB = re.compile(r"(?:hf\.co|huggingface\.co)/(.+)")

TRUE = {"1", "true", "on", "t"}


def finish(asked: Asked) -> Asked:
    """Say what Ollama takes where nothing is given, and name models of the Hub as it does."""
    settings, notes = asked.settings, asked.notes
    asked.sequences = asked.sequences or 1
    if asked.context is None or asked.context == 0:
        asked.context = CONTEXT
        notes.append(
            f"ollama: without OLLAMA_CONTEXT_LENGTH it takes {CONTEXT:,} tokens on a GPU below "
            "24 GiB, 32,768 below 48 GiB, 262,144 above, or the model's own num_ctx"
        )
    flash = settings.pop("flash_attn", None)
    if flash is not None and str(flash).lower() not in TRUE:
        settings["flash_attn"] = False
        if settings.pop("kv_cache_dtype", "f16") != "f16":
            notes.append("ollama: without flash attention it keeps f16, whatever is asked for")
    if asked.model is not None:
        found = ON_THE_HUB.fullmatch(asked.model)
        asked.model = found[1] if found else None
        if not found:
            notes.append("ollama: its own names say no shape; name the model beside the line")
    return asked


OLLAMA = Server(
    start="ollama serve",
    values={},
    takes=TAKES,
    environment={
        "OLLAMA_CONTEXT_LENGTH": "context",
        "OLLAMA_NUM_PARALLEL": "sequences",
        "OLLAMA_KV_CACHE_TYPE": "kv_cache_dtype",
        "OLLAMA_FLASH_ATTENTION": "flash_attn",
    },
    prefix="OLLAMA_",
    harmless_variables=frozenset(
        {
            *("OLLAMA_DEBUG", "OLLAMA_HOST", "OLLAMA_KEEP_ALIVE", "OLLAMA_LLM_LIBRARY"),
            *("OLLAMA_LOAD_TIMEOUT", "OLLAMA_MAX_QUEUE", "OLLAMA_MODELS", "OLLAMA_NOHISTORY"),
            *("OLLAMA_NOPRUNE", "OLLAMA_ORIGINS", "OLLAMA_VULKAN"),
        }
    ),
    said_variables={
        "it leaves so much of each GPU free, which fit gives the cache": "OLLAMA_GPU_OVERHEAD",
        OTHER_MODELS: "OLLAMA_MAX_LOADED_MODELS",
        "llama.cpp's caches are counted, not those of Ollama's own engine": "OLLAMA_NEW_ENGINE",
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

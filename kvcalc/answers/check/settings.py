"""The settings of a log's run: as given, else as the log itself names them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kvcalc import engines
from kvcalc.answers.check.verdict import Subject
from kvcalc.catalogue.models import find
from kvcalc.errors import KvcalcError, RequestError, quote
from kvcalc.model import Model
from kvcalc.readers.logs.pattern import Found
from kvcalc.readers.preset import read
from kvcalc.units import parse_tokens

CONTEXTS = ("context", "max_model_len", "context_length", "session_len", "max_seq_len")
SEQUENCES = ("sequences", "max_num_seqs", "parallel", "n_parallel")
"""Spellings of the context of one sequence, and of how many there are."""

SPELLINGS = {
    "tp": "tensor_parallel_size",
    "tp_size": "tensor_parallel_size",
    "pp": "pipeline_parallel_size",
    "pp_size": "pipeline_parallel_size",
    "kv_dtype": "kv_cache_dtype",
    "cache_type": "kv_cache_dtype",
    "pp_partition": "pp_layer_partition",
}
"""Short forms of settings, as logs and people have them."""

BESIDE = {
    "vllm": {"prefix_caching", "enable_prefix_caching", "num_gpu_blocks_override"},
    "sglang": {"dp_attention", "context_length"},
    "llama.cpp": {"n_ctx", "ctx_size", "ctx", "ubatch", "n_ubatch", "n_seq_max"},
    "ollama": {"n_ctx", "ctx_size", "ctx", "batch", "cache_type_k"},
    "tensorrt-llm": {"tokens_per_block", "free_gpu_memory_fraction"},
}
"""What of an engine's run may be given beside its settings, by the names in its log."""

KEPT = (
    *("tensor_parallel_size", "pipeline_parallel_size", "kv_cache_dtype", "max_seq_len"),
    *("page_size", "tp_size", "swa_full_tokens_ratio", "enable_prefix_caching"),
    *("context_length", "mamba_ssm_dtype"),
)
"""Settings that are taken from the line in which an engine prints its configuration."""

CONFIGURED = re.compile(rf"\b({'|'.join(KEPT)})=['\"]?([A-Za-z0-9_.:-]{{1,60}})")
MODEL_NAMED = re.compile(r"\bmodel(?:_path)?='([^']{1,200})'")


def subject_of(lines: Sequence[Found], model: Model | None, given: Mapping[str, Any]) -> Subject:
    """Gather what is known of a run.

    A model that the log names is taken where it is a preset; nothing is fetched.
    """
    settings: dict[str, Any] = {}
    for line in lines:
        config = line.values.get("config", "")
        settings |= {name: value for name, value in CONFIGURED.findall(config) if value != "None"}
        named = MODEL_NAMED.search(config)
        if model is None and named:
            model = _preset(named[1])
    settings |= given
    settings = {SPELLINGS.get(name, name): value for name, value in settings.items()}
    context = _first(settings, CONTEXTS)
    return Subject(model, settings, context, _first(settings, SEQUENCES))


def require_known(given: Mapping[str, Any], names: Sequence[str]) -> None:
    """Refuse a setting that none of a log's engines has.

    Raises:
        KvcalcError: there is one; the sentence lists those that they have.
    """
    known = {*CONTEXTS, *SEQUENCES, *SPELLINGS}
    for name in names:
        known |= BESIDE[name]
        if name in engines.ENGINES:
            known |= set(engines.find(name).settings.model_fields)
    for name in given:
        if name not in known:
            listed = ", ".join(sorted(known))
            raise RequestError.about(
                "--set", f"{' or '.join(names)} has no {quote(name)}; known: {listed}"
            )


def _preset(name: str) -> Model | None:
    try:
        path = find(name)
        return read(path).model if path else None
    except KvcalcError:
        return None


def _first(settings: dict[str, Any], names: tuple[str, ...]) -> int | None:
    """Take these settings out, and the amount that the last of them to be given says."""
    found = [settings.pop(name) for name in names if name in settings]
    return parse_tokens(str(found[0]), names[0]) if found else None

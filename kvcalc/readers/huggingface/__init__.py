"""Hugging Face's config.json: from a file or a model's folder to a model."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from kvcalc.errors import KvcalcError, SourceError, printable, quote
from kvcalc.files import read_bytes
from kvcalc.layers.recurrent import Recurrent
from kvcalc.model import Model
from kvcalc.readers.huggingface.classes import worked_out
from kvcalc.readers.huggingface.config_facts import config_facts
from kvcalc.readers.huggingface.encoder import with_source
from kvcalc.readers.huggingface.families import Family, canonical, family
from kvcalc.readers.huggingface.keys import Keys
from kvcalc.readers.huggingface.nested import flattened
from kvcalc.readers.huggingface.parameters import sizes_of
from kvcalc.readers.huggingface.parameters.quantised import quantization_of
from kvcalc.readers.huggingface.quantization import BESIDE, scheme_of
from kvcalc.readers.huggingface.stack import mtp_layers, stack
from kvcalc.readers.huggingface.types import layer_types
from kvcalc.readers.huggingface.unread import refuse_unread, refuse_unused_state, unread_notes
from kvcalc.readers.reading import Reading

MAX_FILE_BYTES = 4 * 2**20

TEXT_CONFIGS = ("text_config", "language_config", "llm_config", "thinker_config", "decoder")
"""The keys under which a multimodal model's file keeps its language model."""


def read(
    path: Path, name: str | None = None, fetch: Callable[[], Path | None] | None = None
) -> Reading:
    """Read a config.json, or the one in a folder; the model is named after its folder or file.

    If it does not tell the element type of the cache, the hf_quant_config.json beside it may;
    `fetch` finds that file if it is not in the same folder.

    Raises:
        SourceError: it cannot be read, or does not describe a language model; the sentence names
            the file and the key.
    """
    file = path / "config.json" if path.is_dir() else path
    table = _table(file)
    own = file.resolve().parent.name if file.name == "config.json" else file.stem

    def beside() -> Any:
        found = fetch() if fetch else _sibling(file)
        return None if found is None else _table(found)

    try:
        return reading_of(table, name or own or "model", str(file), beside)
    except KvcalcError as error:
        raise SourceError.of(file, error) from None


def _table(file: Path) -> Any:
    try:
        return json.loads(read_bytes(file, MAX_FILE_BYTES))
    except (ValueError, RecursionError) as error:
        raise SourceError.of(file, f"not JSON ({quote(str(error))})") from None


def _sibling(file: Path) -> Path | None:
    """The file beside a config.json; both names may begin with the model's."""
    if not file.name.endswith("config.json"):
        return None
    sibling = file.with_name(file.name.removesuffix("config.json") + BESIDE)
    return sibling if sibling.exists() else None


def reading_of(
    table: Any, name: str, source: str, beside: Callable[[], Any] = lambda: None
) -> Reading:
    """Read a config.json's table; `beside` gives that of hf_quant_config.json, or None.

    Raises:
        SourceError: it does not describe a language model; the sentence names the key.
    """
    if not isinstance(table, dict):
        raise SourceError(f"found {quote(table)}, expected an object")
    text = {**_language_model(table)}
    if "model_type" in text:
        text["model_type"] = canonical(text["model_type"])
    model_type = text.get("model_type") or table.get("model_type")
    row = family(model_type) if isinstance(model_type, str) else None
    keys = Keys(text, *(row or Family({}, {})))
    keys = keys.within(worked_out(keys))
    if not keys.has("num_hidden_layers") and not keys.has("layer_types"):
        raise SourceError("num_hidden_layers: missing, so there is no language model in the file")
    refuse_unread(text)
    model_dtype = table.get("dtype") or table.get("torch_dtype")
    outer = canonical(table.get("model_type"))
    beside = cache(beside)
    scheme, said = scheme_of(table, text, beside)
    types = layer_types(keys)
    layers, heard = with_source(keys, table.get("architectures"), stack(keys, types))
    model = Model(
        name=printable(name)[:200],
        layers=layers,
        dtype=keys.get("dtype") or model_dtype or "bfloat16",
        cache_scheme=scheme,
        model_type=outer,
        config_facts=config_facts(table, text),
        max_context=keys.get("max_position_embeddings"),
        num_nextn_predict_layers=keys.count("num_nextn_predict_layers") or None,
        mtp_layers=mtp_layers(keys, types, layers),
        sizes=sizes_of(table, keys, types),
        quantization=quantization_of(table, text, beside),
    )
    keys.origins.setdefault("dtype", "the file around it" if model_dtype else "not in the file")
    if row is None and not model.caches_of(Recurrent):
        refuse_unused_state(text)
    notes = [] if row else [f"model type {quote(model_type)} is unknown: read by its keys alone"]
    if scheme is not None:
        keys.origins["cache_scheme"] = scheme.origin
        notes.append(
            f"the checkpoint's KV cache is {quote(scheme.algorithm)} ({scheme.origin}): an engine "
            "that follows it takes that where no kv_cache_dtype is given"
        )
    return Reading(
        model, source, keys.origins, (*notes, *said, *heard, *unread_notes(text, keys.origins))
    )


def _language_model(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Find the table of the language model, nested or not."""
    for key in TEXT_CONFIGS[:4]:  # the last key, "decoder", may name something else
        if table.get(key) is not None and not isinstance(table[key], dict):
            raise SourceError(f"{key}: found {quote(table[key])}, expected a table")
    for _ in range(3):
        nested = next(
            (table[key] for key in TEXT_CONFIGS if isinstance(table.get(key), dict)), None
        )
        if nested is None:
            break
        table = nested
    return flattened(table)

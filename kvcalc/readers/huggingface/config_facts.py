"""What a file says that no layer shows: its class, and what engines take or refuse it by."""

from collections.abc import Mapping
from typing import Any

from kvcalc.checkpoint import ConfigFacts
from kvcalc.layers.layer import MAX_SIZE

GROUPS = ("n_group", "num_expert_group")
"""How many groups the experts are parted into: DeepSeek's key and Kimi-Linear's."""


def config_facts(table: Mapping[str, Any], text: Mapping[str, Any]) -> ConfigFacts:
    """Read them from a file's table and its language model's; what is not valid is left out."""
    named = table.get("architectures")
    first = named[0] if isinstance(named, list) and named else None
    modules = text.get("num_mtp_modules")
    groups = next((text[key] for key in GROUPS if text.get(key) is not None), None)
    return ConfigFacts(
        architecture=first if _is_name(first) else None,
        n_group=groups if _is_size(groups) else None,
        indexer_types=isinstance(text.get("indexer_types"), list),
        index_kpool_compress=text.get("index_kpool_compress") is True,
        num_mtp_modules=modules if _is_size(modules) else None,
    )


def _is_size(value: object) -> bool:
    return type(value) is int and 1 <= value <= MAX_SIZE


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isidentifier() and len(value) <= 200

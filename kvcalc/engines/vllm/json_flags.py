"""The flags of `vllm serve` whose value is JSON: read into settings, and written from them.

vLLM 0.33.0: config/attention.py, config/kv_transfer.py, config/speculative.py.
"""

import json
from collections.abc import Iterator
from typing import Any

from kvcalc.engines.server import Asked
from kvcalc.errors import RequestError, quote

ATTENTION = {
    "backend": "attention_backend",
    "flash_attn_version": "flash_attention_version",
    "indexer_kv_dtype": "indexer_kv_dtype",
}
"""Keys of --attention-config that touch the cache: the setting of each."""

INDEX_TYPES = {"bfloat16": "bf16"}
"""Element types of indexers' keys whose name is another in --attention-config."""

METHODS = ("mtp", "eagle", "eagle3")
"""Methods of a draft that are values of speculative_method."""

SEVERAL = "MultiConnector"
"""The connector that holds several others, each as --kv-transfer-config has one."""


def read_attention(text: str) -> dict[str, Any]:
    """Read the settings of --attention-config."""
    table = _object("--attention-config", text)
    return {ATTENTION[key]: value for key, value in table.items() if key in ATTENTION}


def write_attention(given: dict[str, Any]) -> str | None:
    """Take the settings that only --attention-config gives out of others, and write them."""
    table = {
        key: INDEX_TYPES.get(value, value)
        for key, name in ATTENTION.items()
        if name != "attention_backend" and (value := given.pop(name, None)) is not None
    }
    return json.dumps(table) if table else None


def read_transfer(text: str) -> dict[str, Any]:
    """Read the names of the connectors of --kv-transfer-config."""
    names = [*_connectors(_object("--kv-transfer-config", text))]
    return {"kv_connector": ",".join(names)} if names else {}


def _connectors(table: dict[str, Any]) -> Iterator[str]:
    """Name the connectors of a table: of several those that MultiConnector holds."""
    several = table.get("kv_connector_extra_config")
    held = several.get("connectors") if isinstance(several, dict) else None
    for inner in held if isinstance(held, list) else ():
        if isinstance(inner, dict):
            yield from _connectors(inner)
    if not held and table.get("kv_connector"):
        yield str(table["kv_connector"])


def write_transfer(names: str) -> str:
    """Write --kv-transfer-config with connectors that both store and load."""
    tables = [{"kv_connector": name, "kv_role": "kv_both"} for name in names.split(",") if name]
    if len(tables) == 1:
        return json.dumps(tables[0])
    held = {"connectors": tables}
    return json.dumps(
        {"kv_connector": SEVERAL, "kv_role": "kv_both", "kv_connector_extra_config": held}
    )


def read_draft(config: str | None, method: str | None, asked: Asked) -> dict[str, Any]:
    """Read the settings of a draft, of --speculative-config, or of --spec-method and --spec-tokens.

    There are none where its method is not counted, which a note says.
    """
    if config is not None:
        said = f"--speculative-config {quote(config)}"
        table = _object("--speculative-config", config)
    else:
        said = f"--spec-method {quote(method)}"
        tokens = asked.settings.pop("num_speculative_tokens", None)
        table = {"method": method, "num_speculative_tokens": tokens}
    name = str(table.get("method", "")).lower()
    name = "mtp" if name.endswith("_mtp") else name
    if name not in METHODS:
        asked.notes.append(
            f"the draft of {said} is not counted: kvcalc knows the methods {', '.join(METHODS)}"
        )
        return {}
    tokens = table.get("num_speculative_tokens")
    found = {"speculative_method": name}
    return found if tokens is None else found | {"num_speculative_tokens": tokens}


def _object(flag: str, text: str) -> dict[str, Any]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise RequestError.about("--from", f"{flag}: found {quote(text)}, expected JSON")
    return table

"""Flags whose value is JSON, or a key of it with a dot: --speculative-config.method mtp."""

import json
import re
from typing import Any

from kvcalc.errors import RequestError, quote

PLACEHOLDER = re.compile(r"(?<=[:,\[ ])<[\w. -]+>(?=[ ,}\]])")
"""A placeholder where a value should stand, as in {"model": <name>}."""


class Dotted:
    """Gathers the keys of each flag; `values` are the flags with their JSON."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}

    def take(self, name: str, following: list[str], equals: bool) -> int:
        """Take one key, and count the words that its value takes; without one it is true."""
        flag, *keys = name.split(".")
        text = following[0] if following else "true"
        value: Any = text.split(",") if name.endswith("+") else _value(text)
        table = self.tables.setdefault(flag, {})
        for key in keys[:-1]:
            inner = table.setdefault(key, {})
            if not isinstance(inner, dict):
                inner = table[key] = {}
            table = inner
        table[keys[-1].removesuffix("+")] = value
        return 0 if equals else len(following)

    @property
    def values(self) -> dict[str, str]:
        """The flags, each with its keys as one object in JSON."""
        return {flag: json.dumps(table) for flag, table in self.tables.items()}


def _value(text: str) -> Any:
    """Read a value as JSON if it is JSON, else take it as the text that it is."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def table_of(flag: str, text: str) -> dict[str, Any]:
    """Read a flag's value as an object in JSON.

    Raises:
        RequestError: it is not one.
    """
    try:
        table = json.loads(PLACEHOLDER.sub(r'"\g<0>"', text))
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise RequestError.about(
            "--from", f"{flag}: found {quote(text)}", found=text, expected="JSON"
        )
    return table

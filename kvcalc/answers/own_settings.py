"""Settings that are given to several engines at once: each takes those that it has."""

from collections.abc import Iterable, Mapping
from typing import Any

from kvcalc import engines
from kvcalc.errors import quote
from kvcalc.spelling import not_among


def own_settings(
    engine: str, settings: Mapping[str, Any], *, share: bool = False
) -> dict[str, Any]:
    """Pick the settings that an engine has; with `share`, that of a GPU's memory too."""
    known = {*engines.find(engine).settings.model_fields, *(_shares([engine]) if share else ())}
    return {name: value for name, value in settings.items() if name in known}


def refuse_unknown(settings: Iterable[str], names: Iterable[str], *, share: bool = False) -> None:
    """Refuse a setting that none of the engines has.

    Raises:
        RequestError: there is such a setting; the sentence names it.
    """
    among = list(names)
    known = {field for name in among for field in engines.find(name).settings.model_fields}
    known |= _shares(among) if share else set()
    for name in settings:
        if name not in known:
            why = f"no engine that is compared has the setting {quote(name)}"
            raise not_among(sorted(known), name, why, "they have", field=name)


def _shares(names: Iterable[str]) -> set[str]:
    """What engines call their share of a GPU's memory."""
    memories = (engines.find(name).memory for name in names)
    return {memory.share for memory in memories if memory is not None and memory.share}

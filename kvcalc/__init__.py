"""The key/value-cache memory a language model needs at inference, exactly, from its shape."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kvcalc.answers.sweep import sweep
    from kvcalc.costs import Cost
    from kvcalc.engines import cost
    from kvcalc.errors import KvcalcError
    from kvcalc.model import Model
    from kvcalc.readers import load

__all__ = ["Cost", "KvcalcError", "Model", "cost", "load", "sweep"]

_HOMES = {
    "Cost": "costs",
    "KvcalcError": "errors",
    "Model": "model",
    "cost": "engines",
    "load": "readers",
    "sweep": "answers.sweep",
}
"""The module of each public name; each is imported when it is first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"kvcalc.{_HOMES[name]}"), name)
    return found

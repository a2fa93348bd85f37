"""The key/value-cache memory a language model needs at inference, exactly, from its shape."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kvcalc.answers.fit import fit
    from kvcalc.answers.sweep import sweep
    from kvcalc.answers.traces import trace
    from kvcalc.costs import Cost, Pool
    from kvcalc.engines import cost, pool
    from kvcalc.errors import KvcalcError
    from kvcalc.model import Model
    from kvcalc.readers import load

__all__ = ["Cost", "KvcalcError", "Model", "Pool", "cost", "fit", "load", "pool", "sweep", "trace"]

_HOMES = {
    "Cost": "costs",
    "KvcalcError": "errors",
    "Model": "model",
    "Pool": "costs",
    "cost": "engines",
    "fit": "answers.fit",
    "load": "readers",
    "pool": "engines",
    "sweep": "answers.sweep",
    "trace": "answers.traces",
}
"""The module of each public name; each is imported when it is first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"kvcalc.{_HOMES[name]}"), name)
    return found

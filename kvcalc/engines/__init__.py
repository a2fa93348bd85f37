"""The engines by name. One that is not asked for is not imported."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kvcalc.errors import KvcalcError, shown

if TYPE_CHECKING:
    from kvcalc.costs import Cost
    from kvcalc.engines.contract import Engine
    from kvcalc.model import Model

ENGINES = {
    "ideal": "kvcalc.engines.ideal",
    "transformers": "kvcalc.engines.transformers",
}
"""Each engine's name and its module, which defines ENGINE."""


def find(name: str) -> "Engine":
    """Find an engine by its name.

    Raises:
        KvcalcError: no such engine; the sentence lists them.
    """
    module = ENGINES.get(name)
    if module is None:
        raise KvcalcError(f"engine {shown(name)} is unknown; known are {', '.join(ENGINES)}")
    engine: Engine = import_module(module).ENGINE
    return engine


def cost(model: "Model", engine: str = "ideal", **settings: Any) -> "Cost":
    """Work out what an engine's cache needs for a model, as a formula.

    Settings are the engine's own, by its own names (kv_cache_dtype, tensor_parallel_size ...).

    Raises:
        KvcalcError: no such engine or setting, a value that the engine refuses, or a layer kind
            that it cannot run; the sentence names it.
    """
    from kvcalc.model import Model

    if not isinstance(model, Model):
        raise KvcalcError(f"model: found {shown(model)}, expected a Model; see kvcalc.load")
    chosen = find(engine)
    for name in settings:
        if name not in chosen.settings.model_fields:
            known = ", ".join(chosen.settings.model_fields)
            raise KvcalcError(f"{engine} has no setting {shown(name)}; it has {known}")
    return chosen.cost(model, chosen.settings(**settings))

"""A request to an engine by its name: the cost of a model, or a memory cut into its pool."""

from collections.abc import Mapping
from typing import Any

from kvcalc.costs import Cost, Pool
from kvcalc.engines import find
from kvcalc.engines.engine import Engine, Settings
from kvcalc.errors import KvcalcError, RequestError, quote
from kvcalc.model import Model


def cost(
    model: Model, engine: str = "ideal", *, settings: Settings | None = None, **given: Any
) -> Cost:
    """Work out what an engine's cache needs for a model, as a formula.

    Settings are the engine's own, by its own names (kv_cache_dtype, tensor_parallel_size ...), or
    its settings class, as `settings=kvcalc.VllmSettings(block_size=32)`.

    Raises:
        KvcalcError: no such engine or setting, a value that the engine refuses, or a layer kind
            that it cannot run; the sentence names it.
    """
    require_model(model)
    chosen = find(engine)
    return chosen.cost(model, _parsed(chosen, settings, given))


def pool(
    model: Model,
    engine: str = "vllm",
    *,
    memory: int | list[int] | tuple[int, ...],
    context: int | None = None,
    settings: Settings | None = None,
    **given: Any,
) -> Pool:
    """Cut a memory up as an engine does at its start.

    `memory` is bytes for the cache on one rank, or one figure a rank; `context` is tokens of one
    sequence, the model's maximum unless given.

    Raises:
        KvcalcError: as `cost`; or an engine that has no pool, a memory that is no positive int,
            or no context where the model does not say its maximum.
    """
    require_model(model)
    chosen = find(engine)
    if chosen.pool is None:
        raise KvcalcError(f"{engine} has no pool: it allocates what is needed, when it is needed")
    ranks = tuple(memory) if isinstance(memory, list | tuple) else (memory,)
    if not ranks or any(type(size) is not int or size < 0 for size in ranks):
        raise KvcalcError(f"memory: found {quote(memory)}, expected bytes, as an int or one a rank")
    if context is None:
        context = model.longest_context
    if type(context) is not int or context < 1:
        raise KvcalcError(f"context: found {quote(context)}, expected a positive int")
    sizes = ranks if isinstance(memory, list | tuple) else memory
    return chosen.pool(model, _parsed(chosen, settings, given), sizes, context)


def require_model(model: object) -> None:
    """Refuse what is no model.

    Raises:
        KvcalcError: it is none, as where its name stands in its place.
    """
    if not isinstance(model, Model):
        raise KvcalcError(f"model: found {quote(model)}, expected a Model; see kvcalc.load")


def named(settings: Settings | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Gather settings by name: those that were set in a settings class, and those beside it.

    Raises:
        RequestError: `settings` is not of a settings class, or one of them is given beside it.
    """
    if settings is None:
        return dict(given)
    if not isinstance(settings, Settings):
        raise RequestError.of("settings", settings, "an engine's settings, as VllmSettings()")
    for name in given:
        if name in settings.model_fields_set:
            raise RequestError(f"{name}: found in settings and beside them", field=name)
    return {name: getattr(settings, name) for name in settings.model_fields_set} | dict(given)


def _parsed(engine: Engine, settings: Settings | None, given: Mapping[str, Any]) -> Settings:
    asked = named(settings, given)
    for name in asked:
        if name not in engine.settings.model_fields:
            known = ", ".join(engine.settings.model_fields)
            raise KvcalcError(f"{engine.name} has no setting {quote(name)}; it has {known}")
    return engine.settings(**asked)

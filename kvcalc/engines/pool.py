"""A request to an engine by its name: a memory cut into its pool."""

from dataclasses import replace
from typing import Any

from kvcalc.engines import find
from kvcalc.engines.engine import Engine, Settings
from kvcalc.engines.request import parsed_settings, require_model, require_run, said_by
from kvcalc.errors import RequestError, TooLittleMemoryError, UnsupportedError
from kvcalc.model import Model
from kvcalc.pools import Pool


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

    `memory` is bytes for the cache on one rank, or one figure per rank; `context` is tokens of one
    sequence, the model's maximum unless given.

    Raises:
        RequestError: as `cost`; or a memory or a context that is not a positive int.
        UnsupportedError: as `cost`; or an engine that has no pool.
        TooLittleMemoryError: the engine does not start in this memory.
    """
    require_model(model)
    chosen = find(engine)
    if chosen.pool is None:
        raise UnsupportedError(
            f"{chosen.name} has no pool: it allocates what is needed, when it is needed",
            engine=chosen.name,
            what="pool",
        )
    ranks = tuple(memory) if isinstance(memory, list | tuple) else (memory,)
    if not ranks or any(type(size) is not int or size < 0 for size in ranks):
        raise RequestError.of("memory", memory, "bytes, as an int or one per rank")
    if context is None:
        context = model.longest_context
    if type(context) is not int or context < 1:
        raise RequestError.of("context", context, "a positive int")
    sizes = ranks if isinstance(memory, list | tuple) else memory
    parsed = parsed_settings(engine, settings, given)
    with said_by(chosen):
        require_run(model, chosen, parsed)
        try:
            return replace(
                chosen.pool(model, parsed, sizes, context),
                engine_version=parsed.engine_version(chosen.version),
            )
        except TooLittleMemoryError as error:
            error.available_bytes = min(ranks)
            error.needed_bytes = _needed(chosen, model, parsed, context)
            raise


def _needed(engine: Engine, model: Model, settings: Settings, context: int) -> int | None:
    """The least memory on each rank in which an engine starts, in bytes; None if in none."""
    from kvcalc.formula.inverse import UNBOUNDED, largest

    divide = engine.pool
    assert divide is not None

    def too_little(memory: int) -> bool:
        try:
            divide(model, settings, memory, context)
        except TooLittleMemoryError:
            return True
        return False

    most = largest(too_little)
    return None if most == UNBOUNDED else most + 1

"""The engines by name. One that is not asked for is not imported."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from kvcalc.errors import KvcalcError, quote

if TYPE_CHECKING:
    from kvcalc.costs import Cost, Pool
    from kvcalc.engines.engine import Engine, Settings
    from kvcalc.model import Model


class EngineRow(NamedTuple):
    """An engine's module, which defines ENGINE, and the programs that start its server."""

    module: str
    programs: tuple[str, ...] = ()


ENGINES = {
    "ideal": EngineRow("kvcalc.engines.ideal"),
    "transformers": EngineRow("kvcalc.engines.transformers"),
    "vllm": EngineRow("kvcalc.engines.vllm", ("vllm", "vllm.entrypoints.openai.api_server")),
    "sglang": EngineRow("kvcalc.engines.sglang", ("sglang.launch_server", "sglang")),
    "llama.cpp": EngineRow("kvcalc.engines.llama_cpp", ("llama-server",)),
    "mlx": EngineRow("kvcalc.engines.mlx", ("mlx_lm.server", "mlx_lm.generate")),
    "lmdeploy": EngineRow("kvcalc.engines.lmdeploy", ("lmdeploy",)),
    "tensorrt-llm": EngineRow("kvcalc.engines.tensorrt_llm"),
}
"""The engines, in the order in which they are compared."""


def find(name: str) -> "Engine":
    """Find an engine by its name.

    Raises:
        KvcalcError: no such engine; the sentence lists them.
    """
    row = ENGINES.get(name)
    if row is None:
        raise KvcalcError(f"engine {quote(name)} is unknown; known are {', '.join(ENGINES)}")
    engine: Engine = import_module(row.module).ENGINE
    return engine


def cost(model: "Model", engine: str = "ideal", **settings: Any) -> "Cost":
    """Work out what an engine's cache needs for a model, as a formula.

    Settings are the engine's own, by its own names (kv_cache_dtype, tensor_parallel_size ...).

    Raises:
        KvcalcError: no such engine or setting, a value that the engine refuses, or a layer kind
            that it cannot run; the sentence names it.
    """
    require_model(model)
    chosen = find(engine)
    return chosen.cost(model, _settings(chosen, settings))


def pool(
    model: "Model",
    engine: str = "vllm",
    *,
    memory: int | list[int] | tuple[int, ...],
    context: int | None = None,
    **settings: Any,
) -> "Pool":
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
    given = ranks if isinstance(memory, list | tuple) else memory
    return chosen.pool(model, _settings(chosen, settings), given, context)


def require_model(model: object) -> None:
    """Refuse what is no model.

    Raises:
        KvcalcError: it is none, as where its name stands in its place.
    """
    from kvcalc.model import Model

    if not isinstance(model, Model):
        raise KvcalcError(f"model: found {quote(model)}, expected a Model; see kvcalc.load")


def _settings(engine: "Engine", given: dict[str, Any]) -> "Settings":
    for name in given:
        if name not in engine.settings.model_fields:
            known = ", ".join(engine.settings.model_fields)
            raise KvcalcError(f"{engine.name} has no setting {quote(name)}; it has {known}")
    return engine.settings(**given)

"""The engines by name. One that is not asked for is not imported."""

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from kvcalc.errors import RequestError, quote

if TYPE_CHECKING:
    from kvcalc.engines.engine import Engine


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
        raise RequestError(
            f"engine {quote(name)} is unknown; known are {', '.join(ENGINES)}",
            field="engine",
            found=name,
        )
    engine: Engine = import_module(row.module).ENGINE
    return engine

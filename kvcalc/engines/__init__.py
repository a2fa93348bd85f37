"""The engines by name. One that is not asked for is not imported."""

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from kvcalc.engines.parts import part
from kvcalc.errors import RequestError, quote

if TYPE_CHECKING:
    from kvcalc.engines.engine import Engine
    from kvcalc.engines.log import EngineLog


class EngineRow(NamedTuple):
    """An engine's folder, which defines ENGINE, and the programs that start its server."""

    folder: str
    programs: tuple[str, ...] = ()


ENGINES = {
    "ideal": EngineRow("kvcalc.engines.ideal"),
    "transformers": EngineRow("kvcalc.engines.transformers"),
    "vllm": EngineRow("kvcalc.engines.vllm", ("vllm", "vllm.entrypoints.openai.api_server")),
    "sglang": EngineRow("kvcalc.engines.sglang", ("sglang.launch_server", "sglang")),
    "llama.cpp": EngineRow("kvcalc.engines.llama_cpp", ("llama-server",)),
    "mlx": EngineRow("kvcalc.engines.mlx", ("mlx_lm.server", "mlx_lm.generate")),
    "lmdeploy": EngineRow("kvcalc.engines.lmdeploy", ("lmdeploy",)),
    "exllamav3": EngineRow(
        "kvcalc.engines.exllamav3", ("main.py", "start.py", "start.sh", "start.bat")
    ),
    "tensorrt-llm": EngineRow("kvcalc.engines.tensorrt_llm"),
}
"""The engines, in the order in which they are compared."""


def parted(name: str) -> tuple[str, str | None]:
    """Part an engine's name from the release that stands behind it, as in vllm@0.25.1."""
    engine, at, release = name.partition("@")
    return engine, release if at else None


def find(name: str) -> "Engine":
    """Find an engine by its name, whatever release stands behind it.

    Raises:
        RequestError: no such engine; the sentence lists them.
    """
    row = ENGINES.get(parted(name)[0])
    if row is None:
        raise RequestError(
            f"engine {quote(name)} is unknown; known are {', '.join(ENGINES)}",
            field="engine",
            found=name,
        )
    engine: Engine = import_module(row.folder).ENGINE
    return engine


def logs() -> "dict[str, EngineLog]":
    """The logs that are known, by the names of their engines, in the order of the engines."""
    found = {name: part(row.folder, "log") for name, row in ENGINES.items()}
    return {name: log for name, log in found.items() if log is not None}

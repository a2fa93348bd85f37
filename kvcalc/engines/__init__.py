"""The engines by name. One that is not asked for is not imported."""

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from kvcalc.engines.parts import part

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

ALIASES = {
    "hf": "transformers",
    "huggingface": "transformers",
    "llama-server": "llama.cpp",
    "ollama": "llama.cpp",
    "mlx-lm": "mlx",
    "exl3": "exllamav3",
    "exllama": "exllamav3",
    "tabbyapi": "exllamav3",
    "trtllm": "tensorrt-llm",
    "trt-llm": "tensorrt-llm",
}
"""Other names of engines, and those of programs that run one."""


def split_release(name: str) -> tuple[str, str | None]:
    """Split an engine's name, in any case, from the release behind it, as in vllm@0.25.1.

    A name that is not known stays as it is.
    """
    engine, at, release = name.partition("@")
    if engine not in ENGINES:
        from kvcalc.spelling import spelled

        engine = spelled(engine, ENGINES, ALIASES) or engine
    return engine, release if at else None


def full_name(name: str) -> str:
    """Spell an engine's name as ENGINES does, with the release behind it."""
    engine, release = split_release(name)
    return engine if release is None else f"{engine}@{release}"


def find(name: str) -> "Engine":
    """Find an engine by its name, whatever release stands behind it.

    Raises:
        RequestError: no such engine; the sentence names the nearest.
    """
    row = ENGINES.get(split_release(name)[0])
    if row is None:
        from kvcalc.spelling import unknown

        raise unknown("engine", name, ENGINES, field="engine")
    engine: Engine = import_module(row.folder).ENGINE
    return engine


def logs() -> "dict[str, EngineLog]":
    """The logs that are known, by the names of their engines, in the order of the engines."""
    found = {name: part(row.folder, "log") for name, row in ENGINES.items()}
    return {name: log for name, log in found.items() if log is not None}

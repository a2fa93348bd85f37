"""The command lines of vLLM's other programs: they run without its server, in batches of their own.

vLLM 0.33.0, entrypoints/llm.py, entrypoints/launchers/run_batch.py, benchmarks/latency.py and
throughput.py; entrypoints/api_server.py up to 0.24.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from kvcalc.engines.server import Server
from kvcalc.engines.server.asked import Asked
from kvcalc.engines.vllm.server import SERVER, finish


def _finish(context: str, asked: Asked) -> Asked:
    asked.settings["usage_context"] = context
    return finish(asked)


LINES: Mapping[str, Server] = MappingProxyType(
    {
        context: replace(SERVER, finish=partial(_finish, context))
        for context in ("LLM_CLASS", "OPENAI_BATCH_RUNNER", "API_SERVER")
    }
)

"""The command lines of other programs that run llama.cpp."""

from collections.abc import Mapping
from types import MappingProxyType

from kvcalc.engines.llama_cpp.ollama import OLLAMA
from kvcalc.engines.llama_cpp.server import ONE_SEQUENCE
from kvcalc.engines.server import Server

LINES: Mapping[str, Server] = MappingProxyType({"one sequence": ONE_SEQUENCE, "ollama": OLLAMA})

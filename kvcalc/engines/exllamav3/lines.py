"""The command lines of programs beside TabbyAPI that run ExLlamaV3."""

from collections.abc import Mapping
from types import MappingProxyType

from kvcalc.engines.exllamav3.examples import EXAMPLES
from kvcalc.engines.server import Server

LINES: Mapping[str, Server] = MappingProxyType({"model_init": EXAMPLES})

"""The command lines of MLX-LM's other programs."""

from collections.abc import Mapping
from types import MappingProxyType

from kvcalc.engines.mlx.server import ONE_SEQUENCE
from kvcalc.engines.server import Server

LINES: Mapping[str, Server] = MappingProxyType({"one sequence": ONE_SEQUENCE})

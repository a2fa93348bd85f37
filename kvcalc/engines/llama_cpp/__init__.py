"""llama.cpp: cells of 256 tokens, allocated for all sequences when the context is created.

Read from llama.cpp b11312 of 2026-10-01 (commit 0c1e570), as vendored in the llama-cpp-python
0.3.36 source package; `releases` says what was otherwise before.
"""

from types import MappingProxyType

from kvcalc.engines.engine import Engine
from kvcalc.engines.llama_cpp.block_types import BLOCK_TYPES
from kvcalc.engines.llama_cpp.cost import cost
from kvcalc.engines.llama_cpp.layer_rules import RULES
from kvcalc.engines.llama_cpp.releases import RELEASES
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings

ENGINE = Engine(
    name="llama.cpp",
    version=RELEASES.newest,
    source="src/llama-kv-cache.cpp",
    settings=LlamaCppSettings,
    kinds=tuple(RULES),
    dtypes=tuple(BLOCK_TYPES),
    cost=cost,
    folder=__name__,
    levers=MappingProxyType({"ubatch_size": (128, 2048), "kv_unified": (True,)}),
)

"""NVIDIA's TensorRT-LLM: no number, since nobody has measured it here; what its source says.

Read at several commits of one repository (tensorrt_llm/_torch/pyexecutor/resource_manager.py
001541bad, kv_cache/kv_cache_manager_v2.py 0004396), so a rule could mix two releases.
"""

from typing import NoReturn

from kvcalc.engines.engine import Engine, Settings
from kvcalc.errors import UnsupportedError
from kvcalc.model import Model

ADVICE = (
    "without max_attention_window every layer is full, and with several windows the pool is cut "
    "into equal shares unless TRTLLM_WINDOW_SIZE_SHARES gives others, which must sum to exactly 1.0"
)


def cost(model: Model, settings: Settings) -> NoReturn:
    """Say what is known instead of a number.

    Raises:
        UnsupportedError: always.
    """
    known = ADVICE if model.sliding_windows else "blocks of 32 tokens, every layer full"
    raise UnsupportedError(
        f"not measured, so no number; TensorRT-LLM's source says: {known}", what=model.name
    )


ENGINE = Engine(
    name="tensorrt-llm",
    version="-",
    source="tensorrt_llm/_torch/pyexecutor/resource_manager.py",
    settings=Settings,
    kinds=(),
    dtypes=(),
    cost=cost,
    folder=__name__,
)

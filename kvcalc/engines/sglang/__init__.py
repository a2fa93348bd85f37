"""SGLang: memory is cut into pools of tokens when the server starts.

Read from SGLang 0.5.23, srt/mem_cache/ and srt/model_executor/pool_configurator.py.
"""

from types import MappingProxyType

from kvcalc.engines.engine import Engine
from kvcalc.engines.sglang.architectures import KINDS
from kvcalc.engines.sglang.cost import cost
from kvcalc.engines.sglang.formats import FORMATS
from kvcalc.engines.sglang.pool import pool
from kvcalc.engines.sglang.settings import SglangSettings

ENGINE = Engine(
    name="sglang",
    version="0.5.23",
    source="srt/model_executor/pool_configurator.py",
    settings=SglangSettings,
    kinds=KINDS,
    dtypes=tuple(FORMATS),
    cost=cost,
    pool=pool,
    folder=__name__,
    levers=MappingProxyType(
        {
            "page_size": (1, 64),
            "chunked_prefill_size": (2048, 8192),
            "disable_radix_cache": (True,),
            "mamba_radix_cache_strategy": ("extra_buffer_lazy",),
        }
    ),
)

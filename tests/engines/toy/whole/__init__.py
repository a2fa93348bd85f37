"""The same engine with all that an engine may say: pool, memory, traffic, server and log."""

from kvcalc.engines.engine import Settings
from kvcalc.model import Model
from kvcalc.pools import Pool
from tests.engines.toy import ENGINE as COST_ALONE
from tests.engines.toy import cost


def pool(model: Model, settings: Settings, memory: int | tuple[int, ...], context: int) -> Pool:
    least = memory if isinstance(memory, int) else min(memory)
    page = cost(model, settings).per_gpu(1)
    pages = least // page
    return Pool(
        model=model,
        engine="toy",
        kv_cache_dtype=settings.kv_cache_dtype or model.dtype,
        settings=settings.changed(),
        context=context,
        bytes=pages * page,
        capacity_tokens=100 * pages,
        max_sequences=pages // -(-context // 100),
        figures={"num_gpu_blocks": pages, "bytes_per_block": page},
    )


ENGINE = COST_ALONE._replace(pool=pool, folder=__name__)

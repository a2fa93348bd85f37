"""The same engine with all that an engine may say: memory, traffic, server and log."""

from collections.abc import Iterator, Sequence

from kvcalc.costs import Pool
from kvcalc.engines.engine import Settings
from kvcalc.engines.log import (
    COUNT,
    NO_MODEL,
    Checked,
    EngineLog,
    Found,
    Printed,
    Subject,
    pattern,
)
from kvcalc.engines.memory import Memory, whole_blocks
from kvcalc.engines.option_values import Choices, Whole
from kvcalc.engines.server import Server
from kvcalc.engines.traffic import AS_THEY_COME
from kvcalc.model import Model
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


def check(found: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    for line in found:
        printed = Printed(line.line, "page (bytes)", line.values["size"])
        if subject.model is None:
            yield printed.cannot(NO_MODEL)
        else:
            yield printed.held(cost(subject.model, Settings()).per_gpu(1), "a page of all layers")


ENGINE = COST_ALONE._replace(
    pool=pool,
    memory=Memory("tests/engines/toy", "0: a toy", usable=whole_blocks(pool, held_back=1)),
    traffic=AS_THEY_COME,
    server=Server(
        start="toyserve {model}",
        values={
            "--context": "context",
            "--at-once": "sequences",
            "--ranks": "tensor_parallel_size",
            "--kv": "kv_cache_dtype",
        },
        takes={
            **dict.fromkeys(("context", "sequences", "tensor_parallel_size"), Whole("toy")),
            "kv_cache_dtype": Choices("toy", ("bfloat16", "fp8")),
        },
        positional_model=True,
    ),
)

LOG = EngineLog(
    patterns=(pattern("page", "toy: a page of", rf"toy: a page of (?P<size>{COUNT}) bytes"),),
    check=check,
)

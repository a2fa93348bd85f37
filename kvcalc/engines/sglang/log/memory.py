"""What SGLang's log says of a GPU's free memory: after the weights, and once its pools stand.

srt/model_executor/model_runner.py and srt/mem_cache/kv_cache_configurator.py of 0.5.23, and as
older versions had them. Its "GB" are GiB.
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from kvcalc.engines.log import (
    AGREES,
    DIFFERS,
    NO_MODEL,
    SIZE,
    Checked,
    Found,
    Printed,
    of_other_weights,
    pattern,
)
from kvcalc.engines.sglang.log.run import GIB, Run
from kvcalc.engines.sglang.pool import beside
from kvcalc.engines.sglang.weights import weigh

PATTERNS = (
    pattern(
        "loaded",
        "Load weight end",
        # Looking ahead finds the first quant= once, so that the gaps add up and do not multiply.
        r"Load weight end\.(?=(?:.{0,200}?\bquant=(?P<quant>[A-Za-z0-9_.-]{1,40}))?)"
        rf".{{0,500}}?avail mem=(?P<free>{SIZE}) GB, mem usage=(?P<usage>{SIZE}) GB",
    ),
    pattern("pool end", "Memory pool end", rf"avail mem=(?P<free>{SIZE}) GB"),
)

OF_LOADING = GIB * 15 // 100
"""What loading takes beyond the weights' bytes at most on one rank: two logs of Qwen3 have .03 and
.09 GiB, for the figure is a fall of the GPU's free memory."""

OF_RANKS = GIB * 230 // 100
"""The same on several ranks, whose communicators are made in between: a log of Kimi-K2.5 on 8."""

OF_A_TENSOR = GIB // 100

BESIDE = "a pool whose layers the log does not tell, as a draft's, lies beside the model's"

OF_THE_POOL = GIB * 15 // 100
"""How far the memory that is left may be off: four logs are within .1 GiB."""


def _loaded(run: Run, line: Found) -> Iterator[Checked]:
    """The weights, as the fall of the free memory has them."""
    printed = Printed(line.line, "weights, mem usage (GiB)", line.values["usage"])
    if run.subject.model is None:
        yield printed.cannot(NO_MODEL)
        return
    quantization = line.values.get("quant") or run.quantization
    if (other := of_other_weights(quantization, run.subject.model)) is not None:
        yield printed.cannot(other)
        return
    settings = run.settings({})
    loaded = weigh(run.subject.model, settings)
    if loaded is None:
        yield printed.cannot("what a rank loads of this model is not known")
        return
    over = OF_RANKS if settings.tensor_parallel_size > 1 else OF_LOADING
    what = "weights of one rank, and what loading takes"
    yield _within(printed, loaded.bytes, loaded.bytes - OF_A_TENSOR, loaded.bytes + over, what)


def _pool_end(run: Run, line: Found) -> Iterator[Checked]:
    """What the pools and the tables beside them leave of what was free after the weights."""
    printed = Printed(line.line, "avail mem after the pools (GiB)", line.values["free"])
    tokens = run.all_tokens
    if run.subject.model is None:
        yield printed.cannot(NO_MODEL)
    elif run.free is None or tokens is None or run.requests is None or run.context is None:
        yield printed.cannot(
            "of what was free, the tokens, the requests and the context, one is missing"
        )
    else:
        full, window = run.pools.get("full", tokens), run.pools.get("swa")
        allocated = run.allocated(full, window, {}, run.slots)
        pools = allocated.bytes(allocated.layout.all)
        tables = sum(
            size for size in beside(allocated, run.context).values() if isinstance(size, int)
        )
        ours = int(Fraction(run.free) * GIB) - pools - tables
        what = f"{run.free} GiB, less pools of {pools:,} and tables of {tables:,} bytes"
        row = _within(printed, ours, ours - OF_THE_POOL, ours + OF_THE_POOL, what)
        yield printed.cannot(BESIDE) if run.beside and row.verdict == DIFFERS else row


def _within(printed: Printed, ours: int, low: int, high: int, what: str) -> Checked:
    """Hold a figure against ours within its band, all in bytes."""
    value, half = printed.value * GIB, printed.half_step * GIB
    why = f"{what}: estimate, {low / GIB:.2f} to {high / GIB:.2f} GiB"
    if low - half <= value <= high + half:
        return printed.row(Fraction(ours, GIB), AGREES, why)
    off = float(value - ours) / GIB
    return printed.row(Fraction(ours, GIB), DIFFERS, f"{why}: off by {off:+.2f} GiB")


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "loaded": _loaded,
    "pool end": _pool_end,
}
"""How each kind of line is checked."""

"""What a running vLLM says of its pool: the share of the blocks that requests hold.

v1/metrics/loggers.py and v1/core/block_pool.py (get_usage) of 0.33.0: the null block counts as
neither held nor free; before, all blocks counted.
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from kvcalc.engines.log import AGREES, DIFFERS, Checked, Found, Printed, number, pattern
from kvcalc.engines.vllm.log.run import Run

GAUGE = r"[0-9]{1,3}(?:\.[0-9]{1,20})?(?:e-[0-9]{1,3})?"
"""A share, as Python prints a float."""

PATTERNS = (
    pattern(
        "gauge",
        "cache_usage_perc",
        rf"vllm:(?:kv|gpu)_cache_usage_perc(?:\{{[^}}]{{0,400}}\}})? (?P<usage>{GAUGE})",
    ),
    pattern("name", "cache_usage_perc", r'model_name="(?P<named>[^"]{1,200})"'),
)

NO_BLOCKS = "the blocks are missing: vllm:cache_config_info names them"

CLOSE = Fraction(1, 10**9)
"""A share is of whole blocks if it is so near to one; a double is nearer."""


def _usage(run: Run, line: Found) -> Iterator[Checked]:
    """The share of the blocks: it is of whole ones, and leaves room for so many requests."""
    usage = Fraction(line.values["usage"])
    printed = Printed(line.line, "cache usage (share)", str(float(usage)), places=9)
    blocks = number(run.blocks) if run.blocks else 0
    if blocks < 2:
        yield printed.cannot(NO_BLOCKS)
        return
    counts = [(round(usage * total), total) for total in (blocks - 1, blocks)]
    held, total = min(counts, key=lambda of: abs(usage - Fraction(*of)))
    why = f"{held:,} of {total:,} blocks"
    if run.subject.model is not None and run.context is not None:
        request = run.pool.request(run.context)
        more = (blocks - 1 - held) // request
        why += f"; the others hold {more:,} more requests of {run.context:,} tokens"
    ours = Fraction(held, total)
    verdict = AGREES if abs(usage - ours) <= CLOSE else DIFFERS
    yield Checked(line.line, printed.figure, float(usage), float(ours), verdict, why)


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {"gauge": _usage}
"""How each kind of line is checked."""

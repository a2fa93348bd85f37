"""vLLM's start-up check: the error of a request that it refuses, and the length that it fits.

v1/core/kv_cache_planning.py of 0.33.0, and as older versions had it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import NamedTuple

from kvcalc.engines.log import (
    AGREES,
    COUNT,
    DIFFERS,
    NO_MODEL,
    SIZE,
    Checked,
    Found,
    Printed,
    number,
    pattern,
)
from kvcalc.engines.vllm.log.remedies import Failed
from kvcalc.engines.vllm.log.run import GIB, GIB_PLACES, NO_MEMORY, Run, RunPool, hint
from kvcalc.engines.vllm.log.stated import stated
from kvcalc.engines.vllm.start_up import Needs, longest_request, start_up_needs

PATTERNS = (
    pattern(
        "refused",
        "KV cache memory",
        rf"\((?P<context>{COUNT})\), \(?(?P<needed>{SIZE}) GiB KV cache is needed, "
        rf"which is larger than the available KV cache memory \((?P<gib>{SIZE}) GiB\)"
        rf"(?:.{{0,80}}estimated maximum model length is (?P<longest>{COUNT}))?",
    ),
    pattern(
        "stored",
        "can be stored in KV cache",
        rf"max seq len \((?P<context>{COUNT})\) is larger than the maximum number of tokens that "
        rf"can be stored in KV cache \((?P<tokens>{COUNT})\)",
    ),
    pattern(
        "fitted",
        "Auto-fit max_model_len:",
        rf"reduced from (?P<asked>{COUNT}) to (?P<fitted>{COUNT}) to fit in available "
        rf"(?:GPU|KV cache) memory \((?P<gib>{SIZE}) GiB",
    ),
    pattern(
        "fitted",
        "Auto-fit max_model_len:",
        rf"full model context length (?P<fitted>{COUNT}) fits in available "
        rf"(?:GPU|KV cache) memory(?: \((?P<gib>{SIZE}) GiB)?",
    ),
)

STAGE_CHECK = "all stages' layers against one stage's memory, as before vLLM issue 34076 was mended"


class StartUpCheck(NamedTuple):
    """What a start-up check asks for: bytes for a request's tokens; `why` if not of one rank."""

    needs: Callable[[int], int]
    why: str

    def gib(self, context: int) -> Fraction:
        """GiB that a request of that many tokens needs."""
        return Fraction(self.needs(context), GIB)

    def longest(self, context: int, size: int) -> int:
        """The longest request of at most `context` tokens that that many bytes hold."""
        return longest_request(lambda tokens: self.needs(tokens) <= size, context)


def _of_stage(needs: Needs, stage: int, context: int) -> int:
    return needs(context)[stage]


def _checks(pool: RunPool) -> Iterator[StartUpCheck]:
    """What the start-up check may have asked for: of each stage, or as it once did of all."""
    needs = start_up_needs(pool.plan)
    stages = pool.plan.bytes_per_block
    fullest = stages.index(pool.block)
    for stage in (fullest, *(n for n in range(len(stages)) if n != fullest)):
        yield StartUpCheck(partial(_of_stage, needs, stage), "")
    if len(stages) > 1:
        yield StartUpCheck(lambda tokens: sum(stages) * pool.request(tokens), STAGE_CHECK)


def _refused(run: Run, line: Found) -> Iterator[Checked]:
    """The error of a request that does not fit: what it needs, and how long one could be."""
    values = line.values
    needed = Printed(line.line, "KV cache needed (GiB)", values["needed"], GIB_PLACES)
    context = number(values["context"])
    longest = values.get("longest")
    estimate = Printed(line.line, "estimated maximum model length (tokens)", longest or "0")
    memory = Printed(0, "", values["gib"], GIB_PLACES)
    own = stated(run, needed, memory, number(longest or "0"))
    if run.subject.model is None:
        yield replace(needed.cannot(NO_MODEL), remedies=own)
        if longest:
            yield estimate.cannot(NO_MODEL)
        return
    checks = list(_checks(run.pool))
    asked = next((c for c in checks if needed.agrees_with(c.gib(context))), checks[0])

    def explain(printed: Printed) -> str | None:
        return run.explain(
            lambda pool: any(printed.agrees_with(check.gib(context)) for check in _checks(pool))
        )

    why = asked.why or f"{run.pool.request(context):,} blocks per request, one rank"
    row = needed.against(asked.gib(context), why, explain)
    if row.verdict == AGREES:
        place = checks.index(asked)
        failed = Failed(run, memory, context, lambda pool, of: [*_checks(pool)][place].needs(of))
        own = failed.remedies()
    yield replace(row, remedies=own)
    if longest:
        yield _estimated(run, run.pool, estimate, memory, asked, context)


def _estimated(
    run: Run, pool: RunPool, printed: Printed, memory: Printed, asked: StartUpCheck, context: int
) -> Checked:
    """The longest request that fits, which the one asked for did not.

    Versions differ in whether they leave a block out of the memory.
    """
    low, high = run.bytes_of(memory)
    low -= pool.block
    wanted = number(printed.text)
    why = f"the longest that fits {run.named(memory.text)}"
    if 0 < wanted < context:
        least, more = asked.needs(wanted), asked.needs(wanted + 1)
        if max(low, least) < min(high + 1, more):
            return printed.row(wanted, AGREES, why)
    shortest, longest = (asked.longest(context, size) for size in (low, high))
    ours = longest if wanted > longest else shortest
    return printed.row(ours, DIFFERS, f"{why}: {shortest:,} to {longest:,} expected")


def _auto_fit(run: Run, line: Found) -> Iterator[Checked]:
    """The length that --max-model-len auto makes of the model's: the longest that fits."""
    values = line.values
    printed = Printed(line.line, "max_model_len that fits (tokens)", values["fitted"])
    text = values.get("gib", run.memory)
    if run.subject.model is None or (text is None and not run.memory_bytes):
        yield printed.cannot(NO_MODEL if run.subject.model is None else NO_MEMORY)
        return
    memory = Printed(0, "", text or "0", GIB_PLACES)

    def fitted(pool: RunPool) -> Checked:
        """The row by the check that has it as printed, else by the first."""
        rows = [_fitted(run, pool, printed, memory, one, values) for one in _checks(pool)]
        return next((row for row in rows if row.verdict == AGREES), rows[0])

    row = fitted(run.pool)
    if row.verdict == DIFFERS:
        cause = run.explain(lambda pool: fitted(pool).verdict == AGREES)
        row = replace(row, why=f"{row.why}{hint(cause)}")
    yield row


def _fitted(
    run: Run,
    pool: RunPool,
    printed: Printed,
    memory: Printed,
    asked: StartUpCheck,
    values: Mapping[str, str],
) -> Checked:
    """A length that was reduced so as to fit, or the whole one, which fitted."""
    if text := values.get("asked"):
        return _estimated(run, pool, printed, memory, asked, number(text))
    ours = asked.longest(number(printed.text), run.bytes_of(memory)[1])
    return printed.against(ours, f"the longest, up to that, that fits {run.named(memory.text)}")


def _stored(run: Run, line: Found) -> Iterator[Checked]:
    printed = Printed(line.line, "tokens of the pool (tokens)", line.values["tokens"])
    if run.blocks is not None:
        yield printed.against(number(run.blocks) * 16, "blocks x 16 tokens, both of the log")
    elif run.memory is None and not run.memory_bytes:
        yield printed.cannot(NO_MEMORY)
    elif run.subject.model is None:
        yield printed.cannot(NO_MODEL)
    else:
        blocks = run.blocks_in_memory(run.pool) or range(1)
        size, tokens = run.pool.plan.block_size, number(printed.text)
        ours = tokens if tokens % size == 0 and tokens // size in blocks else blocks[-1] * size
        row = printed.against(
            ours, f"{run.named(run.memory)} / {run.pool.block:,} B a block of {size} tokens"
        )
        yield replace(row, why=f"{row.why}{run.by_least}") if tokens < ours else row


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "refused": _refused,
    "stored": _stored,
    "fitted": _auto_fit,
}
"""How each kind of line is checked."""

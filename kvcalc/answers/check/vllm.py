"""vLLM's figures: blocks of the pool, tokens, concurrency, and the start-up error's."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from kvcalc.answers.check.verdict import (
    AGREES,
    DIFFERS,
    Checked,
    Printed,
    Subject,
    number,
)
from kvcalc.answers.check.vllm_log import GIB, OVERRIDDEN_LABEL, Log, Pool, hint
from kvcalc.engines.vllm.caches import StateCache
from kvcalc.formula.inverse import largest

if TYPE_CHECKING:
    from kvcalc.readers.logs.pattern import Found

NO_MODEL = "the model is missing: give --model"
NO_MEMORY = "the available memory is missing from the log"
NO_CONTEXT = "the context is missing: give --set max_model_len=N"

OTHER_RANK = Fraction(3, 100)
"""How much less another rank may have: each prints its own memory, the pool follows the least."""

STAGE_CHECK = "all stages' layers against one stage's memory, as before vLLM issue 34076 was mended"


def check(found: "Sequence[Found]", subject: Subject) -> Iterator[Checked]:
    """Hold each figure against what vLLM's rules give for the model."""
    log = Log(found, subject)
    for line in found:
        rule = RULES.get(line.kind)
        if rule:
            yield from rule(log, line)


def _tokens(log: Log, line: "Found") -> Iterator[Checked]:
    printed = Printed(line.line, "GPU KV cache size (tokens)", line.values["tokens"])
    wanted = number(printed.text)
    if log.subject.model is None:
        yield _without_model(log, printed)
        return
    blocks = log.range_of_blocks(log.pool)
    if blocks is None:
        yield printed.cannot(NO_MEMORY)
        return
    label = _label_of(log, log.pool, blocks, wanted)
    if label:
        yield printed.row(wanted, AGREES, label)
        return
    nearest = dict(log.pool.labels(blocks[-1], log.context))
    name, ours = min(nearest.items(), key=lambda item: abs(item[1] - wanted))
    if wanted < ours and Fraction(ours - wanted, ours) < OTHER_RANK:
        why = "each rank prints its own available memory and the pool follows the least"
        yield printed.row(ours, DIFFERS, f"{name}: {ours - wanted:,} fewer; {why}")
        return
    cause = log.explain(
        lambda pool: bool(_label_of(log, pool, log.range_of_blocks(pool) or range(0), wanted))
    )
    yield printed.row(ours, DIFFERS, f"{name}: off by {wanted - ours:+,}{hint(cause)}")


def _without_model(log: Log, printed: Printed) -> Checked:
    if log.blocks is None:
        return printed.cannot(NO_MODEL)
    size = number(log.blocks) * 16
    return printed.held(size, "blocks x 16 tokens, both of the log")


def _label_of(log: Log, pool: Pool, blocks: range, wanted: int) -> str | None:
    """The meaning of the label with which a figure is as printed, if there is one."""
    for count in blocks:
        for label, tokens in pool.labels(count, log.context):
            if tokens == wanted:
                return label
        if log.override and count * pool.plan.block_size == wanted:
            return OVERRIDDEN_LABEL
    return None


def _concurrency(log: Log, line: "Found") -> Iterator[Checked]:
    printed = Printed(line.line, "maximum concurrency (x)", line.values["times"])
    text = line.values.get("context")
    context = number(text) if text else log.context
    if context is None:
        yield printed.cannot(NO_CONTEXT)
        return
    if log.subject.model is None or log.range_of_blocks(log.pool) is None:
        if log.tokens is None:
            yield printed.cannot(NO_MODEL if log.subject.model is None else NO_MEMORY)
        else:
            ours = Fraction(number(log.tokens), context)
            yield printed.held(ours, f"{log.tokens} tokens of the log / {context:,}")
        return

    def agrees(pool: Pool) -> bool:
        blocks = log.range_of_blocks(pool) or range(0)
        request = pool.request(context)
        low, high = Fraction(blocks[0], request), Fraction(blocks[-1], request)
        return low - printed.step <= printed.value <= high + printed.step

    blocks = log.range_of_blocks(log.pool) or range(0)
    request = log.pool.request(context)
    ours = Fraction(blocks[-1], request)
    why = f"{blocks[-1]:,} blocks / {request:,} blocks a request of {context:,} tokens"
    if agrees(log.pool):
        yield printed.row(ours, AGREES, why)
    else:
        off = float(printed.value - ours)
        yield printed.row(ours, DIFFERS, f"{why}: off by {off:+.2f}{hint(log.explain(agrees))}")


def _refused(log: Log, line: "Found") -> Iterator[Checked]:
    """The error of a request that does not fit: what it needs, and how long one could be."""
    values = line.values
    needed = Printed(line.line, "KV cache needed (GiB)", values["needed"])
    context = number(values["context"])
    longest = values.get("longest")
    estimate = Printed(line.line, "estimated maximum model length (tokens)", longest or "0")
    if log.subject.model is None:
        yield needed.cannot(NO_MODEL)
        if longest:
            yield estimate.cannot(NO_MODEL)
        return
    whole = sum(log.pool.plan.bytes_per_block)
    fullest = Fraction(log.pool.block * log.pool.request(context), GIB)
    block, why = log.pool.block, f"{log.pool.request(context):,} blocks a request, one rank"
    of_all = Fraction(whole * log.pool.request(context), GIB)
    if not needed.agrees_with(fullest) and needed.agrees_with(of_all):
        block, why = whole, STAGE_CHECK
    needs = Fraction(block * log.pool.request(context), GIB)

    def explain(printed: Printed) -> str | None:
        return log.explain(
            lambda pool: printed.agrees_with(Fraction(pool.block * pool.request(context), GIB))
        )

    yield needed.held(needs, why, explain)
    if longest:
        yield _estimated(log, estimate, Printed(0, "", values["gib"]), block, context)


def _estimated(log: Log, printed: Printed, memory: Printed, block: int, context: int) -> Checked:
    """The longest request that fits: from a block less than the memory, to all of it."""
    low_bytes = (memory.value - memory.step / 2) * GIB - block
    high_bytes = (memory.value + memory.step / 2) * GIB

    def longest(size: Fraction) -> int:
        return largest(lambda tokens: block * log.pool.request(tokens) <= size, context)

    low, high = longest(low_bytes), longest(high_bytes)
    why = f"the longest that fits {memory.text} GiB"
    if low <= printed.value <= high:
        return printed.row(printed.value, AGREES, why)
    ours = high if printed.value > high else low
    return printed.row(ours, DIFFERS, f"{why}: {low:,} to {high:,} expected")


def _stored(log: Log, line: "Found") -> Iterator[Checked]:
    printed = Printed(line.line, "tokens of the pool (tokens)", line.values["tokens"])
    if log.blocks is not None:
        yield printed.held(number(log.blocks) * 16, "blocks x 16 tokens, both of the log")
    else:
        yield printed.cannot(NO_MEMORY)


def _blocks(log: Log, line: "Found") -> Iterator[Checked]:
    text = line.values["blocks"]
    printed = Printed(line.line, "blocks (blocks)", text)
    if log.subject.model is None:
        yield printed.cannot(NO_MODEL)
    elif line.kind == "override":
        if log.context is None:
            yield printed.cannot(NO_CONTEXT)
        else:
            why = f"blocks of one request of {log.context:,} tokens"
            yield printed.held(log.pool.request(log.context), why)
    elif log.memory is None:
        yield printed.cannot(NO_MEMORY)
    else:
        blocks = log.range_of_blocks(log.pool) or range(0)
        why = f"{log.memory} GiB / {log.pool.block:,} B a block"
        ours = number(text) if number(text) in blocks else blocks[-1]
        yield printed.held(ours, why)


def _attention_block(log: Log, line: "Found") -> Iterator[Checked]:
    printed = Printed(line.line, "attention block size (tokens)", line.values["tokens"])
    if log.subject.model is None:
        yield printed.cannot(NO_MODEL)
        return
    wanted = number(printed.text)

    def explain(printed: Printed) -> str | None:
        return log.explain(lambda pool: pool.plan.block_size == wanted)

    yield printed.held(log.pool.plan.block_size, "the block that holds a state", explain)


def _padding(log: Log, line: "Found") -> Iterator[Checked]:
    printed = Printed(line.line, "mamba page padding (%)", line.values["percent"])
    if log.subject.model is None:
        yield printed.cannot(NO_MODEL)
        return
    states = [
        cache
        for group in log.pool.plan.groups
        for _, cache in group.members
        if isinstance(cache, StateCache)
    ]
    if not states:
        yield printed.cannot("the model has no recurrent layers")
        return
    largest_state = max(states, key=lambda cache: cache.state)
    ours = Fraction(100 * largest_state.page, largest_state.state) - 100
    yield printed.held(ours, f"{largest_state.page:,} B a page, {largest_state.state:,} B a state")


RULES = {
    "tokens": _tokens,
    "concurrency": _concurrency,
    "refused": _refused,
    "stored": _stored,
    "blocks": _blocks,
    "override": _blocks,
    "attention block": _attention_block,
    "mamba padding": _padding,
}
"""How each kind of line is checked."""

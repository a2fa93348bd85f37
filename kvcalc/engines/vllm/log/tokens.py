"""vLLM's lines about its pool: the tokens that it holds, and its concurrency.

Read in vLLM 0.33.0 (v1/core/kv_cache_utils.py, v1/core/kv_cache_planning.py,
v1/worker/gpu_worker.py, platforms/interface.py), and as older versions had them.
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

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
from kvcalc.engines.vllm.log.run import NO_CONTEXT, NO_MEMORY, Run, RunPool, hint, length

PATTERNS = (
    pattern("tokens", "KV cache size", rf"[A-Z] KV cache size [:=] (?P<tokens>{COUNT}) tokens"),
    pattern(
        "concurrency",
        "Maximum concurrency",
        rf"Maximum concurrency(?: for (?P<context>{COUNT}) tokens per request)? [:=] "
        rf"(?P<times>{SIZE})x",
    ),
    pattern("tokens", "cache_config_info{", rf'kv_cache_size_tokens="(?P<tokens>{COUNT})"'),
    pattern(
        "concurrency",
        "cache_config_info{",
        r'kv_cache_max_concurrency="(?P<times>[0-9]{1,9}\.[0-9]{1,20})"',
    ),
    pattern("host pool", "host KV cache size", r"\+ host KV cache size"),
)


OTHER_RANK = Fraction(3, 100)
"""How much less another rank may have: each prints its own memory, the pool follows the least."""


def _tokens(run: Run, line: Found) -> Iterator[Checked]:
    printed = Printed(line.line, "GPU KV cache size (tokens)", line.values["tokens"])
    wanted = run.wanted_tokens = number(printed.text)
    if run.subject.model is None:
        yield _without_model(run, printed)
        return
    blocks = run.blocks_of(run.pool)
    if blocks is None:
        yield _by_concurrency(run, printed)
        return
    for _, label in run.labelled(run.pool, wanted):
        yield printed.row(wanted, AGREES, label)
        return
    labels = run.pool.labels(run.context)
    nearest = {label: tokens(blocks[-1]) for label, tokens in labels.items()}
    name, ours = min(nearest.items(), key=lambda item: abs(item[1] - wanted))
    if wanted < ours and Fraction(ours - wanted, ours) < OTHER_RANK:
        yield printed.row(ours, DIFFERS, f"{name}: {ours - wanted:,} fewer{run.by_least}")
        return
    cause = _cause(run, lambda pool: any(run.labelled(pool, wanted)))
    yield printed.row(ours, DIFFERS, f"{name}: off by {wanted - ours:+,}{cause}")


def _by_concurrency(run: Run, printed: Printed) -> Checked:
    """Without a memory the concurrency and the tokens still tell the blocks, if both are right."""
    wanted = number(printed.text)
    for blocks, label in run.paired(run.pool):
        return printed.row(wanted, AGREES, f"{blocks:,} blocks, by the concurrency: {label}")
    if run.times is None:
        return printed.cannot(NO_MEMORY)
    return printed.cannot(_no_pair(run))


def _no_pair(run: Run) -> str:
    cause = run.explain(lambda pool: any(run.paired(pool)))
    both = "no count of blocks gives both the tokens and the concurrency"
    return f"{NO_MEMORY}, and {both}{hint(cause)}"


def _without_model(run: Run, printed: Printed) -> Checked:
    """Without a model: the blocks of the log, where they are of 16 tokens as vLLM's default."""
    if run.blocks is None or not printed.agrees_with(size := number(run.blocks) * 16):
        return printed.cannot(NO_MODEL)
    return printed.row(size, AGREES, "blocks x 16 tokens, both of the log")


def _concurrency(run: Run, line: Found) -> Iterator[Checked]:
    printed = Printed(line.line, "maximum concurrency (x)", line.values["times"])
    text = line.values.get("context")
    context = length(text) if text else run.context
    if context is None:
        yield printed.cannot(NO_CONTEXT)
        return
    if run.subject.model is None:
        yield _of_tokens(run, printed, context)
        return
    if run.blocks_of(run.pool) is None:
        yield _of_pair(run, printed, context)
        return

    def agreeing(pool: RunPool) -> int | None:
        """The most blocks with which the concurrency is as printed."""
        request = pool.request(context)
        last = int((printed.value + printed.half_step) * request)
        first = int((printed.value - printed.half_step) * request)
        near = (count for count in reversed(run.narrowed(pool)) if first <= count <= last + 1)
        return next((n for n in near if printed.agrees_with(Fraction(n, request))), None)

    found = agreeing(run.pool)
    request = run.pool.request(context)
    blocks = max(run.narrowed(run.pool), default=0) if found is None else found
    ours = Fraction(blocks, request)
    why = f"{blocks:,} blocks / {request:,} blocks per request of {context:,} tokens"
    if found is not None:
        yield printed.row(ours, AGREES, why)
        return
    off = float(printed.value - ours)
    if 0 < ours - printed.value < ours * OTHER_RANK:
        yield printed.row(ours, DIFFERS, f"{why}: off by {off:+.2f}{run.by_least}")
        return
    cause = _cause(run, lambda pool: agreeing(pool) is not None)
    yield printed.row(ours, DIFFERS, f"{why}: off by {off:+.2f}{cause}")


def _cause(run: Run, holds: Callable[[RunPool], bool]) -> str:
    """Say what would make a figure as it is printed, or that nothing could."""
    if (cause := run.explain(holds)) is not None:
        return hint(cause)
    if run.of_one_start:
        return ""
    blocks = run.override or run.blocks
    return f"; {blocks} blocks are {run.times}x of no request: the lines are not of one start"


def _of_tokens(run: Run, printed: Printed, context: int) -> Checked:
    """Without a model: the tokens of the log over the context, as the label is from 0.20.1 on."""
    if run.tokens is None:
        return printed.cannot(NO_MODEL)
    ours = Fraction(number(run.tokens), context)
    if not printed.agrees_with(ours):
        return printed.cannot(NO_MODEL)
    return printed.row(ours, AGREES, f"{run.tokens} tokens of the log / {context:,}")


def _of_pair(run: Run, printed: Printed, context: int) -> Checked:
    """Without a memory: the blocks that the tokens and the concurrency tell together."""
    if run.tokens is None:
        return printed.cannot(NO_MEMORY)
    request = run.pool.request(context)
    for blocks, _ in run.paired(run.pool):
        why = (
            f"{blocks:,} blocks, by the tokens / {request:,} blocks a request of {context:,} tokens"
        )
        return printed.row(Fraction(blocks, request), AGREES, why)
    return printed.cannot(_no_pair(run))


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "tokens": _tokens,
    "concurrency": _concurrency,
}
"""How each kind of line is checked."""

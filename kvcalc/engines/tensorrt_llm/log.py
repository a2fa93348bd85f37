"""TensorRT-LLM's start-up lines: blocks of tokens, cut from a share of one rank's free memory.

Lines of cpp/tensorrt_llm/batch_manager. Its bytes of a token are checked against posted logs alone
(tests/oracles/logs), which is why `cost` gives no number.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

from kvcalc.dtypes import dtype
from kvcalc.engines.log import (
    AGREES,
    CANNOT,
    COUNT,
    DIFFERS,
    NO_MODEL,
    SIZE,
    Changes,
    Checked,
    EngineLog,
    Found,
    Printed,
    Subject,
    either,
    first_that_agrees,
    in_words,
    number,
    pattern,
)
from kvcalc.engines.memory import Card
from kvcalc.engines.tensorrt_llm.memory import MEMORY
from kvcalc.model import Model

PATTERNS = (
    pattern(
        "memory",
        "tokens in paged ",
        rf"in paged kv cache: total: (?P<total>{SIZE}) GiB, available: (?P<gib>{SIZE}) GiB",
    ),
    pattern(
        "blocks",
        "KV cache primary pool",
        rf"Number of blocks in KV cache primary pool: (?P<blocks>{COUNT})",
    ),
    pattern(
        "tokens per block", "tokens per block", rf"tokens per block(?::|=) (?P<tokens>{COUNT})"
    ),
    pattern(
        "primary blocks",
        "tokens per block",
        rf"(?:\[window size=(?P<window>{COUNT})\], tokens per block={COUNT}, )?"
        rf"primary blocks=(?P<blocks>{COUNT})",
    ),
    pattern(
        "no heads", "fake cache manager", r"Using (?P<value>fake) cache manager with head_dim=0"
    ),
    pattern(
        "allocated",
        "tokens in paged ",
        rf"Allocated (?P<gib>{SIZE}) GiB for max tokens in paged KV cache \((?P<tokens>{COUNT})\)",
    ),
    pattern("bytes", "bytes for k/v cache", r"Allocate (?P<bytes>[0-9]{1,18}) bytes for k/v cache"),
    pattern("used", "tokens in paged ", rf"Using (?P<tokens>{COUNT}) tokens in paged KV cache"),
)

GIB = 2**30
TOKENS_PER_BLOCK = (32, 64, 128)
"""Tokens of a block where the log does not say: the defaults of tensorrt_llm/plugin/plugin.py (its
PluginConfig) today, from 0.11 to 0.16, and in 0.8 and 0.9."""

EXPLAINING: Sequence[Changes] = (
    {"kv_cache_dtype": "fp8"},
    *({"tensor_parallel_size": ranks} for ranks in (2, 4, 8, 16)),
)
"""Settings that the lines of a pool do not say: a checkpoint may give its cache's type."""

NO_HEADS = (
    "AutoDeploy allocates its caches itself, and what is printed is of a manager without heads "
    "(_torch/auto_deploy/shim/ad_executor.py)"
)
WINDOWS = "the layers of each window's pool are not known"

EARLIER = "printed again later: the first comes from profiling, and the last counts"


class Lines(NamedTuple):
    """The last line of each kind, and those of the pools of the last allocation, one a window."""

    last: Mapping[str, Found]
    pools: Sequence[Found]


def check(found: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    """Hold the last figure of each kind against the model's bytes a token."""
    lines = Lines({line.kind: line for line in found}, _pools(found))
    for line in found:
        rule = RULES.get(line.kind)
        if rule is None:
            continue
        for checked in rule(line, lines, subject):
            yield (
                checked
                if lines.last[line.kind] is line
                else Checked(line.line, checked.figure, checked.printed, None, CANNOT, EARLIER)
            )


def _pools(found: Sequence[Found]) -> list[Found]:
    """The pools that are announced since the last allocation but one, the last of each window."""
    allocated = [line.line for line in found if line.kind == "allocated"]
    since = allocated[-2] if len(allocated) > 1 else 0
    pools = [line for line in found if line.kind == "primary blocks" and line.line > since]
    return [*{pool.values.get("window"): pool for pool in pools}.values()]


def _token_bytes(model: Model, subject: Subject) -> int:
    """Bytes of a token over all layers, on one rank."""
    name = str(subject.settings.get("kv_cache_dtype", "auto"))
    of = dtype(model.dtype if name == "auto" else name)
    ranks = subject.number("tensor_parallel_size", default=1)
    total = 0
    for layer, layers in model.groups:
        for cache in layer.caches:
            each: Any = cache
            if cache.kind == "latent_attention":
                total += layers * of.row_bytes(each.row_elements)
            elif hasattr(cache, "kv_heads"):
                heads = layers * -(-each.kv_heads // ranks)
                total += heads * (of.row_bytes(each.head_dim) + of.row_bytes(each.value_dim))
    return total


def _block_sizes(lines: Lines, subject: Subject) -> tuple[int, ...]:
    """The tokens that a block may have: as asked for, as the log says, else the defaults."""
    known = lines.last.get("tokens per block")
    said = subject.number(
        "tokens_per_block", default=number(known.values["tokens"]) if known else 0
    )
    return (said,) if said else TOKENS_PER_BLOCK


def _blocks(line: Found, lines: Lines, subject: Subject) -> Iterator[Checked]:
    printed = Printed(line.line, "blocks of the primary pool (blocks)", line.values["blocks"])
    if subject.model is None or "memory" not in lines.last:
        missing = NO_MODEL if subject.model is None else "the available memory is missing"
        yield printed.cannot(missing)
        return
    sizes = _block_sizes(lines, subject)
    taken = MEMORY.taken(subject.settings.get("free_gpu_memory_fraction"), Card("", 1, 1), {})
    available = Printed(0, "", lines.last["memory"].values["gib"])
    ours = 0
    for tokens in sizes:
        block = tokens * _token_bytes(subject.model, subject)
        low = taken * (available.value - available.half_step) * GIB // block
        high = -(-(taken * (available.value + available.half_step) * GIB) // block)
        why = f"{float(taken):g} of {available.text} GiB, blocks of {tokens} tokens ({block:,} B)"
        if low <= printed.value <= high:
            yield printed.row(printed.value, AGREES, why)
            return
        ours = ours or int(high)
    yield printed.row(ours, DIFFERS, f"{why}: {ours:,} expected")


def _allocated(line: Found, lines: Lines, subject: Subject) -> Iterator[Checked]:
    tokens = number(line.values["tokens"])
    printed = Printed(line.line, "tokens of the pool (tokens)", line.values["tokens"])
    blocks = lines.pools or [one for one in lines.last.values() if one.kind == "blocks"]
    size = lines.last.get("tokens per block")
    if blocks and size:
        ours = sum(number(line.values["blocks"]) for line in blocks) * number(size.values["tokens"])
        yield printed.against(ours, "blocks x tokens a block, both from the log")
    held = Printed(line.line, "allocated (GiB)", line.values["gib"])
    if subject.model is None or len(lines.pools) > 1 or "no heads" in lines.last:
        why = NO_HEADS if "no heads" in lines.last else WINDOWS
        yield held.cannot(NO_MODEL if subject.model is None else why)
        return
    model = subject.model

    def size_of(changes: Changes) -> Fraction:
        changed = replace(subject, settings={**subject.settings, **changes})
        return Fraction(tokens * _token_bytes(model, changed), GIB)

    def explain(held: Printed) -> str | None:
        if not subject.may_explain():
            return None
        causes = subject.causes(EXPLAINING, subject.settings.keys())
        return either(
            first_that_agrees(held, ((in_words(one), partial(size_of, one)) for one in changes))
            for changes in causes
        )

    each = _token_bytes(model, subject)
    yield held.against(size_of({}), f"{tokens:,} tokens x {each:,} B on one rank", explain)


def _bytes(line: Found, lines: Lines, subject: Subject) -> Iterator[Checked]:
    """What older releases allocate: the tokens that they print after it, in whole blocks."""
    printed = Printed(line.line, "allocated (bytes)", line.values["bytes"])
    used = lines.last.get("used")
    if subject.model is None or used is None:
        yield printed.cannot(NO_MODEL if subject.model is None else "the pool's tokens are missing")
        return
    each, tokens = _token_bytes(subject.model, subject), number(used.values["tokens"])
    sizes = [-(-tokens // size) * size * each for size in _block_sizes(lines, subject)]
    ours = next(filter(printed.agrees_with, sizes), sizes[0])
    yield printed.against(ours, f"{tokens:,} tokens, in whole blocks, x {each:,} B on one rank")


Rule = Callable[[Found, Lines, Subject], Iterator[Checked]]

RULES: Mapping[str, Rule] = {"blocks": _blocks, "allocated": _allocated, "bytes": _bytes}
"""How each kind of line is checked."""

LOG = EngineLog(
    patterns=PATTERNS,
    check=check,
    spellings={
        "tp": "tensor_parallel_size",
        "tp_size": "tensor_parallel_size",
        "kv_dtype": "kv_cache_dtype",
        "max_seq_len": "context",
    },
    beside=frozenset({"tokens_per_block", "free_gpu_memory_fraction"}),
)

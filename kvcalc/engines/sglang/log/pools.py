"""SGLang's lines about its pools: their tokens, the bytes of their buffers, and the limits.

Read in SGLang 0.5.23 (srt/mem_cache/memory_pool.py, srt/mem_cache/swa_memory_pool.py,
srt/model_executor/pool_configurator.py, srt/managers/scheduler.py). Its "GB" are GiB.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

from kvcalc.engines.log import (
    COUNT,
    NO_MODEL,
    SIZE,
    Checked,
    Found,
    Printed,
    Subject,
    figures,
    number,
    pattern,
)
from kvcalc.engines.releases import parsed
from kvcalc.engines.sglang.log.run import GIB, LABELS, POOLS, Part, Run
from kvcalc.engines.sglang.pool_sizes import share_of_full
from kvcalc.engines.sglang.resolved import RATIO
from kvcalc.errors import RequestError

PATTERNS = (
    *(
        pattern(
            "pool",
            f"Cache {allocated}",
            rf"(?<![A-Za-z])(?:(?P<pool>Full|SWA) )?KV Cache {allocated}\."
            r"(?: dtype: (?:torch\.)?(?P<dtype>[a-z0-9_]{1,30}),)? "
            rf"(?:#tokens: (?P<tokens>{COUNT}), )?"
            rf"(?:K size: (?P<k>{SIZE}) GB, V size: (?P<v>{SIZE}) GB|KV size: (?P<kv>{SIZE}) GB)",
        )
        for allocated in ("is allocated", "VA upper bound")
    ),
    pattern(
        "window pool",
        "sliding window memory pool",
        rf"full_layer_tokens=(?P<full>{COUNT}), swa_layer_tokens=(?P<swa>{COUNT})",
    ),
    pattern(
        "both pools",
        "SWAKVPool",
        rf"SWAKVPool (?:mem usage|VA upper bound): (?P<gb>{SIZE}) GB, swa size: (?P<swa>{COUNT}), "
        rf"full size: (?P<full>{COUNT})",
    ),
    pattern(
        "limits",
        "max_total_num_tokens=",
        rf"max_total_num_tokens=(?P<tokens>{COUNT})(?:.{{0,200}}?max_running_requests="
        rf"(?P<requests>{COUNT}))?(?:.{{0,200}}?context_len=(?P<context>{COUNT}))?",
    ),
    pattern("arguments", "server_args=", r"server_args=(?:ServerArgs\(|\{)(?P<config>.*)"),
)


CHANGES: Sequence[Mapping[str, Any]] = (
    *({"tensor_parallel_size": ranks} for ranks in (1, 2, 4, 8, 16)),
    *({"kv_cache_dtype": name} for name in ("fp8_e4m3", "bfloat16", "float32")),
    *({"page_size": tokens} for tokens in (16, 32, 64, 128, 256)),
)
"""Settings that may explain a figure that differs, each tried by itself."""

WITHOUT_A_ROW_MORE = (0, 4, 7)
"""The release from which on the table of requests, whose rows are printed as those that run, has no
row more than run (srt/model_executor/model_runner.py, ReqToTokenPool)."""

NO_TOKENS = "the tokens of the pool are missing"


OF_A_DRAFT = (
    "as many tokens as the model's own pool, which agrees, in fewer bytes: a draft's, or another "
    "stage's, whose layers the log does not tell"
)


NO_BUDGET = "the memory that the pool was cut from is missing: the log rounds it"


def _pool(run: Run, line: Found) -> Iterator[Checked]:
    """The keys and values, or rows, of a pool."""
    printed = figures(line, {"k": "K size (GiB)", "v": "V size (GiB)", "kv": "KV size (GiB)"})
    if label := line.values.get("pool"):
        yield from _as_cut(run, line, LABELS[label], "tokens", "#tokens")
    text = line.values.get("tokens") or run.tokens
    if run.subject.model is None or text is None:
        missing = NO_MODEL if run.subject.model is None else NO_TOKENS
        yield from (each.cannot(missing) for each in printed.values())
        return
    tokens = number(text)
    element = run.element_of(line)

    def ours(part: Part, name: str, changes: Mapping[str, Any]) -> Fraction:
        changes = {"kv_cache_dtype": element, **changes}
        return Fraction(part.bytes(name, run.allocated(tokens, tokens, changes)), GIB)

    def agree(candidate: tuple[Part, Mapping[str, Any]]) -> bool:
        return all(
            each.agrees_with(ours(candidate[0], n, candidate[1])) for n, each in printed.items()
        )

    candidates = run.candidates(line, tokens, element)
    agreeing = next(filter(agree, candidates), None)
    part, changes = agreeing or candidates[0]
    if agreeing:
        run.agreed.add((part.name, tokens))
    run.taken.add(part.name)
    allocated = run.allocated(tokens, tokens, {"kv_cache_dtype": element, **changes})
    own = {(one.name, tokens) for one, _ in candidates}
    others = agreeing is None and own <= run.agreed and allocated.layout.draft is None
    if others and all(each.value < ours(part, name, changes) for name, each in printed.items()):
        run.beside = True
        yield from (each.cannot(OF_A_DRAFT) for each in printed.values())
        return
    of = f"{part.layers(allocated.layout)} layers, {allocated.resolved.format.name}, one rank"
    why = f"{tokens:,} + {allocated.resolved.page} tokens x {of}"
    for name, each in printed.items():

        def explain(printed: Printed, name: str = name) -> str | None:
            return run.explain(printed, CHANGES, partial(ours, part, name))

        yield each.against(ours(part, name, changes), why, explain)


def _as_cut(run: Run, line: Found, pool: str, name: str, figure: str) -> Iterator[Checked]:
    """The tokens of a pool, which are those that the line has with which the memory was cut."""
    if name in line.values:
        printed = Printed(line.line, f"{figure} (tokens)", line.values[name])
        cut = run.as_cut(pool, number(printed.text))
        if cut is not None:
            yield printed.against(cut, f"{pool}_layer_tokens, both of the log")


def _window_pool(run: Run, line: Found) -> Iterator[Checked]:
    printed = Printed(line.line, "swa_layer_tokens (tokens)", line.values["swa"])
    full = number(line.values["full"])
    if run.subject.model is not None:
        sizer = run.sizer
        why = f"{full:,} x swa_full_tokens_ratio {sizer.resolved.ratio:g}"
        why = f"{why}, in pages of {sizer.resolved.page}"
        yield printed.against(sizer.window_beside(full), why)
        return
    try:
        yield printed.against(*_share_of_full(run.subject, full))
    except RequestError as error:
        if error.field in run.subject.given:
            raise
        yield printed.cannot(str(error))


def _share_of_full(subject: Subject, full: int) -> tuple[int, str]:
    """The tokens of the window's pool where no model is known, and of what they are.

    Raises:
        RequestError: the ratio or the page is not a number.
    """
    text = str(subject.settings.get("swa_full_tokens_ratio", RATIO))
    page = subject.number("page_size", default=1)
    try:
        ours = share_of_full(full, float(text), page)
    except (ValueError, OverflowError):
        raise RequestError.of("swa_full_tokens_ratio", text, "a number") from None
    return ours, f"{full:,} x swa_full_tokens_ratio {text}, in pages of {page}"


def _both_pools(run: Run, line: Found) -> Iterator[Checked]:
    for pool in LABELS.values():
        yield from _as_cut(run, line, pool, pool, f"{pool} size")
    printed = Printed(line.line, "SWAKVPool mem usage (GiB)", line.values["gb"])
    if run.subject.model is None:
        yield printed.cannot(NO_MODEL)
        return
    full, swa = (number(line.values[name]) for name in LABELS.values())
    allocated = run.allocated(full, swa, {"kv_cache_dtype": run.element_of(line)})
    ours = sum(part.bytes(name, allocated) for part in POOLS for name in ("k", "v", "kv"))
    why = f"both pools, {allocated.resolved.format.name}, one rank"
    yield printed.against(Fraction(ours, GIB), why)


def _limits(run: Run, line: Found) -> Iterator[Checked]:
    """The limits of the scheduler: tokens of the pool, and requests that run at once."""
    tokens = Printed(line.line, "max_total_num_tokens (tokens)", line.values["tokens"])
    if run.pool_tokens is None:
        yield tokens.cannot(NO_BUDGET)
    else:
        yield tokens.against(run.pool_tokens, "tokens of the pool, both of the log")
    if "requests" not in line.values:
        return
    requests = Printed(line.line, "max_running_requests (requests)", line.values["requests"])
    if run.subject.model is None or run.context is None:
        yield requests.cannot(NO_MODEL if run.subject.model is None else "the context is missing")
        return
    pool = run.pool_tokens or number(tokens.text)
    ours = run.sizer.requests(pool, run.slots)
    why = f"of {pool:,} tokens, for requests of {run.context:,}"
    row = requests.against(ours, why)
    if number(requests.text) != ours + 1:
        yield row
    elif (release := run.settings({}).release) is None:
        yield replace(row, why=f"{row.why}; sglang before 0.4.7 prints one more")
    elif parsed(release)[0] < WITHOUT_A_ROW_MORE:
        yield requests.against(ours + 1, f"{why}, and one more, as before 0.4.7")
    else:
        yield row


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "pool": _pool,
    "window pool": _window_pool,
    "both pools": _both_pools,
    "limits": _limits,
}
"""How each kind of line is checked."""

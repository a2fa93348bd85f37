"""SGLang's figures: token pools, and the bytes of K and V on one rank. Its "GB" are GiB."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from kvcalc.answers.check.verdict import (
    AGREES,
    Checked,
    Printed,
    Subject,
    first_that_agrees,
    number,
)
from kvcalc.dtypes import dtype
from kvcalc.errors import RequestError

if TYPE_CHECKING:
    from kvcalc.layers.layer import Layer
    from kvcalc.readers.logs.pattern import Found

GIB = 2**30
FULL, SLIDING, ALL = "full", "sliding", "all"
NO_MODEL = "the model is missing: give --model"
TORCH = {"float8_e4m3fn": "fp8_e4m3", "float8_e5m2": "fp8_e5m2", "uint8": "fp8"}
RANKS = (1, 2, 4, 8, 16)
INDEX_ROW_EXTRA = 4
"""Bytes of scale behind an indexer's 8-bit key (SGLang 0.5.23, memory_pool.py)."""
SPARSE_ROWS = {"fp8 as on Hopper": 656, "fp8 as on Blackwell": 576, "bfloat16": 1152}
"""Bytes of a latent row beside an indexer's, by how it is stored."""


def check(found: "Sequence[Found]", subject: Subject) -> Iterator[Checked]:
    """Hold each figure against what SGLang's rules give for the model."""
    pools = {
        kind: number(line.values[kind])
        for line in found
        for kind in ("swa", "full")
        if line.kind in ("window pool", "both pools")
    }
    limits = [line.values["tokens"] for line in found if line.kind == "limits"]
    log = Log(subject, pools, limits[-1] if limits else None)
    for line in found:
        rule = RULES.get(line.kind)
        if rule:
            yield from rule(log, line)


class Log:
    """The model and settings of a log, and the tokens of its pool, or of two."""

    def __init__(self, subject: Subject, pools: dict[str, int], tokens: str | None) -> None:
        self.subject = subject
        self.tokens = tokens
        self.pools = pools
        self.page = subject.number("page_size", default=1)
        ranks = subject.number("tensor_parallel_size", "tp_size", "tp", default=1)
        self.ranks = max(1, ranks // subject.number("attn_dp_size", "dp_attention", default=1))
        self.taken: set[str] = set()

    def caches(self, group: str) -> "list[Layer]":
        """The attention caches of a group."""
        assert self.subject.model is not None
        held = []
        for layer in self.subject.model.layers:
            for cache in layer.caches:
                if "attention" in cache.kind and cache.kind != "cross_attention":
                    slides = bool(cache.windows) or cache.kind == "chunked_attention"
                    if group in (ALL, SLIDING if slides else FULL):
                        held.append(cache)
        return held

    def element(self, line: "Found") -> str:
        """The cache's element type: as printed, as given, or the model's own."""
        assert self.subject.model is not None
        name = line.values.get("dtype") or self.subject.settings.get("kv_cache_dtype") or "auto"
        name = TORCH.get(str(name), str(name))
        return self.subject.model.dtype if name == "auto" else dtype(name).name

    def key_and_value(self, group: str, tokens: int, element: str, ranks: int) -> tuple[int, int]:
        """Bytes of K and V of so many tokens and a page, on one rank."""
        of = dtype(element)
        k = v = 0
        for cache in self.caches(group):
            layer: Any = cache
            if not hasattr(layer, "kv_heads"):
                raise RequestError.about("sglang", f"{cache.kind} layers keep no K and V apart")
            heads = max(1, layer.kv_heads // ranks)
            k += heads * of.row_bytes(layer.head_dim)
            v += heads * of.row_bytes(layer.value_dim)
        return (tokens + self.page) * k, (tokens + self.page) * v

    def group_of(self, tokens: int) -> list[str]:
        """The groups that a pool of so many tokens may hold, the likeliest first."""
        if not self.pools:
            return [ALL]
        fitting = [
            group
            for group, pool in ((SLIDING, "swa"), (FULL, "full"))
            if self.pools[pool] == tokens and group not in self.taken
        ]
        return fitting or [ALL]


def _pool(log: Log, line: "Found") -> Iterator[Checked]:
    values = line.values
    printed = {
        name: Printed(line.line, f"{label} (GiB)", values[name])
        for name, label in (("k", "K size"), ("v", "V size"), ("kv", "KV size"))
        if name in values
    }
    if log.subject.model is None:
        yield from (each.cannot(NO_MODEL) for each in printed.values())
        return
    if "tokens" not in values and log.tokens is None:
        yield from (each.cannot("the tokens of the pool are missing") for each in printed.values())
        return
    tokens = number(values.get("tokens") or log.tokens or "0")
    if "kv" in values:
        yield _latent(log, line, printed["kv"], tokens)
        return
    element = log.element(line)
    groups = log.group_of(tokens)
    sizes = {g: log.key_and_value(g, tokens, element, log.ranks) for g in groups}
    chosen = next(
        (g for g in groups if printed["k"].agrees_with(Fraction(sizes[g][0], GIB))), groups[0]
    )
    log.taken.add(chosen)
    why = f"{tokens:,} + {log.page} tokens x {len(log.caches(chosen))} layers, {element}, one rank"
    for place, name in enumerate(("k", "v")):

        def explain(printed: Printed, place: int = place) -> str | None:
            def size(ranks: int, of: str) -> Fraction:
                return Fraction(log.key_and_value(chosen, tokens, of, ranks)[place], GIB)

            by_ranks = [(f"tensor_parallel_size={n}", lambda n=n: size(n, element)) for n in RANKS]
            by_type = [
                (f"kv_cache_dtype={of}", lambda of=of: size(log.ranks, of))
                for of in ("fp8_e4m3", "bfloat16", "float32")
            ]
            return first_that_agrees(printed, by_ranks + by_type)

        yield printed[name].held(Fraction(sizes[chosen][place], GIB), why, explain)


def _latent(log: Log, line: "Found", printed: Printed, tokens: int) -> Checked:
    """Latent rows, whole on each rank, and beside them an indexer's keys."""
    index = rows = layers = 0
    element = dtype(log.element(line))
    for cache in log.caches(ALL):
        layer: Any = cache
        if cache.kind != "latent_attention":
            return printed.cannot(f"a pool of one row a token has no {cache.kind} layers")
        layers += 1
        rows += element.row_bytes(layer.row_elements)
        if layer.index_head_dim is not None:
            index += layer.index_head_dim + INDEX_ROW_EXTRA
    held = tokens + log.page
    if not index:
        why = f"{tokens:,} + {log.page} tokens x {layers} latent rows of {element.name}"
        return printed.held(Fraction(held * rows, GIB), why)
    for name, row in SPARSE_ROWS.items():
        ours = Fraction(held * (layers * row + index), GIB)
        if printed.agrees_with(ours):
            why = f"{layers} latent rows of {row} B ({name}) and the indexer's keys"
            return printed.row(ours, AGREES, why)
    return printed.held(Fraction(held * (rows + index), GIB), f"{layers} rows of {element.name}")


def _window_pool(log: Log, line: "Found") -> Iterator[Checked]:
    printed = Printed(line.line, "swa_layer_tokens (tokens)", line.values["swa"])
    full = number(line.values["full"])
    text = str(log.subject.settings.get("swa_full_tokens_ratio", "0.8"))
    try:
        ratio = float(text)
    except ValueError:
        raise RequestError.of("swa_full_tokens_ratio", text, "a number") from None
    ours = int(full * ratio) // log.page * log.page
    yield printed.held(ours, f"{full:,} x swa_full_tokens_ratio {text}, in pages of {log.page}")


def _both_pools(log: Log, line: "Found") -> Iterator[Checked]:
    printed = Printed(line.line, "SWAKVPool mem usage (GiB)", line.values["gb"])
    if log.subject.model is None:
        yield printed.cannot(NO_MODEL)
        return
    element = log.element(line)
    total = sum(
        sum(log.key_and_value(group, number(line.values[pool]), element, log.ranks))
        for group, pool in ((SLIDING, "swa"), (FULL, "full"))
    )
    yield printed.held(Fraction(total, GIB), f"both pools, {element}, one rank")


def _states(log: Log, line: "Found") -> Iterator[Checked]:
    values = line.values
    conv = Printed(line.line, "conv_state size (GiB)", values["conv"])
    ssm = Printed(line.line, "ssm_state size (GiB)", values["ssm"])
    if log.subject.model is None:
        yield from (each.cannot(NO_MODEL) for each in (conv, ssm))
        return
    columns = elements = 0
    for layer in log.subject.model.layers:
        for cache in layer.caches:
            state: Any = cache
            if hasattr(cache, "state_elements"):
                columns += state.channels // log.ranks * max(state.taps - 1, 0)
                elements += state.state_elements // log.ranks
    slots = number(values["slots"]) + 1
    of = str(log.subject.settings.get("mamba_ssm_dtype", "float32"))
    why = f"{slots:,} slots of all recurrent layers, one rank"
    yield conv.held(Fraction(slots * columns * 2, GIB), f"{why}, bfloat16")

    def explain(printed: Printed) -> str | None:
        half = Fraction(slots * elements * 2, GIB)
        return first_that_agrees(printed, [("mamba_ssm_dtype=bfloat16", lambda: half)])

    size = slots * dtype(of).row_bytes(elements)
    yield ssm.held(Fraction(size, GIB), f"{why}, {of}", explain)


def _limits(log: Log, line: "Found") -> Iterator[Checked]:
    printed = Printed(line.line, "max_total_num_tokens (tokens)", line.values["tokens"])
    yield printed.cannot("the memory that the pool was cut from is missing: the log rounds it")


RULES = {
    "pool": _pool,
    "window pool": _window_pool,
    "both pools": _both_pools,
    "states": _states,
    "limits": _limits,
}
"""How each kind of line is checked."""

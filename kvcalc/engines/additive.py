"""Costs that are a sum over layers: each keeps rows of some bytes for some tokens."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from kvcalc.costs import SEQUENCES, Cost, Group, Split, Step, formula
from kvcalc.engines.engine import Settings
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value, added
from kvcalc.formula.limits import Limit
from kvcalc.layers.layer import Layer
from kvcalc.model import MAX_GROUPS, Model


class TokenRows(NamedTuple):
    """What a layer keeps of one sequence: `tokens` rows of `row_bytes` on one rank.

    `what` names the rows and `working` says how their bytes come about. A state of fixed size is
    one row, whatever the context.
    """

    what: str
    working: str
    row_bytes: int
    tokens: Value


RowRule = Callable[[Any], list[TokenRows]]
"""The rows that a layer of one kind keeps."""


def rows_of(layer: Layer, engine: str, kinds: Mapping[str, RowRule]) -> list[TokenRows]:
    """Look up what a layer keeps on an engine; a combined layer keeps what its parts do.

    Raises:
        UnsupportedError: the engine has no such kind of layer.
    """
    rows: list[TokenRows] = []
    for cache in layer.caches:
        if cache.kind not in kinds:
            raise UnsupportedError(
                f"{engine} does not support {cache.kind} layers", what=f"{cache.kind} layers"
            )
        rows += kinds[cache.kind](cache)
    return rows


def additive_cost(
    engine: str,
    model: Model,
    settings: Settings,
    kv_cache_dtype: str,
    kinds: Mapping[str, RowRule],
    why: str = "",
    limits: tuple[Limit, ...] = (),
) -> Cost:
    """Sum what the layers keep, each kind by its own rule, kinds in the order of their table.

    The engine does not run past the `limits`.

    Raises:
        UnsupportedError: the engine has no such kind of layer.
    """
    ranks = settings.tensor_parallel_size
    order = {kind: place for place, kind in enumerate([*kinds, "combined"])}
    groups = []
    terms = []
    for layer, layers in sorted(model.groups, key=lambda group: order.get(group[0].kind, 0)):
        rows = rows_of(layer, engine, kinds)
        terms += [(layers, each.tokens, each.row_bytes) for each in rows]
        groups.append(_group(model, layer, layers, rows, ranks))
    if len({(tokens, row) for _, tokens, row in terms}) > MAX_GROUPS:
        raise UnsupportedError.of("layers", f"found more than {MAX_GROUPS} different caches")
    request = gathered([(layers, tokens, row * ranks) for layers, tokens, row in terms])
    return Cost(
        model=model,
        engine=engine,
        kv_cache_dtype=kv_cache_dtype,
        settings=settings.changed(),
        formula=formula(model, request * SEQUENCES, limits=limits),
        per_gpu=formula(model, gathered(terms) * SEQUENCES, limits=limits),
        split=Split(formula(model, request, limits=limits)),
        groups=tuple(groups),
        why=why,
    )


def gathered(terms: Iterable[tuple[int, Value, int]]) -> Value:
    """Sum layers * tokens * row bytes, gathered by equal rows or by equal tokens: the shorter."""
    by_row: dict[int, list[Value]] = {}
    by_tokens: dict[Value, int] = {}
    for layers, tokens, row_bytes in terms:
        by_row.setdefault(row_bytes, []).append(layers * tokens)
        by_tokens[tokens] = by_tokens.get(tokens, 0) + layers * row_bytes
    if len(by_row) <= len(by_tokens):
        return added(added(tokens) * row for row, tokens in by_row.items())
    return added(tokens * row for tokens, row in by_tokens.items())


def _group(model: Model, layer: Layer, layers: int, rows: list[TokenRows], ranks: int) -> Group:
    share: Value = 0
    steps = []
    for each in rows:
        share += layers * each.tokens * (each.row_bytes * ranks)
        steps.append(Step(each.what, each.working, each.row_bytes, "bytes"))
        if not isinstance(each.tokens, int):
            steps.append(Step("tokens a layer keeps", str(each.tokens), each.tokens, "tokens"))
    shared = f" x {ranks} ranks" if ranks > 1 else ""
    total = share * SEQUENCES
    steps.append(Step("all of them", f"{layers} layers{shared} x sequences", total, "bytes"))
    return Group(
        kind=layer.kind,
        layers=layers,
        window=layer.sole_window,
        formula=formula(model, total),
        steps=tuple(steps),
    )

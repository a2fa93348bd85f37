"""Costs that are a sum over layers: each keeps rows of some bytes for some tokens."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kvcalc.costs import SEQUENCES, Cost, Group, Step, formula
from kvcalc.engines.contract import Settings
from kvcalc.errors import KvcalcError
from kvcalc.formula import Value
from kvcalc.layers.layer import Layer
from kvcalc.model import Model


class Rows(NamedTuple):
    """What a layer keeps of one sequence: `tokens` rows of `row_bytes` on one rank.

    `what` names the rows and `working` says how their bytes come about. A state of fixed size is
    one row, whatever the context.
    """

    what: str
    working: str
    row_bytes: int
    tokens: Value


Keep = Callable[[Any], list[Rows]]
"""What a layer of one kind keeps."""


def rows_of(layer: Layer, engine: str, kinds: Mapping[str, Keep]) -> list[Rows]:
    """Look up what a layer keeps on an engine; a combined layer keeps what its parts do.

    Raises:
        KvcalcError: the engine has no such kind of layer.
    """
    if layer.kind == "combined":
        return [rows for part in layer.parts for rows in rows_of(part, engine, kinds)]  # type: ignore[attr-defined]
    if layer.kind not in kinds:
        raise KvcalcError(f"{engine} does not support {layer.kind} layers")
    return kinds[layer.kind](layer)


def additive_cost(
    engine: str, model: Model, settings: Settings, kv_cache_dtype: str, kinds: Mapping[str, Keep]
) -> Cost:
    """Sum what the layers keep, each kind by its own rule, kinds in the order of their table.

    Raises:
        KvcalcError: the engine has no such kind of layer.
    """
    ranks = settings.tensor_parallel_size
    order = [*kinds, "combined"]
    groups = []
    tokens_by_row: dict[int, Value] = {}
    for layer, layers in sorted(model.groups, key=lambda group: order.index(group[0].kind)):
        kept = rows_of(layer, engine, kinds)
        for rows in kept:
            before = tokens_by_row.get(rows.row_bytes, 0)
            tokens_by_row[rows.row_bytes] = before + layers * rows.tokens
        groups.append(_group(model, layer, layers, kept, ranks))
    request: Value = 0
    rank: Value = 0
    for row_bytes, tokens in tokens_by_row.items():
        request += tokens * (row_bytes * ranks)
        rank += tokens * row_bytes
    return Cost(
        model=model,
        engine=engine,
        kv_cache_dtype=kv_cache_dtype,
        settings=settings.changed(),
        formula=formula(model, request * SEQUENCES),
        per_gpu=formula(model, rank * SEQUENCES),
        per_request=formula(model, request),
        fixed=0,
        groups=tuple(groups),
    )


def _group(model: Model, layer: Layer, layers: int, kept: list[Rows], ranks: int) -> Group:
    share: Value = 0
    steps = []
    for rows in kept:
        share += layers * rows.tokens * (rows.row_bytes * ranks)
        steps.append(Step(rows.what, rows.working, rows.row_bytes, "bytes"))
        if not isinstance(rows.tokens, int):
            steps.append(Step("tokens a layer keeps", str(rows.tokens), rows.tokens, "tokens"))
    shared = f" x {ranks} ranks" if ranks > 1 else ""
    total = share * SEQUENCES
    steps.append(Step("all of them", f"{layers} layers{shared} x sequences", total, "bytes"))
    return Group(
        kind=layer.kind,
        layers=layers,
        window=layer.windows[0] if len(set(layer.windows)) == 1 else None,
        formula=formula(model, total),
        steps=tuple(steps),
    )

"""The measured cases' files, and the models they list, built as kvcalc's."""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from kvcalc.layers.layer import Layer
from kvcalc.model import Model
from tests.engines.vllm import shapes

ORACLES = Path(__file__).parents[2] / "oracles"
Case = Mapping[str, Any]


def _oracle(name: str) -> Any:
    return json.loads((ORACLES / f"{name}.json").read_text())


VLLM, RANDOM, RECURRENT, MORE, KINDS, LOG, PLANNED, VERSIONS = map(
    _oracle,
    (
        "vllm",
        "vllm_random",
        "vllm_recurrent",
        "vllm_more",
        "vllm_kinds",
        "vllm_log_figures",
        "vllm_planned",
        "vllm_versions",
    ),
)


def named(cases: Iterable[Case]) -> list[Any]:
    """Name each case by its place, kind and model."""
    return [
        pytest.param(case, id=f"{place}-{case.get('kind', '')}-{case.get('model', '')}")
        for place, case in enumerate(cases)
    ]


def of(layers: Iterable[Layer], **facts: Any) -> Model:
    """Build a model, equal layers as one object, as from a preset: planning is faster so."""
    one: dict[Layer, Layer] = {}
    same = tuple(one.setdefault(layer, layer) for layer in layers)
    return Model(name="measured", layers=same, **facts)


@lru_cache
def plain_model(name: str) -> Model:
    return of(shapes.repeated(VLLM["models"][name]))


@lru_cache
def recurrent_model(name: str) -> Model:
    table = RECURRENT["models"][name]
    heads = {"kv_heads": table["kv"], "key_dim": table["dim"], "value_dim": table["dim"]}
    layers = {"R": shapes.recurrent(table), "F": shapes.layer({"kind": "full", **heads})}
    return of(layers[kind] for kind in table["types"])


@lru_cache
def more_model(name: str) -> Model:
    facts = MORE["model_facts"][name]
    layers = shapes.in_order(MORE["models"][name], facts["order"])
    index = facts.get("index", range(len(layers)))
    count = max(*index, facts.get("main", 1) - 1) + 1
    return of(shapes.placed(layers, index, count))


@lru_cache
def kinds_model(name: str) -> tuple[Model, int]:
    """A model with its draft's layers last, and how many there are."""
    table = KINDS["models"][name]
    sequence = [table["layers"][int(place)] for place in table["order"]]
    drafts = sum(bool(one.get("draft")) for one in sequence if one["kind"] != "indexer")
    return of(shapes.owning(sequence)), drafts


@lru_cache
def log_model(name: str) -> Model:
    table = LOG["models"][name]
    return of(shapes.in_order(table["layers"], table["order"]))

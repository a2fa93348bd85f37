"""What vLLM 0.33.0's own planner makes of random lists of layers, kernels and layouts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.vllm.plan import plan
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError
from kvcalc.layers import layer
from kvcalc.model import Model

PLANNED = json.loads((Path(__file__).parents[2] / "oracles" / "vllm_planned.json").read_text())


def named(case: Mapping[str, Any]) -> str:
    kinds = dict.fromkeys(table["kind"].split("_")[0] for table in case["layers"])
    return "-".join([*kinds, case["settings"]["attention_backend"]])


@pytest.mark.parametrize("case", PLANNED["cases"], ids=named)
def test_random_layers_are_planned_as_vllm_does(case: Mapping[str, Any]) -> None:
    kinds = [layer(table) for table in case["layers"]]
    model = Model(name="random", layers=tuple(kinds[int(digit)] for digit in case["order"]))
    settings, context = case["settings"], case["max_model_len"]
    if "refused" in case:
        with pytest.raises(KvcalcError):
            kvcalc.cost(model, "vllm", **settings)
        return
    planned = plan(model, VllmSettings(**settings))
    assert [len(group.members) for group in planned.groups] == case["group_layers"]
    assert [group.block or context for group in planned.groups] == case["group_block_sizes"]
    assert list(planned.bytes_per_block) == case["rank_bytes_per_block"]
    figures = kvcalc.pool(model, "vllm", memory=0, context=context, **settings).figures
    assert list(figures["rank_needed_bytes"]) == case["rank_bytes_per_request"]

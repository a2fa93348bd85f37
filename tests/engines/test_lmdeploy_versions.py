"""LMDeploy 0.16.0, 0.17.0 and 0.18.0: every case as its own release has it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.lmdeploy.builders import COMPRESSED, KINDS_OF, SPARSE
from kvcalc.engines.lmdeploy.settings import LmdeploySettings, cache_format
from kvcalc.engines.lmdeploy.tensors import aligned, in_block
from kvcalc.errors import UnsupportedError
from kvcalc.model import Model
from tests.each import each

ORACLES = Path(__file__).parents[1] / "oracles"
CASES = json.loads((ORACLES / "lmdeploy_versions.json").read_text())["cases"]


@cache
def load(name: str) -> Model:
    return kvcalc.load(str(ORACLES / "configs" / f"{name}.json"))


def settings_of(case: Any) -> dict[str, Any]:
    return {
        "release": case["version"],
        "quant_policy": case["quant_policy"],
        "cache_block_seq_len": case["block_size_asked"],
        "tensor_parallel_size": case["tp"],
    }


def cost_of(case: Any) -> kvcalc.Cost:
    return kvcalc.cost(load(case["model"]), "lmdeploy", **settings_of(case))


def named(case: Any) -> str:
    asked = f"{case['quant_policy']}-{case['block_size_asked']}-tp{case['tp']}"
    return f"{case['version']}-{case['model']}-{asked}"


def kind(case: Any) -> str | None:
    return load(case["model"]).model_type


BUILT = [case for case in CASES if kind(case) in KINDS_OF]
SERVED = [case for case in BUILT if "refused" not in case and kind(case) not in COMPRESSED]
REFUSED = [case for case in BUILT if "refused" in case]


@each("case", SERVED, ids=named)
def test_a_block_is_what_its_release_allocates(case: Any) -> None:
    model, asked = load(case["model"]), LmdeploySettings(**settings_of(case))
    form = cache_format(model, asked)
    block = sum(
        count * aligned(in_block(model, layer, case["block_size"], form, case["tp"]))
        for layer, count in model.groups
    )
    assert block == case["block_bytes"]
    if model.model_type in SPARSE and case["block_size"] != 64:
        # The engine stops before it allocates: "Please set block_size to 64 for flash_mla".
        with pytest.raises(UnsupportedError, match="expected 64"):
            cost_of(case)
        return
    held = cost_of(case)
    assert held.per_gpu(case["block_size"]) == block + case["state_bytes_per_slot"]
    assert held.engine_version == case["version"]


@each("case", REFUSED, ids=named)
def test_what_its_release_refuses_is_refused(case: Any) -> None:
    assert "Sparse MLA does not support quant_policy" in case["refused"]
    with pytest.raises(UnsupportedError, match=f"^quant_policy: found {case['quant_policy']}"):
        cost_of(case)


@each("case", [case for case in CASES if kind(case) not in KINDS_OF], ids=named)
def test_what_only_the_default_builder_takes_is_refused_by_name(case: Any) -> None:
    with pytest.raises(UnsupportedError, match=f"^lmdeploy {case['version']} has no builder for"):
        cost_of(case)


def test_every_case_is_in_one_of_the_tests() -> None:
    compressed = [case for case in BUILT if kind(case) in COMPRESSED]
    unbuilt = [case for case in CASES if kind(case) not in KINDS_OF]
    assert len(CASES) == 936
    assert len(SERVED) + len(REFUSED) + len(unbuilt) + len(compressed) == 936


@pytest.mark.parametrize("version", ["0.16.0", "0.17.0", "0.18.0"])
@pytest.mark.parametrize("asked", [64, 300, 512])
def test_deepseek_v4s_block_is_always_256_from_0_17_0(version: str, asked: int) -> None:
    """Its blocks were read, its states measured: 15,420,416 bytes in both releases."""
    states = {
        case["state_bytes_per_slot"]
        for case in BUILT
        if kind(case) in COMPRESSED and case["quant_policy"] == 0
    }
    assert states == {15_420_416}
    tokens = 256 if version != "0.16.0" else {64: 256, 300: 384, 512: 512}[asked]
    flash = kvcalc.cost(
        load("deepseek-ai--DeepSeek-V4-Flash"), f"lmdeploy@{version}", cache_block_seq_len=asked
    )
    block = {256: 987_904, 384: 1_481_984, 512: 1_975_808}[tokens]
    assert flash(tokens) == block + 15_420_416
    assert flash(tokens + 1) == 2 * block + 15_420_416


def test_kimi_k25_came_with_0_17_0() -> None:
    kimi = load("moonshotai--Kimi-K2.5")
    assert kvcalc.cost(kimi, "lmdeploy@0.17.0")(64) == 4_497_408
    with pytest.raises(UnsupportedError, match=r"^lmdeploy 0\.16\.0 does not have .* 'kimi_k25'$"):
        kvcalc.cost(kimi, "lmdeploy@0.16.0")


def test_an_upgrade_stores_deepseek_v32s_rows_in_bfloat16() -> None:
    found = kvcalc.diff(
        load("deepseek-ai--DeepSeek-V3.2"), "lmdeploy@0.16.0", "lmdeploy", context=64
    )
    assert (found.old.bytes, found.new.bytes) == (3_076_352, 5_012_736)
    [cause] = found.causes
    assert (cause.release, cause.rule, cause.back) == ("0.17.0", "packed_rows", "--quant-policy 16")

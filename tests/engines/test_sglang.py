"""SGLang's pools against what SGLang 0.5.23 itself allocated, case by case."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.sglang.cutting import Cutter
from kvcalc.engines.sglang.life import life
from kvcalc.engines.sglang.resolved import Resolved, resolve
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.window import Keeping, reservation
from kvcalc.layers.layer import Layer
from kvcalc.layers.attention import (
    ChunkedAttention,
    CompressedAttention,
    FullAttention,
    LatentAttention,
    SlidingAttention,
)
from kvcalc.layers.recurrent import GatedDeltaNet
from kvcalc.model import Model

ORACLES = Path(__file__).parent.parent / "oracles"
ORACLE: dict[str, Any] = json.loads((ORACLES / "sglang.json").read_text("utf-8"))

READ = {
    "k-exaone-236b-a23b": "configs/LGAI-EXAONE--K-EXAONE-236B-A23B.json",
    "llama-3.1-8b": "configs/meta-llama--Meta-Llama-3.1-8B.json",
    "deepseek-v3": "configs/deepseek-ai--DeepSeek-V3.json",
    "deepseek-v3.2": "configs/deepseek-ai--DeepSeek-V3.2.json",
    "gpt-oss-20b": "configs/openai--gpt-oss-20b.json",
    "llama-4-scout": "configs/meta-llama--Llama-4-Scout-17B-16E-Instruct.json",
    "deepseek-v4-shape": "configs/deepseek-ai--DeepSeek-V4-Flash.json",
}
"""Models whose published file is here; the others are built of the oracle's layers."""

TYPES = {"k-exaone-w4096": "exaone_moe", "qwen3-next-80b-a3b": "qwen3_next"}
"""Model types of those built; the rest are shapes, which are taken at their word."""


def built(name: str) -> Model:
    """A model of the oracle's layers."""
    facts = ORACLE["models"][name]
    layers: list[Layer] = []
    for one in facts["layers"]:
        layers += [_layer(one, facts)] * one["layers"]
    return Model(
        name=name, layers=tuple(layers), model_type=TYPES.get(name), max_context=facts["context"]
    )


def _layer(one: dict[str, Any], facts: dict[str, Any]) -> Layer:
    heads = {key: one.get(key) for key in ("kv_heads",)}
    sizes = {"head_dim": one.get("key_dim"), "v_head_dim": one.get("value_dim")}
    match one["kind"]:
        case "sliding":
            return SlidingAttention(**heads, **sizes, window=one["window"])
        case "chunked":
            return ChunkedAttention(**heads, **sizes, chunk=one["chunk"])
        case "full":
            return FullAttention(**heads, **sizes)
        case "mla":
            index = 128 if facts.get("dsa") else None
            return LatentAttention(
                kv_lora_rank=512,
                qk_rope_head_dim=one["key_dim"] - 512,
                sparse=index is not None,
                index_head_dim=index,
            )
        case "dsv4":
            index = facts["index_head_dim"] if one["ratio"] == 4 else None
            return CompressedAttention(
                head_dim=facts["head_dim"],
                window=facts["sglang_window"],
                ratio=one["ratio"],
                index_head_dim=index,
            )
    assert one["kind"] == "linear"
    return GatedDeltaNet(
        kernel=one["conv_kernel"],
        key_heads=one["groups"],
        value_heads=one["heads"],
        key_dim=one["state"],
        value_dim=one["head_dim"],
    )


MODELS = {
    name: kvcalc.load(str(ORACLES / READ[name])) if name in READ else built(name)
    for name in ORACLE["models"]
}


def without_queries(model: Model) -> Counter[str]:
    return Counter(
        repr(sorted((layer.model_dump(exclude={"query_heads", "v_head_dim"}) | {"v": getattr(layer, "value_dim", 0)}).items(), key=str))
        for layer in model.layers
    )


@pytest.mark.parametrize("name", READ)
def test_our_reader_reads_the_layers_of_the_case(name: str) -> None:
    assert without_queries(MODELS[name]) == without_queries(built(name))
    assert MODELS[name].max_context == ORACLE["models"][name]["context"]


def settings_of(case: dict[str, Any]) -> dict[str, Any]:
    """A case's settings by our names; its chunk as SGLang resolved it, before attention DP."""
    given = dict(case["settings"])
    settings = {
        "tensor_parallel_size": given.pop("tp_size", 1),
        "gpu": case["hardware"],
        "chunked_prefill_size": case["resolved"]["chunked_prefill_size"]
        * case["resolved"]["attn_dp_size"],
    }
    if "env" in given:
        settings["swa_eviction_interval"] = int(given.pop("env")["SGLANG_SWA_EVICTION_INTERVAL"])
    for name in ("speculative_algorithm", "speculative_draft_model_path", "hw"):
        given.pop(name, None)
    return {**settings, **given}


def case_id(case: dict[str, Any]) -> str:
    return f"{case['model']}-{case['results']['configurator'].removesuffix('PoolConfigurator')}"


BUFFERS = {
    "full.compressed_kv_page37440": "full.c4_kv",
    "full.compressed_kv_page1728": "full.c128_kv",
    "full.index_k": "full.index_k",
    "state.compress_state_pools_2048": "state.c4",
    "state.compress_state_pools_1024": "state.c128",
    "state.indexer_compress_state_pools_512": "state.c4_index",
}
"""The oracle's names of DeepSeek V4's buffers."""


@pytest.mark.parametrize("case", ORACLE["cases"], ids=case_id)
def test_a_memory_is_cut_as_sglang_cuts_it(case: dict[str, Any]) -> None:
    model, results = MODELS[case["model"]], case["results"]
    pool = kvcalc.pool(
        model,
        engine="sglang",
        memory=case["budget_bytes"],
        context=case["resolved"]["context_len"],
        **settings_of(case),
    )
    for name in ("max_total_num_tokens", "full_tokens", "swa_tokens", "mamba_slots",
                 "max_running_requests", "full_pool_bytes", "swa_pool_bytes", "kv_bytes",
                 "kv_storage_bytes", "state_bytes"):
        assert pool.figures[name] == results[name], name
    assert pool.figures.get("kv_budget_after_mamba") == results["kv_budget_after_mamba"]
    for name, buffer in results["pools"].items():
        ours = BUFFERS.get(name, name)
        if case["model"] == "deepseek-v4-shape" and name == "full.index_k":
            ours = "full.c4_index_k"
        assert pool.figures[ours] == buffer["bytes"], name
    if "draft" in results:
        assert pool.figures["draft_bytes"] == results["draft"]["bytes"]
        assert pool.bytes == results["total_bytes"]
    else:
        assert pool.bytes - pool.figures["draft_bytes"] == results["total_bytes"]

"""SGLang's pools, lives and reservations, against what SGLang 0.5.23 itself did: every case."""

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.sglang.resolved import resolve
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.window_pool import WindowPool as Keeping
from kvcalc.engines.sglang.window_pool import reservation
from kvcalc.layers.attention import Attention
from kvcalc.layers.latent import CompressedAttention, LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import GatedDeltaNet
from kvcalc.model import Model
from tests.engines.sglang_life import life
from tests.shapes import DEEPSEEK_ROW, chunked, full, sliding

ORACLES = Path(__file__).parents[1] / "oracles"
CONFIGS = ORACLES / "configs"
ORACLE: dict[str, Any] = json.loads((ORACLES / "sglang.json").read_text())

PUBLISHED = {
    "k-exaone-236b-a23b": ("LGAI-EXAONE--K-EXAONE-236B-A23B", "k-exaone-236b-a23b"),
    "llama-3.1-8b": ("meta-llama--Meta-Llama-3.1-8B", "llama-3.1-8b"),
    "deepseek-v3": ("deepseek-ai--DeepSeek-V3", "deepseek-v3"),
    "deepseek-v3.2": ("deepseek-ai--DeepSeek-V3.2", None),
    "gpt-oss-20b": ("openai--gpt-oss-20b", "gpt-oss-20b"),
    "llama-4-scout": ("meta-llama--Llama-4-Scout-17B-16E-Instruct", "llama-4-scout"),
    "deepseek-v4-shape": ("deepseek-ai--DeepSeek-V4-Flash", None),
}
"""Models whose file, and perhaps preset, is here; the others are built of the oracle's layers."""

TYPES = {"k-exaone-w4096": "exaone_moe", "qwen3-next-80b-a3b": "qwen3_next"}
"""Model types of those built. The rest are what-if shapes, taken at their word."""


@cache
def load(name: str) -> Model:
    if name in PUBLISHED:
        return kvcalc.load(str(CONFIGS / f"{PUBLISHED[name][0]}.json"))
    return built(name)


def built(name: str) -> Model:
    facts = ORACLE["models"][name]
    layers = [layer for one in facts["layers"] for layer in [_layer(one, facts)] * one["layers"]]
    return Model(
        name=name, layers=tuple(layers), model_type=TYPES.get(name), max_context=facts["context"]
    )


def _layer(one: dict[str, Any], facts: dict[str, Any]) -> Layer:
    sizes = {"kv_heads": one.get("kv_heads"), "head_dim": one.get("key_dim")}
    match one["kind"]:
        case "sliding":
            return sliding(**sizes, v_head_dim=one["value_dim"], window=one["window"])
        case "chunked":
            return chunked(**sizes, v_head_dim=one["value_dim"], chunk=one["chunk"])
        case "full":
            return full(**sizes, v_head_dim=one["value_dim"])
        case "mla":
            index = 128 if facts.get("dsa") else None
            return LatentAttention(**DEEPSEEK_ROW, sparse=index is not None, index_head_dim=index)
        case "dsv4":
            return CompressedAttention(
                head_dim=facts["head_dim"],
                window=facts["sglang_window"],
                ratio=one["ratio"],
                index_head_dim=facts["index_head_dim"] if one["ratio"] == 4 else None,
            )
    return GatedDeltaNet(
        kernel=one["conv_kernel"],
        key_heads=one["groups"],
        value_heads=one["heads"],
        key_dim=one["state"],
        value_dim=one["head_dim"],
    )


def shapes(model: Model) -> Counter[Layer]:
    """Its layers without what changes no cache, in no order: the oracle has groups."""
    return Counter(_bare(layer) for layer in model.layers)


def _bare(layer: Layer) -> Layer:
    fields: dict[str, Any] = {**dict(layer), "query_heads": None}
    if isinstance(layer, Attention):
        fields["v_head_dim"] = layer.value_dim
    return type(layer)(**fields)


@pytest.mark.parametrize("name", PUBLISHED)
def test_our_readers_find_the_layers_that_were_measured(name: str) -> None:
    config, preset = load(name), PUBLISHED[name][1]
    assert shapes(config) == shapes(built(name))
    assert config.max_context == ORACLE["models"][name]["context"]
    if preset is not None:
        assert shapes(kvcalc.load(preset)) == shapes(built(name))


def settings_of(case: dict[str, Any]) -> dict[str, Any]:
    """A case's settings by our names.

    Where the case gave no chunk, no GPU memory was known when it was measured.
    """
    given = dict(case["settings"])
    settings = {"tensor_parallel_size": given.pop("tp_size", 1), "gpu": case.get("hardware")}
    if "hw" in given:
        settings["gpu"] = given.pop("hw")
    settings["chunked_prefill_size"] = 4096
    if "env" in given:
        settings["swa_eviction_interval"] = int(given.pop("env")["SGLANG_SWA_EVICTION_INTERVAL"])
    for name in ("speculative_algorithm", "speculative_draft_model_path"):
        given.pop(name, None)
    return {**settings, **given}


def named(case: dict[str, Any]) -> str:
    settings = "-".join(f"{value}" for value in case["settings"].values())
    return f"{case['model']}-{settings}".replace(" ", "")[:60]


FIGURES = (
    "max_total_num_tokens",
    "full_tokens",
    "swa_tokens",
    "mamba_slots",
    "max_running_requests",
    "full_pool_bytes",
    "swa_pool_bytes",
    "kv_bytes",
    "kv_storage_bytes",
    "state_bytes",
)

BUFFERS = {
    "full.compressed_kv_page37440": "full.c4_kv",
    "full.compressed_kv_page1728": "full.c128_kv",
    "full.index_k": "full.c4_index_k",
    "state.compress_state_pools_2048": "state.c4",
    "state.compress_state_pools_1024": "state.c128",
    "state.indexer_compress_state_pools_512": "state.c4_index",
}
"""The oracle's names of DeepSeek V4's buffers."""


@pytest.mark.parametrize("case", ORACLE["cases"], ids=named)
def test_a_memory_is_cut_as_sglang_cut_it(case: dict[str, Any]) -> None:
    results = case["results"]
    pool = kvcalc.pool(
        load(case["model"]),
        engine="sglang",
        memory=case["budget_bytes"],
        context=case["resolved"]["context_len"],
        **settings_of(case),
    )
    assert {name: pool.figures[name] for name in FIGURES} == {
        name: results[name] for name in FIGURES
    }
    assert pool.figures.get("kv_budget_after_mamba") == results["kv_budget_after_mamba"]
    names = BUFFERS if case["model"] == "deepseek-v4-shape" else {}
    assert {name: pool.figures[names.get(name, name)] for name in results["pools"]} == results[
        "pools"
    ]
    # Of a draft that is another model, only the share of the memory was measured.
    draft = results["draft"]["bytes"] if results.get("draft") else pool.figures["draft_bytes"]
    assert pool.figures["draft_bytes"] == draft
    assert pool.bytes == results["kv_bytes"] + results["state_bytes"] + draft
    if results.get("draft"):
        assert pool.bytes == results["total_bytes"]


STORED = {
    "float8_e4m3fn": "fp8_e4m3",
    "float8_e5m2": "fp8_e5m2",
    "float4_e2m1fn_x2": "uint4",
}
"""Element types as PyTorch calls them."""


@pytest.mark.parametrize("case", ORACLE["cases"], ids=named)
def test_settings_resolve_as_sglang_resolved_them(case: dict[str, Any]) -> None:
    ours, theirs = (
        resolve(load(case["model"]), SglangSettings(**settings_of(case))),
        case["resolved"],
    )
    assert (ours.page, ours.ratio, ours.ranks, ours.groups) == (
        theirs["page_size"],
        theirs["swa_full_tokens_ratio"],
        theirs["attn_tp_size"],
        theirs["attn_dp_size"],
    )
    assert ours.chunk == theirs["chunked_prefill_size"]
    stored = {"mxfp8": "fp8_e4m3", "nvfp4": "uint4", "fp4_mx_block16": "uint4"}.get(
        ours.format.name, ours.format.name
    )
    assert stored == STORED.get(theirs["kv_cache_dtype"], theirs["kv_cache_dtype"])
    assert ours.overlap != theirs["disable_overlap_schedule"]
    assert (ours.strategy is not None and ours.strategy.extra_buffer) == theirs[
        "mamba_extra_buffer"
    ]
    assert ours.drafts.tokens == theirs["speculative_num_draft_tokens"]


@pytest.mark.parametrize("case", ORACLE["rejected_by_sglang"], ids=named)
def test_what_sglang_rejects_is_refused(case: dict[str, Any]) -> None:
    settings = settings_of(case)
    expected = "attention_backend" if "attention_backend" in settings else "window pool of"
    with pytest.raises(kvcalc.KvcalcError, match=expected):
        kvcalc.pool(load(case["model"]), engine="sglang", memory=case["budget_bytes"], **settings)


@pytest.mark.parametrize("case", ORACLE["request_cases"], ids=lambda case: str(case["prompt"]))
def test_a_request_lives_as_it_was_measured(case: dict[str, Any]) -> None:
    keeping = Keeping(
        page=case["page_size"],
        chunk=case["chunked_prefill_size"],
        interval=case["eviction_interval"],
        overlap=case["overlap"],
        radix_cache=False,
        ahead=case["page_size"],
        drafted=1,
    )
    steps = list(life(case["prompt"], case["decode"], case["window"], keeping))
    reading, writing = steps[: -case["decode"]], steps[-case["decode"] :]
    later = [window for _, window in writing[len(writing) // 2 :]]
    assert {
        "prefill_peak_swa": max(window for _, window in reading),
        "after_prefill_full": reading[-1][0],
        "after_prefill_swa": reading[-1][1],
        "end_full": writing[-1][0],
        "end_swa": writing[-1][1],
        "decode_peak_swa_second_half": max(later),
        "decode_low_swa_second_half": min(later),
    } == case["results"]
    pages = -(-(case["prompt"] + case["decode"]) // case["page_size"])
    held = keeping.pages(pages, 1, case["window"])
    assert isinstance(held, int)
    assert held * case["page_size"] >= max(window for _, window in steps)
    assert keeping.decoding(case["window"]) * case["page_size"] >= max(later)


def test_a_request_reserves_what_was_measured() -> None:
    cases = ORACLE["swa_reservation_cases"]
    ours = [
        reservation(c["extend"], c["max_new"], c["window"], c["page_size"], c["chunk"])
        for c in cases
    ]
    assert ours == [case["swa_tokens"] for case in cases]

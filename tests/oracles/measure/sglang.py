"""Measure SGLang's cases again: python tests/oracles/measure/sglang.py 0.5.23 --sample 50

Runs the release's own KVCacheConfigurator.config_from_budget with the pool configurator that it
picks, and its cap on requests: the tokens of each pool. This is a reduced form of what measured the
file. Stood in: the GPU, by the case's budget of bytes; the server's options, as the case says that
SGLang resolved them; the model's configuration, by its layers. The pools are not built, so their
bytes are not compared; models with states or indexers, DeepSeek V4, drafts, fp4 and mxfp8 are left
to the file.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.oracles.measure import comparison, environment
from tests.oracles.measure.comparison import Case, Form

MEASURED = ("max_total_num_tokens", "full_tokens", "swa_tokens", "max_running_requests")
"""The figures that are compared; the name of the pool configurator is too."""

OTHER = ("linear_attention", "dsa", "dsv4")
"""Models whose pools hold more than keys and values."""

PACKED = ("fp4", "mxfp8", "nvfp4")

INTERVAL = "SGLANG_SWA_EVICTION_INTERVAL"


def model_config(model: Mapping[str, Any]) -> Any:
    """What stands in for SGLang's ModelConfig: the sizes that the configurators ask for."""
    arch = environment.load("sglang.srt.configs.model_config").AttentionArch
    full = next(one for one in model["layers"] if one["kind"] in ("full", "mla"))
    slides = next((one for one in model["layers"] if one["kind"] in ("sliding", "chunked")), full)
    mla = bool(model.get("mla"))
    return SimpleNamespace(
        attention_arch=arch.MLA if mla else arch.MHA,
        context_len=model["context"],
        hf_config=SimpleNamespace(architectures=["Measured"], model_type="measured"),
        hf_text_config=SimpleNamespace(),
        head_dim=full["key_dim"],
        v_head_dim=full["value_dim"],
        swa_head_dim=slides["key_dim"],
        swa_v_head_dim=slides["value_dim"],
        kv_lora_rank=512,
        qk_rope_head_dim=64,
        get_num_kv_heads=lambda ranks, *more: max(1, full["kv_heads"] // ranks),
        get_swa_num_kv_heads=lambda ranks: max(1, slides["kv_heads"] // ranks),
    )


def options(case: Case) -> dict[str, Any]:
    """The server's options, by the group that SGLang keeps them in."""
    resolved, settings = case["resolved"], case["settings"]
    return {
        "get_parallel": SimpleNamespace(
            attn_tp_size=resolved["attn_tp_size"], attn_dcp_size=1, pp_size=1
        ),
        "get_schedule": SimpleNamespace(
            page_size=resolved["page_size"],
            max_total_tokens=settings.get("max_total_tokens"),
            max_running_requests=settings.get("max_running_requests"),
            chunked_prefill_size=resolved["chunked_prefill_size"],
            swa_full_tokens_ratio=resolved["swa_full_tokens_ratio"],
            disable_overlap_schedule=resolved["disable_overlap_schedule"],
        ),
        "get_memory": SimpleNamespace(
            disable_radix_cache=resolved["disable_radix_cache"],
            enable_unified_memory=False,
            enable_hisparse=False,
        ),
        "get_spec": SimpleNamespace(speculative_algorithm=None, speculative_num_draft_tokens=None),
        "get_disagg": SimpleNamespace(disaggregation_mode="null"),
    }


def layer_ids(model: Mapping[str, Any], windows: bool) -> list[int]:
    """As many layers of full attention, or of windows; which they are does not count."""
    kinds = ("sliding", "chunked") if windows else ("full", "mla")
    return list(range(sum(one["layers"] for one in model["layers"] if one["kind"] in kinds)))


def measured(table: Mapping[str, Any], case: Case) -> Case:
    """Cut the case's budget into pools."""
    os.environ.pop(INTERVAL, None)
    os.environ.update(case["settings"].get("env", {}))
    module = environment.load("sglang.srt.mem_cache.kv_cache_configurator")
    pools = environment.load("sglang.srt.model_executor.pool_configurator")
    for name, group in options(case).items():
        for one in (module, pools):
            setattr(one, name, lambda group=group: group)
    for one in (module, pools):
        one.mambaish_config = lambda config: None
        one.compute_page_shard_scratch_bytes = lambda configurator, include_mtp: 0
    split = environment.load("sglang.srt.layers.cp.utils")
    split.get_glm_dsa_layer_split_effective_num_layers = lambda configurator, layers: layers
    model, resolved = table["models"][case["model"]], case["resolved"]
    off = [f"is_{name}" for name in ("eagle", "standalone", "dflash_family", "dspark")]
    configurator = module.KVCacheConfigurator.__new__(module.KVCacheConfigurator)
    given = {
        "kv_cache_dtype": getattr(environment.load("torch"), resolved["kv_cache_dtype"]),
        "kv_cache_dtype_str": resolved["kv_cache_dtype_name"],
        "attn_dp_size": resolved["attn_dp_size"],
        "page_size": resolved["page_size"],
        "sliding_window_size": resolved["window"],
        "pp_size": 1,
        "device": "meta",
        "is_draft_worker": False,
        "is_hybrid_swa": model["sglang_hybrid_pool"] and not resolved["disable_hybrid_swa_memory"],
        "use_mla_backend": bool(model.get("mla")),
        "mambaish_config": None,
        "model_config": model_config(model),
        "server_args": SimpleNamespace(enable_hisparse=False),
        "spec_algorithm": SimpleNamespace(**dict.fromkeys(off, lambda: False)),
        "layer_info": SimpleNamespace(
            start_layer=0,
            end_layer=sum(one["layers"] for one in model["layers"]),
            num_effective_layers=sum(one["layers"] for one in model["layers"]),
            full_attention_layer_ids=layer_ids(model, windows=False),
            swa_attention_layer_ids=layer_ids(model, windows=True),
        ),
    }
    for name, value in given.items():
        setattr(configurator, name, value)
    module.KVCacheConfigurator.fused_entry_bytes = lambda self, name: None
    found = configurator.config_from_budget(case["budget_bytes"])
    return {
        "configurator": type(pools.create_memory_pool_configurator(configurator)).__name__,
        "max_total_num_tokens": found.max_total_num_tokens,
        "full_tokens": found.full_max_total_num_tokens,
        "swa_tokens": found.swa_max_total_num_tokens,
        "max_running_requests": configurator.resolve_max_num_reqs(found.max_total_num_tokens),
    }


def plain(case: Case) -> bool:
    """Whether the pools are keys and values alone, of one format, without a draft."""
    settings = case["settings"]
    packed = str(case["resolved"]["kv_cache_dtype_name"]).startswith(PACKED)
    drafts = any(name.startswith(("speculative", "draft")) for name in settings)
    return not (case["other"] or packed or drafts)


def flat(table: Mapping[str, Any]) -> list[Any]:
    """The cases, with the figures that are compared beside the settings."""
    names = ("configurator", *MEASURED)
    return [
        {
            **{name: case[name] for name in ("model", "budget_bytes", "settings", "resolved")},
            "other": any(table["models"][case["model"]].get(kind) for kind in OTHER),
            "place": place,
            **{name: case["results"][name] for name in names},
        }
        for place, case in enumerate(table["cases"])
    ]


def put(table: Mapping[str, Any], case: Any, found: Case, asked: frozenset[str]) -> None:
    table["cases"][case["place"]]["results"].update(found)


ASKED = frozenset(("model", "budget_bytes", "settings", "resolved", "other", "place"))


if __name__ == "__main__":
    form = Form("sglang", measured, ASKED, only=plain, cases=flat, put=put)
    given = comparison.arguments(__doc__, [form.file])
    version = environment.enter("sglang", given.version)
    comparison.main([form], given, f"SGLang {version}'s pool configurators on the CPU")

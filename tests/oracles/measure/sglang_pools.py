"""How a release of SGLang cuts a memory: its pool configurators, asked as its server asks them.

Up to 0.5.15 a ModelRunner does it (ModelRunnerKVCacheMixin), from 0.5.16 on a KVCacheConfigurator,
both in `_resolve_memory_pool_config`. Stood in: what the GPU has free, by a budget of bytes, with
nothing held back; the server's options, which are one object for all groups of them; the model's
configuration, by its layers.
"""

import sys
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from tests.oracles.measure import environment
from tests.oracles.measure.comparison import Case

RUNNER = "sglang.srt.model_executor.model_runner_kv_cache_mixin"
CONFIGURATOR = "sglang.srt.mem_cache.kv_cache_configurator"
CHOICE = "sglang.srt.model_executor.pool_configurator"

GROUPS = ("parallel", "schedule", "memory", "spec", "disagg", "exec", "kernel", "context")
"""Groups that later releases keep their options in, as their `get_` functions name them."""

OFF = ("is_eagle", "is_standalone", "is_dflash", "is_dflash_family", "is_dspark", "is_ngram")
"""Kinds of drafts."""


class Options(SimpleNamespace):
    """The server's options, and its groups of them. One that a case does not give is off."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self if name in GROUPS else False


def options(case: Case) -> Options:
    """The options of a case, as SGLang resolved them."""
    resolved, settings = case["resolved"], case["settings"]
    groups = resolved["attn_dp_size"]
    return Options(
        **{
            name: resolved[name]
            for name in (
                *("attn_tp_size", "attn_dp_size", "page_size", "chunked_prefill_size"),
                *("swa_full_tokens_ratio", "disable_overlap_schedule", "disable_radix_cache"),
            )
        },
        **{
            name: settings.get(name)
            for name in ("max_total_tokens", "max_running_requests", "max_mamba_cache_size")
        },
        dp_size=groups,
        enable_dp_attention=groups > 1,
        attn_dcp_size=1,
        dcp_size=1,
        pp_size=1,
        launch_world_size=1,
        world_group=SimpleNamespace(world_size=1, cpu_group=None),
        kv_cache_dtype=resolved["kv_cache_dtype_name"],
        speculative_algorithm=None,
        speculative_num_draft_tokens=None,
        disaggregation_mode="null",
        mem_fraction_static=1.0,
    )


def model_config(model: Mapping[str, Any], windows: bool) -> Any:
    """What stands in for SGLang's ModelConfig: the sizes that the configurators ask for."""
    arch = environment.load("sglang.srt.configs.model_config").AttentionArch
    full = next(one for one in model["layers"] if one["kind"] in ("full", "mla"))
    slides = next((one for one in model["layers"] if one["kind"] in ("sliding", "chunked")), full)
    named = "DeepseekV32ForCausalLM" if model.get("dsa") else "Measured"
    return SimpleNamespace(
        attention_arch=arch.MLA if model.get("mla") else arch.MHA,
        context_len=model["context"],
        is_hybrid_swa=windows,
        full_attention_layer_ids=layer_ids(model, windows=False),
        swa_attention_layer_ids=layer_ids(model, windows=True),
        num_hidden_layers=sum(one["layers"] for one in model["layers"]),
        hf_config=SimpleNamespace(
            architectures=[named], model_type="measured", index_topk=2048, index_head_dim=128
        ),
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


def layer_ids(model: Mapping[str, Any], windows: bool) -> list[int]:
    """As many layers of full attention, or of windows; which they are does not count."""
    kinds = ("sliding", "chunked") if windows else ("full", "mla")
    return list(range(sum(one["layers"] for one in model["layers"] if one["kind"] in kinds)))


def own_configurations() -> None:
    """Let a release register configurations that transformers has of its own by now."""
    mapping = environment.load("transformers.models.auto.configuration_auto").CONFIG_MAPPING
    register = mapping.register
    mapping.register = lambda name, config, exist_ok=False: register(name, config, exist_ok=True)


def stand_in(given: Options, budget: int) -> None:
    """Let every module of the release have these options, and a GPU with that much free."""
    world = given.world_group
    names: Mapping[str, Callable[..., Any]] = {
        **{f"get_{group}": lambda: given for group in GROUPS},
        "get_attention_tp_size": lambda: given.attn_tp_size,
        "get_available_gpu_memory": lambda *gpu, **more: budget / 2**30,
        "get_world_group": lambda: world,
        "configured_pp_size": lambda: 1,
        "mambaish_config": lambda config: None,
        "compute_page_shard_scratch_bytes": lambda configurator, **more: 0,
        "get_glm_dsa_layer_split_effective_num_layers": lambda configurator, layers: layers,
    }
    for module in [one for name, one in sys.modules.items() if name.startswith("sglang.")]:
        for name, own in names.items():
            if name in vars(module):
                setattr(module, name, own)


def cut(model: Mapping[str, Any], case: Case) -> Any:
    """The release's configuration of its pools, of a budget that is given as it is."""
    later = environment.installed(CONFIGURATOR)
    module = environment.load(CONFIGURATOR if later else RUNNER)
    if environment.installed(CHOICE):
        environment.load(CHOICE)
    given = options(case)
    stand_in(given, case["budget_bytes"])
    base: Any = module.KVCacheConfigurator if later else module.ModelRunnerKVCacheMixin

    class Configurator(base):  # type: ignore[misc]
        def _profile_available_bytes(self, before: int) -> int:
            return int(case["budget_bytes"])

        def fused_entry_bytes(self, kind: str) -> None:
            return None

    made = Configurator.__new__(Configurator)
    for name, value in attributes(model, case, given).items():
        setattr(made, name, value)
    return made._resolve_memory_pool_config(0)


def attributes(model: Mapping[str, Any], case: Case, given: Options) -> dict[str, Any]:
    """What a ModelRunner, or a configurator, of any release knows of its server and its model."""
    resolved = case["resolved"]
    windows = model["sglang_hybrid_pool"] and not resolved["disable_hybrid_swa_memory"]
    config = model_config(model, windows)
    layers = {
        "start_layer": 0,
        "end_layer": config.num_hidden_layers,
        "num_effective_layers": config.num_hidden_layers,
    }
    return {
        **layers,
        "layer_info": SimpleNamespace(
            **layers,
            full_attention_layer_ids=config.full_attention_layer_ids,
            swa_attention_layer_ids=config.swa_attention_layer_ids,
        ),
        "model_config": config,
        "server_args": given,
        "mem_fraction_static": 1.0,
        "ps": given,
        "dp_size": given.dp_size,
        "attn_dp_size": given.attn_dp_size,
        "pp_size": 1,
        "page_size": given.page_size,
        "device": "meta",
        "gpu_id": 0,
        "kv_cache_dtype": getattr(environment.load("torch"), resolved["kv_cache_dtype"]),
        "kv_cache_dtype_str": resolved["kv_cache_dtype_name"],
        "sliding_window_size": resolved["window"],
        "is_hybrid_swa": windows,
        "is_draft_worker": False,
        "use_mla_backend": bool(model.get("mla")),
        "mambaish_config": None,
        "enable_hisparse": False,
        "spec_algorithm": SimpleNamespace(
            is_none=lambda: True, **dict.fromkeys(OFF, lambda: False)
        ),
    }

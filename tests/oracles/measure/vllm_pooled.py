"""Qwen4-Exp and GLM-5.3-Flash as their own classes specify their caches (the form of vllm_pooled).

Run: get_kv_cache_spec of the classes in vllm/models/qwen4_exp and vllm/models/glm5next, of the
recurrent layers with their prefill checkpoints, customize_attention_spec with the backends' own
classes, the choice of a block and its growth in platforms/interface.py, and the planner. Stood in:
the layer objects (their sizes alone), the GPU by its compute capability, and which kernel reads
prompts of recurrent layers, which the case says.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from tests.oracles.measure.environment import StandIn, load
from tests.oracles.measure.vllm_planner import Setup, planned, torch

CONFIGS = Path(__file__).parents[1] / "configs" / "checkpoints"
LAYERS = "vllm.model_executor.layers"

# Compiled kernels, which a backend's file imports where the GPU is stood in.
for name in ("vllm.vllm_flash_attn", "vllm.vllm_flash_attn.flash_attn_interface"):
    sys.modules[name] = StandIn(name)

load("vllm.models.qwen4_exp.nvidia.model")
qsa = load("vllm.models.qwen4_exp.nvidia.qsa")
side = load("vllm.models.qwen4_exp.common.qsa_cache")
embedding = load("vllm.models.qwen4_exp.nvidia.ple_layer").Qwen4ExpPLELayer
delta_net = load(f"{LAYERS}.mamba.gdn.qwen_gdn_linear_attn").QwenGatedDeltaNetAttention
kda = load("vllm.models.glm5next.common.kda").Glm5NextLinearAttention
pooled = load("vllm.models.glm5next.common.attention")
indexer = load("vllm.v1.attention.backends.mla.indexer")
latent = load(f"{LAYERS}.attention.mla_attention")
states = load(f"{LAYERS}.mamba.mamba_utils").MambaStateShapeCalculator
abstract = load(f"{LAYERS}.mamba.abstract")
registry = load("vllm.v1.attention.backends.registry").AttentionBackendEnum
customize = load("vllm.v1.worker.utils").customize_attention_spec
platforms = load("vllm.platforms.interface")
deep_gemm = load("vllm.utils.deep_gemm")
gdn_attn = load("vllm.v1.attention.backends.gdn_attn")
models = load("vllm.model_executor.models").ModelRegistry

platform = platforms.Platform
FORMS = {"auto": torch.bfloat16, "bfloat16": torch.bfloat16}

Table = Mapping[str, Any]
Layers = dict[str, tuple[Any, Any]]
"""By its name: a layer object, and its backend's class, None of recurrent layers."""


def made(kind: type, **own: Any) -> Any:
    """An object of a class that has these attributes and was not built."""
    measured: Any = type("Measured", (kind,), own)
    return measured.__new__(measured)


def qwen4(text: Table, config: Any, settings: Table) -> Layers:
    """The layers of Qwen4-Exp in order, then those of its MTP."""
    ranks, drafts = settings["tensor_parallel_size"], config.num_speculative_tokens
    exports = settings["prefill_kernel"] == "flashinfer"
    aligned = exports and settings["mamba_cache_mode"] == "align"
    of_state = getattr(torch, text.get("mamba_ssm_dtype", "bfloat16"))
    found: Layers = {}
    draft = ["full_attention"] * text["mtp_num_hidden_layers"] * (drafts > 0)
    for place, kind in enumerate([*text["layer_types"], *draft]):
        name = f"layers.{place}"
        if kind == "linear_attention":
            heads = (text["linear_num_key_heads"], text["linear_num_value_heads"])
            sizes = (text["linear_key_head_dim"], text["linear_value_head_dim"])
            shape = states.gated_delta_net_state_shape(
                ranks, *heads, *sizes, text["linear_conv_kernel_dim"], drafts
            )
            layer = made(
                delta_net,
                get_state_shape=lambda self, shape=shape: shape,
                get_state_dtype=lambda self: (torch.bfloat16, of_state),
                mamba_type=None,
                is_kv_cache_tp_replicated=False,
                vllm_config=config,
                _checkpoint_alignment=gdn_attn.FLASHINFER_GDN_CHECKPOINT_ALIGNMENT
                if aligned
                else None,
            )
            found[name] = layer, None
        else:
            found |= _selecting(name, text, config, settings)
        if place + 1 in text["ple_layer_ids"]:
            reach = (text["ple_conv_kernel_size"] - 1) * text["ngram_size"]
            found[f"{name}.ple"] = (
                made(
                    embedding,
                    hc_hidden_size=text["hc_count"] * text["hidden_size"],
                    conv_state_len=reach,
                    num_spec_tokens=drafts,
                    model_config=config.model_config,
                    cache_config=config.cache_config,
                ),
                None,
            )
    return found


def _selecting(name: str, text: Table, config: Any, settings: Table) -> Layers:
    form = settings["kv_cache_dtype"]
    fp8 = settings["indexer_kv_dtype"] == "fp8"
    size = text["indexer_head_dim"]
    common = {
        "cache_config": config.cache_config,
        "compress_ratio": text["indexer_compress_ratio"],
        "kv_cache": None,
    }
    heads = max(1, text["num_key_value_heads"] // settings["tensor_parallel_size"])
    main = made(
        qsa.Qwen4ExpQSAAttention,
        num_kv_heads=heads,
        head_dim=text["head_dim"],
        kv_cache_dtype=form,
        kv_cache_torch_dtype=FORMS.get(form, torch.uint8),
        attn_backend=qsa.Qwen4ExpQSAFlashAttentionBackend,
    )
    # A key of the ring and the three positions of 8 bytes that multimodal models keep beside it.
    raw = -(-size // 4) * 4 + 12
    ring = made(side.QSAKeyStateCache, head_size=raw, dtype=torch.bfloat16, **common)
    of_index = torch.float8_e4m3fn if fp8 else torch.bfloat16
    keys = made(side.QSACompressedKeyCache, head_size=size, dtype=of_index, **common)
    return {
        name: (main, main.attn_backend),
        f"{name}.raw": (ring, side.QSAStateBackend),
        f"{name}.keys": (keys, side.QSAStateBackend),
    }


def glm5(text: Table, config: Any, settings: Table) -> Layers:
    """The layers of GLM-5.3-Flash in order, then those of its MTP."""
    ranks, drafts = settings["tensor_parallel_size"], config.num_speculative_tokens
    linear = text["linear_attn_config"]
    found: Layers = {}
    draft = ["sparse"] * text["num_nextn_predict_layers"] * (drafts > 0)
    for place, kind in enumerate([*text["layer_types"], *draft]):
        name = f"layers.{place}"
        if kind == "linear_attention":
            layer = made(
                kda,
                kda_prefill_backend=settings["prefill_kernel"],
                tp_size=ranks,
                num_heads=linear["num_heads"],
                head_dim=linear["head_dim"],
                conv_size=linear["short_conv_kernel_size"],
                num_spec=drafts,
                model_config=config.model_config,
                cache_config=config.cache_config,
                mamba_type=None,
                is_kv_cache_tp_replicated=False,
            )
            found[name] = layer, None
            continue
        size, pool = text["index_head_dim"], text["index_kpool"]
        common = {"cache_config": config.cache_config, "_index_kpool": pool}
        row = made(
            latent.MLAAttention,
            head_size=text["kv_lora_rank"] + text["qk_rope_head_dim"],
            kv_cache_dtype=settings["kv_cache_dtype"],
            sliding_window=None,
            topk_buffer_width=None,
            indexer=None,
            non_causal_multi_token_decode=False,
        )
        keys = made(
            pooled.Glm5NextIndexerCache,
            head_dim=size + size // 128 * 4,
            dtype=torch.uint8,
            **common,
        )
        tail = made(pooled.Glm5NextTailCache, head_dim=size, dtype=torch.bfloat16, **common)
        of_rows = registry[settings["attention_backend"]].get_class()
        found |= {
            name: (row, of_rows),
            f"{name}.keys": (keys, indexer.Glm5NextIndexerBackend),
            f"{name}.tail": (tail, indexer.KpoolTailBackend),
        }
    return found


MODELS = {"qwen4_exp": qwen4, "glm5_next": glm5}


def measured(file: str, changed: Table, settings: Table, context: int) -> dict[str, Any]:
    """Plan a model of a published file, with what is changed in it, under a case's settings."""
    whole = json.loads((CONFIGS / file).read_text())
    text = {**whole["text_config"], **changed}
    mode, drafts = settings["mamba_cache_mode"], settings["num_speculative_tokens"]
    asked = settings.get("block_size")
    setup = Setup(
        context,
        int(settings["max_num_batched_tokens"]),
        tensor_parallel_size=settings["tensor_parallel_size"],
        mamba_cache_mode=mode,
        layout="BLHNC",
        cache={
            "block_size": asked or 16,
            "user_specified_block_size": asked is not None,
            "cache_dtype": settings["kv_cache_dtype"],
            "mamba_cache_dtype": "auto",
            "mamba_ssm_cache_dtype": "float32",
            "kv_cache_dtype_skip_layers": [],
            "mamba_block_size": context,
            "mamba_page_size_padded": None,
            "skip_page_size_padded": None,
            "prefix_match_unit": None,
            "use_replayssm": False,
        },
        model={
            "is_hybrid": True,
            "use_mla": "kv_lora_rank" in text,
            "architecture": "measured",
            "hf_text_config": SimpleNamespace(**text),
        },
    )
    config = setup.config()
    config.num_speculative_tokens = drafts
    capability = platforms.DeviceCapability(settings["compute_capability"], 0)
    with ExitStack() as stack:
        family = lambda cls, asked, device_id=0: asked // 10 == capability.major  # noqa: E731
        for name, stand_in in (
            ("get_device_capability", classmethod(lambda cls, device_id=0: capability)),
            ("is_device_capability_family", classmethod(family)),
        ):
            stack.enter_context(patch.object(platform, name, stand_in))
        current = load("vllm.platforms").current_platform
        stack.enter_context(
            patch.object(
                type(current), "is_device_capability_family", classmethod(family), create=True
            )
        )
        return _planned(config, text, settings, whole["model_type"], stack)


def _planned(
    config: Any, text: Table, settings: Table, kind: str, stack: ExitStack
) -> dict[str, Any]:
    layers = MODELS[kind](text, config, settings)
    config.compilation_config.static_forward_context = {
        name: layer for name, (layer, _) in layers.items()
    }
    size = text.get("head_dim") or text["kv_lora_rank"] + text["qk_rope_head_dim"]
    heads = max(1, text["num_key_value_heads"] // settings["tensor_parallel_size"])
    config.model_config.get_head_size = lambda: size
    config.model_config.get_num_kv_heads = lambda parallel: (
        1 if config.model_config.use_mla else heads
    )
    backends = list(dict.fromkeys(one for _, one in layers.values() if one is not None))
    grown: Any = type("Grown", (platform,), {"_find_non_ssm_backends": lambda config: backends})
    model = SimpleNamespace(get_mamba_specs_from_config=lambda config: list(_states(layers)))
    for context in (
        patch("vllm.config.vllm.set_current_vllm_config", lambda config: nullcontext()),
        patch.object(
            type(models), "resolve_model_cls", lambda self, name, model_config: (model, name)
        ),
        patch.object(indexer, "get_current_vllm_config", lambda: config),
    ):
        stack.enter_context(context)
    grown.update_block_size_for_backend(config)
    specs = {}
    for name, (layer, backend) in layers.items():
        try:
            spec = layer.get_kv_cache_spec(config)
        except AssertionError as error:
            return {"refused": str(error)[:120]}
        specs[name] = spec if backend is None else customize(backend, spec)
    found = planned(config, [specs])
    if "refused" in found:
        return {"refused": found["refused"][:120] or found["error"]}
    names = (
        *("group_layers", "group_block_sizes", "group_kinds", "bytes_per_block"),
        *("blocks_per_request", "bytes_per_request"),
    )
    return {"block_size": config.cache_config.block_size, **{name: found[name] for name in names}}


def _states(layers: Layers) -> Iterator[Any]:
    """The states of the layers, of no block yet."""
    spec = load("vllm.v1.kv_cache_interface").MambaSpec
    for layer, backend in layers.values():
        if backend is None:
            yield spec(
                shapes=tuple(layer.get_state_shape()), dtypes=layer.get_state_dtype(), block_size=-1
            )

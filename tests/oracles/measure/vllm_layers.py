"""Specifications as a layer's and its backend's own methods make them (the form of vllm_planned).

Run: get_kv_cache_spec of vLLM's layer classes, customize_attention_spec with the backend's own
class, the state shapes and types of mamba_utils, and the growth of blocks in platforms/interface.
Stood in: the layer objects (their sizes alone, in a namespace), the model's sizes that the growth
asks for, and the GPU: compute capability 9.0, with FlashAttention 4 10.0. One backend reads the
layers of a case, and FlashAttention those of keys and values beside latent rows. Values of another
size than keys, which vLLM's chunked and cross layers do not ask for, are put in: a what-if.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from tests.oracles.measure.environment import load
from tests.oracles.measure.vllm_planner import Setup, Specs, interface, planned, torch

Layer = Mapping[str, Any]

LAYERS = "vllm.model_executor.layers"
attention = load(f"{LAYERS}.attention.attention").Attention
chunked = load(f"{LAYERS}.attention.chunked_local_attention").ChunkedLocalAttention
cross = load(f"{LAYERS}.attention.cross_attention").CrossAttention
latent_module = load(f"{LAYERS}.attention.mla_attention")
mixer = load(f"{LAYERS}.mamba.mamba_mixer").MambaMixer
mixer2 = load(f"{LAYERS}.mamba.mamba_mixer2").MambaMixer2
states = load(f"{LAYERS}.mamba.mamba_utils")
indexer = load("vllm.model_executor.models.deepseek_v2").DeepseekV32IndexerCache
indexer_backend = load("vllm.v1.attention.backends.mla.indexer").DeepseekV32IndexerBackend
platforms = load("vllm.platforms.interface")
customize = load("vllm.v1.worker.utils").customize_attention_spec
backends = load("vllm.v1.attention.backends.registry").AttentionBackendEnum

platform = platforms.Platform
platform.num_compute_units = classmethod(lambda cls, device_id=0: 132)

KINDS = {
    "full_attention": attention,
    "sliding_attention": attention,
    "chunked_attention": chunked,
    "cross_attention": cross,
}
"""The layer classes of keys and values."""


def state_shape(layer: Layer, ranks: int) -> Any:
    """The shapes of a recurrent layer's state on a rank."""
    shapes, kernel = states.MambaStateShapeCalculator, layer["kernel"]
    match layer["kind"]:
        case "mamba":
            return shapes.mamba1_state_shape(ranks, layer["inner"], layer["state"], kernel)
        case "mamba2":
            sizes = (layer["groups"], layer["heads"], layer["head_dim"], layer["state"])
            inner = layer["heads"] * layer["head_dim"]
            return shapes.mamba2_state_shape(ranks, inner, *sizes, kernel)
        case "short_convolution":
            return shapes.short_conv_state_shape(ranks, layer["width"], kernel)
    heads = (layer["key_heads"], layer["value_heads"], layer["key_dim"], layer["value_dim"])
    return shapes.gated_delta_net_state_shape(ranks, *heads, kernel)


STATES = {
    "mamba": "mamba1_state_dtype",
    "mamba2": "mamba2_state_dtype",
    "short_convolution": "short_conv_state_dtype",
    "gated_delta_net": "gated_delta_net_state_dtype",
}
"""What resolves the types of a recurrent layer's state."""


def state_types(layer: Layer) -> Any:
    of_kind = getattr(states.MambaStateDtypeCalculator, STATES[layer["kind"]])
    given = 1 if layer["kind"] == "short_convolution" else 2
    return of_kind(torch.bfloat16, *["auto"] * given)


@cache
def backend_of(name: str) -> Any:
    """The class of an attention backend, whose module may reserve a workspace on a GPU."""
    empty = torch.empty
    with patch.object(torch, "empty", lambda *size, **named: empty(*size, device="meta")):
        load(backends[name].get_path().rpartition(".")[0])
    return backends[name].get_class()


def keyed(backend: Any) -> Any:
    """The backend that reads keys and values: FlashAttention beside latent rows."""
    return backend_of("FLASH_ATTN") if backend.is_mla() else backend


def caches(layers: Sequence[Layer], order: str) -> Iterator[tuple[int, str, Layer]]:
    """Each cache of the model: its layer's place, its name, its sizes; an indexer is one too."""
    for place, digit in enumerate(order):
        layer = layers[int(digit)]
        parts = list(layer.get("parts", [layer]))
        parts += [{**one, "kind": "indexer"} for one in parts if "index_head_dim" in one]
        for part, one in enumerate(parts):
            yield place, f"l{place:03}.{part}", one


def measured(layers: Sequence[Layer], order: str, settings: Layer, context: int) -> dict[str, Any]:
    """Plan a random list of layers under the settings of a case."""
    stages = int(settings.get("pipeline_parallel_size", 1))
    ranks = int(settings.get("tensor_parallel_size", 1))
    mode = settings.get("mamba_cache_mode", "none")
    setup = Setup(
        context,
        int(settings["max_num_batched_tokens"]),
        hybrid_manager=not settings.get("disable_hybrid_kv_cache_manager", False),
        stages=stages,
        tensor_parallel_size=ranks,
        mamba_cache_mode=mode,
        layout=settings.get("kv_cache_layout", "LBNHC"),
        num_prefill_lookahead_tokens=int(settings.get("num_prefill_lookahead_tokens", 0)),
        cache={
            "block_size": int(settings["block_size"]),
            "cache_dtype": settings["kv_cache_dtype"],
            "kv_cache_dtype_skip_layers": settings.get("kv_cache_dtype_skip_layers", []),
            "mamba_block_size": int(settings["block_size"]) if mode == "align" else context,
            "mamba_page_size_padded": None,
            "skip_page_size_padded": None,
            "use_replayssm": False,
        },
    )
    config = setup.config()
    backend = backend_of(settings["attention_backend"])
    flash_attention = int(settings.get("flash_attention_version", 3))
    load(backend.__module__).get_flash_attn_version = lambda **sizes: flash_attention
    capability = platforms.DeviceCapability(10 if flash_attention == 4 else 9, 0)
    platform.get_device_capability = classmethod(lambda cls, device_id=0: capability)
    own = [(place, name, one) for place, name, one in caches(layers, order)]
    grow(config, backend, [one for _, _, one in own], ranks)
    kept = config.cache_config.kv_cache_dtype_skip_layers
    slides = {place for place, _, one in own if "window" in one}
    specs: list[Specs] = [{} for _ in range(stages)]
    sizes = [int(size) for size in settings.get("pp_layer_partition", str(len(order))).split(",")]
    stage_of = [stage for stage, size in enumerate(sizes) for _ in range(size)]
    for place, name, one in own:
        plain = str(place) in kept or ("sliding_window" in kept and place in slides)
        form = "auto" if plain else settings["kv_cache_dtype"]
        specs[stage_of[place]][name] = spec(config, backend, one, form, ranks)
    return planned(config, specs)


def spec(config: Any, backend: Any, one: Layer, form: str, ranks: int) -> Any:
    """One cache's specification, by the methods of its layer's class and of its backend."""
    if one["kind"] in STATES:
        own = {
            "get_state_shape": lambda self: state_shape(one, ranks),
            "get_state_dtype": lambda self: state_types(one),
            "mamba_type": None,
            "is_kv_cache_tp_replicated": False,
        }
        # A Mamba 2 layer asks for the block of a checkpoint too.
        kind: Any = type("State", (mixer2 if one["kind"] == "mamba2" else mixer,), own)
        return kind.__new__(kind).get_kv_cache_spec(config)
    if one["kind"] == "indexer":
        size = one["index_head_dim"]
        layer = SimpleNamespace(
            head_dim=size + size // 128 * 4, dtype=torch.uint8, cache_config=config.cache_config
        )
        return customize(indexer_backend, indexer.get_kv_cache_spec(layer, config))
    if one["kind"] == "latent_attention":
        if form == "fp8" and backend.get_name() == "FLASHMLA_SPARSE":
            form = "fp8_ds_mla"
        layer = SimpleNamespace(
            head_size=one["kv_lora_rank"] + one["qk_rope_head_dim"],
            kv_cache_dtype=form,
            sliding_window=None,
            topk_buffer_width=None,
            indexer=None,
            non_causal_multi_token_decode=False,
        )
        return customize(backend, latent_module.MLAAttention.get_kv_cache_spec(layer, config))
    plain = keyed(backend)
    layer = SimpleNamespace(
        num_kv_heads=max(1, one["kv_heads"] // ranks),
        head_size=one["head_dim"],
        head_size_v=one.get("v_head_dim", one["head_dim"]),
        kv_cache_dtype=form,
        kv_cache_torch_dtype=torch.uint8 if form == "fp8" else torch.bfloat16,
        sliding_window=one.get("window"),
        attention_chunk_size=one.get("chunk"),
        attn_backend=plain,
        attn_type="decoder",
    )
    made = KINDS[one["kind"]].get_kv_cache_spec(layer, config)
    return customize(plain, replace(made, head_size_v=layer.head_size_v))


def grow(config: Any, backend: Any, own: Sequence[Layer], ranks: int) -> None:
    """Lengthen the block as the platform does: for states, then for layers kept in bfloat16."""
    heads = [one for one in own if "head_dim" in one and "kv_heads" in one]
    rows = [one for one in own if one["kind"] == "latent_attention"]
    recurrents = [one for one in own if one["kind"] in STATES]

    def sizes(one: Layer) -> tuple[int, int]:
        if one in rows:
            return 1, one["kv_lora_rank"] + one["qk_rope_head_dim"]
        return max(1, one["kv_heads"] // ranks), one["head_dim"]

    def elements(one: Layer) -> int:
        count, size = sizes(one)
        return count * size * (1 if one in rows else 2)

    def of_model(count: int, size: int, *, latent: bool) -> None:
        config.model_config.use_mla = latent
        config.model_config.architecture = "measured"
        config.model_config.get_num_kv_heads = lambda parallel: count
        config.model_config.get_head_size = lambda: size

    first = next(iter([*rows, *heads]), None)
    leading = next((one for one in own if one in heads or one in rows), None)
    backend = backend if leading in rows else keyed(backend)
    grown: Any = type("Grown", (platform,), {"_find_non_ssm_backends": lambda config: [backend]})
    with patch("vllm.config.vllm.set_current_vllm_config", nullcontext):
        if recurrents and (heads or rows):
            largest = max([*heads, *rows], key=elements)
            if rows:
                of_model(1, elements(largest), latent=True)
            else:
                of_model(*sizes(largest), latent=False)
            model = SimpleNamespace(
                get_mamba_specs_from_config=lambda config: [
                    interface.MambaSpec(
                        block_size=-1, shapes=state_shape(one, ranks), dtypes=state_types(one)
                    )
                    for one in recurrents
                ]
            )
            registry = load("vllm.model_executor.models").ModelRegistry
            with patch.object(
                type(registry), "resolve_model_cls", lambda self, name, model_config: (model, name)
            ):
                grown._align_hybrid_block_size(config, backend)
        if config.cache_config.kv_cache_dtype_skip_layers and first is not None:
            of_model(*sizes(first), latent=bool(rows))
            grown._align_heterogeneous_kv_block_size(config, backend)

"""Bytes of tokens and rows in each cache format, and of layers kept in the model's own."""

from typing import Any

import pytest

import kvcalc
from kvcalc.engines.vllm import formats
from kvcalc.engines.vllm.plan import plan
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import UnsupportedError
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.latent import LatentAttention
from kvcalc.layers.recurrent import Mamba2
from kvcalc.model import Model
from tests.each import each

CONFIGS = "tests/oracles/configs"
LLAMA = kvcalc.load("llama-3.1-8b")
SCALED = {"int8_per_token_head", "fp8_per_token_head", "int4_per_token_head"}


@each(
    ("form", "kept", "token"),
    [
        ("turboquant_k8v4", 7_902_068_736, 8 * 196),  # 46 % of bfloat16
        ("turboquant_4bit_nc", 6_081_740_800, 8 * 134),
        ("turboquant_k3v4_nc", 5_611_978_752, 8 * 118),
        ("turboquant_3bit_nc", 5_142_216_704, 8 * 102),  # 30 %
    ],
)
def test_turboquant_keeps_four_layers_of_llama_beside_those_given(
    form: str, kept: int, token: int
) -> None:
    given = {"0": 0, "": 0, "7": 1, "7,8,31": 2}
    for skipped, more in given.items():
        cost = kvcalc.cost(LLAMA, "vllm", kv_cache_dtype=form, kv_cache_dtype_skip_layers=skipped)
        assert cost(131_072) == kept + more * 131_072 * (4_096 - token)


@pytest.mark.parametrize("form", ["turboquant_k8v4", "ultraquant_4bit"])
@pytest.mark.parametrize(
    ("layers", "kept"), [(1, 0), (2, 2), (3, 2), (4, 4), (5, 4), (6, 4), (80, 4)]
)
def test_two_layers_at_each_end_are_kept_of_fewer_half(form: str, layers: int, kept: int) -> None:
    """turboquant/config.py, get_boundary_skip_layers."""
    model = Model(name="m", layers=(FullAttention(kv_heads=8, head_dim=128),) * layers)
    planned = plan(model, VllmSettings(kv_cache_dtype=form))
    unquantised = [cache for _, cache in planned.caches if cache.shape[1] == "bfloat16"]
    assert len(unquantised) == kept


def test_where_attentions_first_layer_is_kept_it_reckons_a_byte_an_element() -> None:
    """A token is 8 x 2 x 128 bytes, a state's page lcm(1,568, 4,096) x 16: 1,568 tokens' page."""
    state = Mamba2(kernel=4, heads=64, head_dim=64, groups=8, state=128)
    model = Model(name="m", layers=(state, FullAttention(kv_heads=8, head_dim=128)) * 2)
    settings = VllmSettings(kv_cache_dtype="turboquant_k8v4", kv_cache_dtype_skip_layers=("1",))
    assert plan(model, settings).block_size == 1568


def test_blocks_grow_as_if_values_were_as_long_as_keys() -> None:
    """MiMo's fp8 page of 32 tokens is reckoned with 2 x 192 elements, not 192 + 128."""
    mimo = kvcalc.load(f"{CONFIGS}/XiaomiMiMo--MiMo-V2-Flash.json")
    settings: dict[str, Any] = {"kv_cache_dtype": "fp8", "tensor_parallel_size": 8}
    planned = plan(mimo, VllmSettings(**settings, kv_cache_dtype_skip_layers=("sliding_window",)))
    assert (planned.block_size, planned.bytes_per_block) == (32, (9 * 32 * 2 * 192,))


@each(
    ("form", "head_dim", "head_bytes"),
    [
        ("int4_per_token_head", 64, 72),
        ("nvfp4", 64, 72),
        ("int4_per_token_head", 128, 136),
        ("nvfp4", 128, 144),
        ("fp8_per_token_head", 128, 264),
        ("fp8", 128, 256),
        ("bf16", 128, 512),
    ],
)
def test_bytes_of_a_head(form: str, head_dim: int, head_bytes: int) -> None:
    model = Model(name="m", layers=(FullAttention(kv_heads=1, head_dim=head_dim),))
    assert kvcalc.cost(model, "vllm", kv_cache_dtype=form)(1) == 16 * head_bytes


PACKED: dict[str, dict[tuple[int, int], int]] = {
    "int8_per_token_head": {(64, 64): 136, (192, 128): 328},
    "fp8_per_token_head": {(64, 64): 136, (192, 128): 328},
    "int4_per_token_head": {(64, 64): 72, (192, 128): 168, (81, 81): 88},
    "nvfp4": {(16, 16): 18, (64, 64): 72, (80, 80): 90, (100, 100): 112},
    "nvfp4_4over6": {(64, 64): 72},
    "turboquant_k8v4": {(64, 64): 100, (84, 84): 130, (100, 100): 154},
    "turboquant_4bit_nc": {(64, 64): 70, (84, 84): 90, (100, 100): 106},
    "turboquant_k3v4_nc": {(64, 64): 62, (84, 84): 80, (100, 100): 94},
    "turboquant_3bit_nc": {(64, 64): 54, (84, 84): 70, (100, 100): 82},
    "ultraquant_4bit": {(64, 64): 68, (96, 96): 102},
    "octave_k3v3_compact": {(64, 64): 52, (128, 128): 100},
}
"""Bytes of a head's slot by the elements of a key and of a value: what customize_spec of 0.33.0
makes of them (v1/attention/backends, turboquant/config.py's slot_size_aligned)."""


@each("form", formats.PACKED)
def test_a_heads_slot_is_what_its_backend_says(form: str) -> None:
    for (key, value), slot in PACKED[form].items():
        assert formats.token_bytes(formats.Heads(1, key, value), form) == slot
        assert formats.token_bytes(formats.Heads(3, key, value), form) == 3 * slot


@each("form", sorted({*PACKED} - SCALED))
def test_other_slots_hold_keys_and_values_of_one_size(form: str) -> None:
    """vLLM reads values in the shape of keys there, or asserts it."""
    with pytest.raises(UnsupportedError, match="needs keys and values of one size"):
        formats.token_bytes(formats.Heads(1, 128, 64), form)


@each(("elements", "row_bytes"), [(64, 64), (128, 132), (256, 264)])
def test_an_indexers_row_has_a_scale_for_every_128_elements(elements: int, row_bytes: int) -> None:
    layer = LatentAttention(
        kv_lora_rank=512, qk_rope_head_dim=64, sparse=True, index_head_dim=elements
    )
    assert kvcalc.cost(Model(name="m", layers=(layer,)), "vllm")(64) == 64 * (1152 + row_bytes)


@each(
    ("settings", "row_bytes"),
    [
        ({}, 60 * 1024 * 2 + 57 * 256),
        ({"tensor_parallel_size": 8}, 60 * 512 + 57 * 256),
        ({"tensor_parallel_size": 8, "indexer_kv_dtype": "fp8"}, 60 * 512 + 57 * 128),
        ({"tensor_parallel_size": 8, "kv_cache_dtype": "nvfp4"}, 60 * 144 + 57 * 256),
    ],
)
def test_minimax_m3s_index_rows_are_neither_split_nor_quantised_with_the_cache(
    settings: dict[str, Any], row_bytes: int
) -> None:
    model = kvcalc.load(f"{CONFIGS}/MiniMaxAI--MiniMax-M3.json")
    assert kvcalc.cost(model, "vllm", **settings).per_gpu(128) == 128 * row_bytes


@each(
    ("settings", "row_bytes"),
    [
        ({}, 1152 + 132),
        ({"kv_cache_dtype": "fp8"}, 656 + 132),
        ({"kv_cache_dtype": "nvfp4_ds_mla"}, 352 + 132),
        (
            {"kv_cache_dtype": "fp8", "attention_backend": "FLASHINFER_MLA_SPARSE"},
            576 + 132,
        ),
    ],
)
def test_rows_beside_an_indexer(settings: dict[str, Any], row_bytes: int) -> None:
    model = kvcalc.load(f"{CONFIGS}/deepseek-ai--DeepSeek-V3.2.json")
    assert kvcalc.cost(model, "vllm", **settings)(64) == 64 * 61 * row_bytes

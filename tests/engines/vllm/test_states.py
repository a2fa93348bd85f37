"""Recurrent layers: how blocks grow until one holds a state, and how many are held."""

from typing import Any

import kvcalc
from kvcalc.engines.vllm.plan import plan
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.recurrent import GatedDeltaNet, Mamba2
from kvcalc.model import Model
from tests.each import each
from tests.engines.vllm.measured import more_model

CONFIGS = "tests/oracles/configs"
QWEN = kvcalc.load(f"{CONFIGS}/Qwen--Qwen3.5-27B.json")


@each(
    ("name", "settings", "layers", "block"),
    [
        ("Qwen3-Next-80B-A3B", {}, [12, 12, 12, 12], 544),
        ("Qwen3-Next-80B-A3B", {"mamba_ssm_cache_dtype": "float32"}, [12, 12, 12, 12], 1056),
        ("Qwen3-Next-80B-A3B", {"num_speculative_tokens": 3}, [12, 12, 12, 12], 560),
        ("Granite-4.0-H-Small", {}, [4] * 10, 528),
        ("Falcon-H1-0.5B", {}, [36, 36], 800),
        ("Jamba-v0.1", {}, [4] * 8, 80),
        # Its state is smaller than a page of 16 tokens.
        ("LFM2-1.2B", {}, [5, 5, 6], 16),
    ],
)
def test_blocks_grow_until_one_holds_a_state(
    name: str, settings: dict[str, Any], layers: list[int], block: int
) -> None:
    planned = plan(more_model(name), VllmSettings(**settings))
    assert [len(group.members) for group in planned.groups] == layers
    assert planned.block_size == block


@each(
    ("settings", "held"),
    [
        ({}, 2),
        ({"prefill_checkpoint_blocks": 1}, 3),
        ({"num_speculative_tokens": 3}, 5),
        ({"mamba_cache_mode": "none"}, 1),
        ({"mamba_cache_mode": "none", "num_speculative_tokens": 3}, 4),
    ],
)
def test_a_request_holds_its_state_and_copies_of_it(settings: dict[str, Any], held: int) -> None:
    planned = plan(QWEN, VllmSettings(**settings))
    assert [group.blocks for group in planned.groups[:3]] == [held] * 3


@each(
    ("gpu", "head", "step"),
    [
        *(("h100", 128, 64), ("b200", 128, 64), ("rtx-pro-6000", 128, 64), ("l40s", 128, 16)),
        # On 9.x alone the kernel takes heads of other sizes.
        *(("h100", 64, 64), ("b200", 64, 16), ("rtx-pro-6000", 64, 16), ("l40s", 64, 16)),
    ],
)
def test_a_delta_net_that_exports_its_state_has_blocks_of_whole_chunks(
    gpu: str, head: int, step: int
) -> None:
    """gdn/qwen_gdn_linear_attn.py: chunks of 64 tokens; else whole blocks of attention, of 16."""
    net = GatedDeltaNet(kernel=4, key_heads=4, key_dim=head, value_heads=4, value_dim=128)
    attention = FullAttention(kv_heads=2, head_dim=128)
    planned = plan(Model(name="m", layers=(net, attention)), VllmSettings(gpu=gpu))
    # In bfloat16, three columns of the convolution and a state for each head.
    state = 2 * (3 * 4 * (2 * head + 128) + 4 * head * 128)
    assert planned.block_size == -(-state // (step * 1024)) * step


def test_states_are_not_shared_where_contexts_are() -> None:
    layers = (
        Mamba2(kernel=4, heads=64, head_dim=64, groups=8, state=128),
        FullAttention(kv_heads=8, head_dim=128),
    )
    planned = plan(
        Model(name="m", layers=layers),
        VllmSettings(tensor_parallel_size=16, decode_context_parallel_size=2),
    )
    block = planned.block_size
    assert [str(group.blocks) for group in planned.groups] == [
        "3",
        f"cdiv(cdiv(context, 2), {block})",
    ]

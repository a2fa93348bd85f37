"""One model over several Macs: what each holds (mlx-lm 0.32.2, `shard` of mlx_lm/models/*.py)."""

import pytest

import kvcalc
from kvcalc.engines.mlx.models import SHARDED
from kvcalc.errors import UnsupportedError
from kvcalc.model import Model
from tests.each import each
from tests.shapes import full, latent

LATENT = {
    *("deepseek_v3", "deepseek_v32", "glm4_moe_lite", "glm_moe_dsa", "joyai_llm_flash"),
    *("kimi_k2", "kimi_k25", "longcat_flash", "mistral4"),
}
"""Types of SHARDED whose layers keep latent rows: no `n_kv_heads //= N` in their `shard`."""


@each("kind", sorted(SHARDED - LATENT))
def test_kv_heads_are_divided(kind: str) -> None:
    model = Model(name="m", layers=(full(),), model_type=kind)
    alone = kvcalc.cost(model, "mlx")
    shared = kvcalc.cost(model, "mlx", tensor_parallel_size=2)
    assert (shared(5_000), shared.per_gpu(5_000)) == (alone(5_000), alone(5_000) // 2)
    packed = kvcalc.cost(model, "mlx", tensor_parallel_size=2, kv_bits=8)
    assert packed.per_gpu(9_000) == kvcalc.cost(model, "mlx", kv_bits=8)(9_000) // 2


@each("kind", sorted(LATENT))
def test_each_mac_keeps_latent_rows_whole(kind: str) -> None:
    model = Model(name="m", layers=(latent(),), model_type=kind)
    shared = kvcalc.cost(model, "mlx", tensor_parallel_size=4)
    assert shared.per_gpu(5_000) == kvcalc.cost(model, "mlx")(5_000)


def test_a_type_that_is_shared_otherwise_and_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="not modelled on mlx for the model type 'gemma3'"):
        kvcalc.cost(kvcalc.load("gemma-3-27b"), "mlx", tensor_parallel_size=2)
    with pytest.raises(UnsupportedError, match="found 16, expected a divisor of the 8 KV heads"):
        kvcalc.cost(kvcalc.load("llama-3.1-8b"), "mlx", tensor_parallel_size=16)
    with pytest.raises(UnsupportedError, match="found 3, expected a divisor of the 8 KV heads"):
        kvcalc.cost(kvcalc.load("llama-3.1-8b"), "mlx", tensor_parallel_size=3)

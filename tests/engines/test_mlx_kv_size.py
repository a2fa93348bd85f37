"""MLX-LM's `--max-kv-size`: a rotating cache, of models whose class makes none of its own."""

import pytest

import kvcalc
from kvcalc.engines import find
from kvcalc.engines.mlx.models import WITHOUT_MAKE_CACHE
from kvcalc.engines.mlx.settings import MlxSettings
from kvcalc.engines.server import writer
from kvcalc.engines.server.reader import read
from kvcalc.errors import KvcalcError
from kvcalc.layers.attention import FullAttention
from kvcalc.model import Model
from tests.each import each


@pytest.mark.parametrize(
    ("model", "bounded", "free"),
    [
        # 64 layers of 8 heads of 128: a reported 8 GiB at 32,768, and 1 GiB with the bound.
        ("qwen3-32b", 2**30, 2**33),
        # Its make_cache gives every layer a cache of its own.
        ("llama-3.1-8b", 2**32, 2**32),
    ],
)
def test_it_bounds_what_make_prompt_cache_makes(model: str, bounded: int, free: int) -> None:
    loaded = kvcalc.load(model)
    _, asked = read(f"mlx_lm.generate --model {model} --max-kv-size 4096")
    assert asked.settings == {"max_kv_size": "4096"}
    assert kvcalc.cost(loaded, "mlx", **asked.settings)(32_768) == bounded
    assert kvcalc.cost(loaded, "mlx")(32_768) == free


def test_the_server_has_no_such_flag() -> None:
    """ml-explore/mlx-lm#884, #1272, #1362: server.py of 0.32.2 has none yet."""
    with pytest.raises(KvcalcError, match=r"--max-kv-size: mlx_lm\.server has no such flag"):
        read("mlx_lm.server --model m --max-kv-size 4096")
    line = writer.write(find("mlx"), MlxSettings(max_kv_size=4096), kvcalc.load("qwen3-8b"))
    assert line.endswith("# no flag takes this: max_kv_size")


@each("model_type", sorted(WITHOUT_MAKE_CACHE))
def test_it_bounds_every_class_without_a_make_cache_of_its_own(model_type: str) -> None:
    layer = FullAttention(kv_heads=8, head_dim=128)
    model = Model(name="typed", model_type=model_type, layers=(layer,))
    assert kvcalc.cost(model, "mlx", max_kv_size=4096)(32_768) == 4096 * 4096


def test_the_peak_is_while_the_prompt_is_read() -> None:
    cost = kvcalc.cost(kvcalc.load("qwen3-32b"), "mlx", max_kv_size=4096)
    assert cost.peak_formula is not None
    row = 2**30 // 4096
    assert cost.peak_formula(32_768) == (4096 + 2047) * row


def test_it_has_no_packed_form() -> None:
    with pytest.raises(KvcalcError, match="a RotatingKVCache has no packed form"):
        kvcalc.cost(kvcalc.load("qwen3-32b"), "mlx", max_kv_size=4096, kv_bits=8)

"""Measure LMDeploy's cases again: python tests/oracles/measure/lmdeploy.py 0.16.0 --sample 50

Runs the PyTorch engine's own model configuration (ModelConfig.from_hf_config on the published file)
and its cache engine on PyTorch's meta device, whose tensors have shapes and no storage:
CacheEngine.get_cache_block_size, from 0.18.0 build_block_cache_plan. What stands in for a GPU: its
properties, as PyTorch would say them of an H200. Packages that are not installed are stood in.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.oracles.measure import comparison, environment
from tests.oracles.measure.comparison import ORACLES, Case, Form


def gpu() -> None:
    """Let PyTorch answer for an H200."""
    cuda = environment.load("torch").cuda
    cuda.is_available = lambda: True
    cuda.current_device = lambda: 0
    cuda.get_device_capability = lambda device=None: (9, 0)
    cuda.get_device_properties = lambda device=None: SimpleNamespace(
        name="H200", major=9, minor=0, total_memory=141 << 30, multi_processor_count=132
    )
    cuda.is_bf16_supported = lambda *given, **named: True


def config_of(name: str) -> Any:
    """The published file, as transformers reads it; no code of the model's own."""
    config = json.loads((ORACLES / "configs" / f"{name}.json").read_text())
    config.pop("auto_map", None)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config))
        return environment.load("transformers").AutoConfig.from_pretrained(folder)


def measured(table: Mapping[str, Any], case: Case) -> Case:
    """One block of all layers on a rank, and what the engine took from the file."""
    config = environment.load("lmdeploy.pytorch.config")
    engine = environment.load("lmdeploy.pytorch.engine.cache_engine")
    tp = case["tp"]
    model = config.ModelConfig.from_hf_config(
        config_of(case["model"]), dtype="bfloat16", dist_config=config.DistConfig(tp=tp)
    )
    cache = config.CacheConfig(
        max_batches=1,
        block_size=case["block_size_asked"],
        num_cpu_blocks=0,
        num_gpu_blocks=0,
        quant_policy=environment.load("lmdeploy.messages").QuantPolicy(case["quant_policy"]),
    )
    states = engine.StateCacheEngine
    if environment.installed(PLAN):
        block = environment.load(PLAN).build_block_cache_plan(model, cache, tp).logical_block_nbytes
        state = states.get_state_slot_nbytes(model.states_shapes)
    else:
        block = engine.CacheEngine.get_cache_block_size(cache, model, tp)
        state = states.get_cache_state_size(model.states_shapes)
    return {
        "block_size": cache.block_size,
        "block_bytes": block,
        "state_bytes_per_slot": state,
        "num_layers": model.num_layers,
        "num_key_value_heads": model.num_key_value_heads,
        "k_head_dim": model.k_head_dim,
        "v_head_dim": model.v_head_dim,
        "sliding_window": model.sliding_window,
        # 0.18.0 has these no longer: every cache is planned as tensors.
        "standard": getattr(model, "use_standard_kv_cache", True),
        "cache_shapes": list(getattr(model, "cache_shapes", [])),
        "dtype": str(model.dtype).removeprefix("torch."),
    }


PLAN = "lmdeploy.pytorch.engine.cache_engine.plan"
"""Where 0.18.0 and later plan a block."""

ASKED = frozenset(("model", "model_type", "tp", "quant_policy", "block_size_asked"))


if __name__ == "__main__":
    given = comparison.arguments(__doc__, ["lmdeploy"])
    version = environment.enter("lmdeploy", given.version)
    gpu()
    comparison.main([Form("lmdeploy", measured, ASKED)], given, f"LMDeploy {version} on the CPU")

"""Measure MLX's cases again: python tests/oracles/measure/mlx.py 0.32.2 --sample 50

Runs mlx-lm's own generate_step over its model classes, built from the published files on mlx for
the CPU, and reads the cache objects' own nbytes. Nothing stands in for a GPU: MLX works out arrays
only when they are read, and nothing reads them here. So no weight is made; eval does nothing; the
sampler says a constant token; and the scans of recurrent layers, which loop over every token where
there is no Metal, give arrays of the right shape.
"""

import json
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.oracles.measure import comparison, environment
from tests.oracles.measure.comparison import ORACLES, Case, Form

PACKAGES = ("mlx[cpu]", "numpy")

K_EXAONE = "LGAI-EXAONE--K-EXAONE-236B-A23B"
WINDOWS = {"k-exaone-w128": 128, "k-exaone-w4096": 4_096}

SMALL: Mapping[str, Any] = {
    "vocab_size": 1_024,
    "intermediate_size": 1_024,
    "moe_intermediate_size": 1_024,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "num_shared_experts": 1,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 262_144,
}
"""Sizes beside the cache that K-EXAONE's file leaves out."""


def config_of(name: str) -> dict[str, Any]:
    """The published file of a model of the cases."""
    file = K_EXAONE if name in WINDOWS else name
    config: dict[str, Any] = json.loads((ORACLES / "configs" / f"{file}.json").read_text())
    if name in WINDOWS:
        moe = [place > 0 for place in range(config["num_hidden_layers"])]
        config = {**SMALL, "is_moe_layer": moe, **config, "sliding_window": WINDOWS[name]}
    return config


@lru_cache(maxsize=1)
def model_of(name: str) -> Any:
    """The model's own class, its weights never worked out."""
    core, utilities = environment.load("mlx.core"), environment.load("mlx_lm.utils")
    config = config_of(name)
    kind, arguments = utilities._get_classes(config)
    model = kind(arguments.from_dict(config))
    model.set_dtype(core.bfloat16)
    return model


def measured(table: Mapping[str, Any], case: Case) -> Case:
    """Generate as the case says; the bytes of all caches at the end, and the most after a call."""
    core, generate = environment.load("mlx.core"), environment.load("mlx_lm.generate")
    for name in ("eval", "async_eval", "clear_cache"):
        setattr(generate.mx, name, lambda *arrays: None)
    model = model_of(case["model"])
    caches = environment.load("mlx_lm.models.cache").make_prompt_cache(model)
    held: list[int] = []

    class Noted:
        """The model, whose calls note what the caches hold when they end."""

        def __call__(self, tokens: Any, cache: Any) -> Any:
            out = model(tokens, cache=cache)
            held.append(sum(one.nbytes for one in cache))
            return out

    settings = {
        name: case[name]
        for name in ("kv_bits", "kv_group_size", "quantized_kv_start")
        if case[name] is not None
    }
    try:
        steps = generate.generate_step(
            core.zeros((case["prompt_tokens"],), dtype=core.int32),
            Noted(),
            max_tokens=case["generated_tokens"],
            prefill_step_size=case["prefill_step_size"],
            sampler=lambda odds: core.zeros((1,), dtype=core.int32),
            prompt_cache=caches,
            **settings,
        )
        for _ in steps:
            pass
    except Exception as error:  # whatever mlx-lm ends with
        return {"error": f"{type(error).__name__}: {error}"}
    return {"bytes": sum(one.nbytes for one in caches), "peak_bytes_at_call_ends": max(held)}


ASKED = frozenset(
    (
        *("model", "model_type", "prompt_tokens", "generated_tokens", "prefill_step_size"),
        *("kv_bits", "kv_group_size", "quantized_kv_start", "dtype", "sequences", "layers"),
    )
)
"""The layers were read off the cache objects; the bytes rest on them."""


if __name__ == "__main__":
    given = comparison.arguments(__doc__, ["mlx"])
    version = environment.enter("mlx-lm", given.version, PACKAGES)
    comparison.main([Form("mlx", measured, ASKED)], given, f"mlx-lm {version} on the CPU")

"""The tables of rotary positions: as many, as long and as wide as vLLM's classes make them."""

from collections.abc import Mapping
from typing import Any

from kvcalc.readers.huggingface import reading_of
from tests.each import each

LLAMA: Mapping[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "max_position_embeddings": 4096,
    "vocab_size": 1000,
    "intermediate_size": 64,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 2048}
GEMMA: Mapping[str, Any] = {**LLAMA, "model_type": "gemma3_text", "head_dim": 256}


@each(
    ("config", "tables"),
    [
        (LLAMA, [(4096, 128)]),
        ({**LLAMA, "rope_scaling": YARN}, [(8192, 128)]),
        ({**LLAMA, "rope_scaling": {"type": "linear", "factor": 8}}, [(32_768, 128)]),
        ({**LLAMA, "rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, [(4096, 128)]),
        ({**LLAMA, "partial_rotary_factor": 0.25}, [(4096, 32)]),
        ({**LLAMA, "rotary_dim": 64}, [(4096, 64)]),
        (
            {**GEMMA, "rope_theta": 1e6, "rope_local_base_freq": 1e4},
            [(4096, 256), (4096, 256)],
        ),
        ({**LLAMA, "model_type": "bamba", "mamba_expand": 2}, []),
    ],
)
def test_each_distinct_table_stands_once(
    config: Mapping[str, Any], tables: list[tuple[int, int]]
) -> None:
    sizes = reading_of(dict(config), "a model", "a test").model.sizes
    assert sizes is not None
    assert list(sizes.ropes) == tables

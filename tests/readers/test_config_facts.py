"""What a config.json says that no layer shows: its class, its groups of experts, its indexers."""

from typing import Any

from kvcalc.checkpoint import ConfigFacts
from kvcalc.readers.huggingface.config_facts import config_facts
from tests.each import each


@each(
    ("table", "text", "facts"),
    [
        (
            {"architectures": ["LlamaForCausalLM", "Other"]},
            {},
            {"architecture": "LlamaForCausalLM"},
        ),
        ({}, {"n_group": 8}, {"n_group": 8}),
        ({}, {"n_group": None, "num_expert_group": 2}, {"n_group": 2}),
        ({}, {"indexer_types": ["full"]}, {"indexer_types": True}),
        ({"architectures": "LlamaForCausalLM"}, {"n_group": "8", "indexer_types": None}, {}),
        ({"architectures": []}, {"n_group": 0}, {}),
        ({"architectures": ["a\x1b[2J"]}, {"n_group": True}, {}),
        ({"architectures": [7]}, {"n_group": 2**50}, {}),
        ({"architectures": ["A" * 201]}, {}, {}),
    ],
)
def test_they_are_read_and_what_is_not_valid_is_left_out(table: Any, text: Any, facts: Any) -> None:
    assert config_facts(table, text) == ConfigFacts(**facts)

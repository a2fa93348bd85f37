"""Keys that some files keep in a nested table, and the names by which the rules know them."""

from collections.abc import Mapping
from typing import Any

NESTED = {
    "linear_attn_config": {
        "num_heads": "linear_num_heads",
        "head_dim": "linear_head_dim",
        "short_conv_kernel_size": "linear_conv_kernel_dim",
    },
    "sparse_attention_config": {
        "sparse_attention_freq": "sparse_attention_freq",
        "sparse_index_dim": "index_head_dim",
        "sparse_num_index_heads": "index_n_heads",
    },
    "attn_config": {"kv_n_heads": "num_key_value_heads"},
}
"""The nested tables, and the usual name of each of their keys."""


def flattened(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Copy the nested keys to the top level."""
    found = dict(table)
    for key, names in NESTED.items():
        nested = table.get(key)
        if isinstance(nested, dict):
            found |= {names[name]: value for name, value in nested.items() if name in names}
    return found

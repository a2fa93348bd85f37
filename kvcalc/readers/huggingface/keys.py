"""The keys of a config.json, under one name each, with its class's defaults.

A key is looked up by its own name, by the names that its model type gives it, and by the names
that other families use; the default of its model type's class comes last. It is remembered what
was read and from where.
"""

from collections.abc import Mapping
from typing import Any

from kvcalc.errors import SourceError, quote

ALIASES: dict[str, tuple[str, ...]] = {
    "num_hidden_layers": (
        "n_layer",
        "n_layers",
        "num_layers",
    ),
    "num_attention_heads": (
        "n_head",
        "n_heads",
        "num_heads",
        "attention_heads",
    ),
    "num_key_value_heads": (
        "n_head_kv",
        "num_kv_heads",
        "num_attention_groups",
        "multi_query_group_num",
    ),
    "hidden_size": ("d_model", "n_embd", "embed_dim", "embedding_dim"),
    "head_dim": ("d_kv", "attention_head_dim", "kv_channels"),
    "layer_types": ("layers_block_type",),
    "sliding_window": ("sliding_window_size",),
    "max_position_embeddings": (
        "n_positions",
        "n_ctx",
        "max_seq_len",
        "model_max_length",
        "max_target_positions",
        "context_length",
    ),
    "conv_kernel": ("mamba_d_conv", "conv_kernel_size"),
    "state_size": ("mamba_d_state", "ssm_state_size"),
    "mamba_heads": ("mamba_num_heads", "mamba_n_heads", "n_mamba_heads", "num_heads"),
    "mamba_head_dim": ("mamba_d_head", "mamba_headdim"),
    "mamba_groups": ("mamba_n_groups", "mamba_ngroups", "n_groups"),
    "mamba_expand": ("expand",),
    "linear_conv_kernel_dim": ("short_conv_kernel_size",),
    "index_head_dim": ("indexer_head_dim",),
    "index_kpool": ("indexer_compress_ratio",),
    "num_nextn_predict_layers": ("mtp_num_hidden_layers", "num_mtp_modules"),
    "dtype": ("torch_dtype",),
}
"""Other names of a key, in the order in which they are tried."""

DECODERS: dict[str, tuple[str, ...]] = {
    "num_hidden_layers": ("decoder_layers", "num_decoder_layers", "decoder_num_hidden_layers"),
    "num_attention_heads": (
        "decoder_attention_heads",
        "num_decoder_attention_heads",
        "decoder_num_attention_heads",
    ),
    "num_key_value_heads": ("decoder_num_key_value_heads",),
}
"""Names that tell the decoder's half from the encoder's, and so are tried before any other."""


class Keys:
    """A config.json's table, read by canonical names."""

    def __init__(
        self,
        table: Mapping[str, Any],
        names: Mapping[str, str],
        defaults: Mapping[str, Any],
        origins: dict[str, str] | None = None,
    ) -> None:
        self.table = table
        self.names = names
        self.defaults = defaults
        self.origins = {} if origins is None else origins

    def _names(self, key: str) -> tuple[str, ...]:
        own = self.names.get(key, key)
        return (*DECODERS.get(key, ()), own, key, *ALIASES.get(key, ()))

    def get(self, key: str, otherwise: Any = None) -> Any:
        """Read a key; if the file says null, the class's default does not count either."""
        names = self._names(key)
        for name in names:
            if self.table.get(name) is not None:
                self.origins[key] = f"key {name}"
                return self.table[name]
        if not any(name in self.table for name in names):
            for name in names:
                if self.defaults.get(name) is not None:
                    self.origins[key] = f"default of the class ({name})"
                    return self.defaults[name]
        return otherwise

    def size(self, key: str) -> int:
        """Read a key that must be a positive int.

        Raises:
            SourceError: it is absent, or has another type.
        """
        value = self.get(key)
        if type(value) is not int or value < 1:
            found = "nothing" if value is None else quote(value)
            raise SourceError(f"{key}: found {found}, expected a positive integer")
        return value

    def count(self, key: str) -> int:
        """Read a key that must be an int of at least 0; absent is 0.

        Raises:
            SourceError: it has another type.
        """
        return 0 if self.get(key) in (None, 0) else self.size(key)

    def flag(self, key: str, otherwise: bool = False) -> bool:
        """Read a key that must be true or false, of which text such as "false" is neither.

        Raises:
            SourceError: it has another type.
        """
        value = self.get(key, otherwise)
        if type(value) is not bool:
            raise SourceError(f"{key}: found {quote(value)}, expected true or false")
        return value

    def table_of(self, key: str) -> Mapping[str, Any]:
        """Read a key that must be a table; absent is empty.

        Raises:
            SourceError: it has another type.
        """
        value = self.get(key, {})
        if not isinstance(value, dict):
            raise SourceError(f"{key}: found {quote(value)}, expected a table")
        return value

    def list_of(self, key: str, kind: type) -> list[Any]:
        """Read a key that must be a list of values of a kind; absent is empty.

        Raises:
            SourceError: it has another type.
        """
        value = self.get(key, [])
        if not isinstance(value, list) or any(type(item) is not kind for item in value):
            raise SourceError(f"{key}: found {quote(value)}, expected a list of {kind.__name__}")
        return value

    def in_file(self, key: str) -> bool:
        """Say whether the file itself gives a key."""
        names = self._names(key)
        return any(self.table.get(name) is not None for name in names)

    def has(self, *keys: str) -> bool:
        """Say whether all of these keys are known."""
        return all(self.get(key) is not None for key in keys)

    def within(self, overrides: Mapping[str, Any]) -> "Keys":
        """The same keys, with some of them overridden for one layer."""
        return Keys({**self.table, **overrides}, self.names, self.defaults, self.origins)

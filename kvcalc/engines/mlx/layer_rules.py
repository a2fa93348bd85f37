"""What each kind of layer keeps in MLX-LM's caches at the end of a call."""

from typing import TYPE_CHECKING, NamedTuple

from kvcalc.costs import window_of
from kvcalc.dtypes import Dtype, dtype
from kvcalc.engines.additive import RowRule, TokenRows
from kvcalc.engines.mlx import models
from kvcalc.engines.mlx.prefill import CallEnd
from kvcalc.engines.mlx.settings import MlxSettings
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value, minimum
from kvcalc.model import Model

if TYPE_CHECKING:
    from kvcalc.layers.attention import Attention, FullAttention, SlidingAttention
    from kvcalc.layers.chunked import ChunkedAttention
    from kvcalc.layers.latent import LatentAttention
    from kvcalc.layers.layer import Layer
    from kvcalc.layers.recurrent import Recurrent

FLOAT32 = dtype("float32")

RECURRENT = (
    "mamba2",
    "gated_delta_net",
    "kimi_delta_attention",
    "lightning_attention",
    "short_convolution",
)
"""An ArraysCache holds the convolution in the activations' type and the state in float32
(0.32.2: models/ssm.py, gated_delta.py, bailing_hybrid.py, lfm2.py)."""

KINDS = (
    "full_attention",
    "sliding_attention",
    "chunked_attention",
    "latent_attention",
    *RECURRENT,
    "shared_cache",
    "no_cache",
    "combined",
)


class LayerRules(NamedTuple):
    """What is kept of one sequence, for a model, its settings and a moment.

    `kv_bits` packs after a call: `passed` is the tokens that were there when it last did.
    """

    model: Model
    element: Dtype
    settings: MlxSettings
    moment: CallEnd
    passed: Value

    def kinds(self) -> dict[str, RowRule]:
        """Give each kind of layer its rule."""
        return {
            "full_attention": self.full,
            "latent_attention": self.latent,
            "sliding_attention": self.sliding,
            "chunked_attention": self.chunked,
            **dict.fromkeys(RECURRENT, self.recurrent),
            "shared_cache": self.nothing,
            "no_cache": self.nothing,
        }

    @property
    def bound(self) -> int | None:
        """Tokens that `--max-kv-size` leaves of a cache of all tokens."""
        return self.settings.max_kv_size if models.bounded(self.model) else None

    @property
    def room(self) -> Value:
        """Tokens that a cache of all tokens has room for."""
        return self.moment.full() if self.bound is None else self.moment.sliding(self.bound)

    def full(self, layer: "FullAttention") -> list[TokenRows]:
        """KVCache, or QuantizedKVCache once `kv_bits` applies; an indexer's keys in one more."""
        size = layer.index_head_dim
        return self.every_token(layer) + ([] if size is None else [self.index_keys(size)])

    def sliding(self, layer: "SlidingAttention") -> list[TokenRows]:
        """RotatingKVCache."""
        if not models.rotates(self.model) or self.bound is not None:
            return self.every_token(layer)
        if self.settings.kv_bits is not None and not models.in_lists(self.model):
            raise self.stops("the window of a RotatingKVCache has no packed form")
        row = self.keys_and_values(layer, "RotatingKVCache")
        window = window_of(self.model, layer.window)
        return [row._replace(tokens=self.moment.sliding(window))]

    def chunked(self, layer: "ChunkedAttention") -> list[TokenRows]:
        """ChunkedKVCache, which `kv_bits` leaves as it is."""
        if not models.chunks(self.model):
            return self.every_token(layer)
        row = self.keys_and_values(layer, "ChunkedKVCache")
        return [row._replace(tokens=self.moment.chunked(layer.chunk))]

    def latent(self, layer: "LatentAttention") -> list[TokenRows]:
        """KVCache of the latent as key and the rotary key as value; an indexer's keys twice."""
        if layer.window is not None:
            raise UnsupportedError(
                "mlx does not support latent_attention layers with a window",
                what="latent_attention layers with a window",
            )
        indexed = models.index_head_dim(self.model) if layer.sparse else None
        listed = indexed is not None or models.in_lists(self.model)
        if self.settings.kv_bits is not None and not listed:
            raise self.stops("attention to latent rows (MLA) cannot read packed ones")
        sizes = f"({layer.kv_lora_rank} + {layer.qk_rope_head_dim}) elements of {self.element.name}"
        row = self.element.row_bytes(layer.row_elements)
        rows = [TokenRows("a token of a KVCache", sizes, row, self.room)]
        return rows if indexed is None else [*rows, self.index_keys(indexed, twice=True)]

    def recurrent(self, layer: "Recurrent") -> list[TokenRows]:
        """A convolution's last inputs and a state, of fixed size."""
        columns = layer.channels * (layer.taps - 1)
        elements = layer.state_elements
        convolution = self.element.row_bytes(columns)
        return [
            TokenRows(
                "the convolution", f"{columns} elements of {self.element.name}", convolution, 1
            ),
            TokenRows(
                "the state", f"{elements} elements of float32", FLOAT32.row_bytes(elements), 1
            ),
        ]

    def nothing(self, layer: "Layer") -> list[TokenRows]:
        """No cache."""
        return []

    def every_token(self, layer: "Attention") -> list[TokenRows]:
        """All tokens: `kv_bits` packs all of them or none."""
        plain = self.keys_and_values(layer)
        if self.bound is not None:
            if self.settings.kv_bits is not None:
                raise self.stops("a RotatingKVCache has no packed form")
            return [plain]
        if self.settings.kv_bits is None or models.in_lists(self.model):
            return [plain]
        packed = self.packed_keys_and_values(layer)
        is_packed = minimum(1, self.passed // max(1, self.settings.quantized_kv_start))
        return [
            plain._replace(tokens=plain.tokens * (1 - is_packed)),
            packed._replace(tokens=packed.tokens * is_packed),
        ]

    def keys_and_values(self, layer: "Attention", of: str = "KVCache") -> TokenRows:
        """A key and a value per KV head, for as many tokens as a full layer has room for."""
        heads = layer.kv_heads // self.settings.tensor_parallel_size
        row = heads * (
            self.element.row_bytes(layer.head_dim) + self.element.row_bytes(layer.value_dim)
        )
        sizes = f"{heads} KV heads x ({layer.head_dim} + {layer.value_dim})"
        working = f"{sizes} elements of {self.element.name}"
        return TokenRows(f"a token of a {of}", working, row, self.room)

    def packed_keys_and_values(self, layer: "Attention") -> TokenRows:
        """Elements of `kv_bits`, and a scale and a bias for every `kv_group_size` of them.

        Raises:
            UnsupportedError: groups that a head's key or value does not fill.
        """
        bits, group = self.settings.kv_bits or 0, self.settings.kv_group_size
        heads = layer.kv_heads // self.settings.tensor_parallel_size
        row = 0
        for size in (layer.head_dim, layer.value_dim):
            if size % group:
                raise UnsupportedError.of(
                    "kv_group_size", f"found {group}, expected a divisor of the head dim {size}"
                )
            row += heads * (size * bits // 8 + 2 * self.element.row_bytes(size // group))
        sizes = f"{heads} KV heads x ({layer.head_dim} + {layer.value_dim})"
        working = f"{sizes} elements of {bits} bits, 2 of {self.element.name} for every {group}"
        return TokenRows("a token of a QuantizedKVCache", working, row, self.room)

    def index_keys(self, size: int, twice: bool = False) -> TokenRows:
        """An indexer's KVCache: its values are empty, or (DeepSeek-V3.2) as large as its keys."""
        row = self.element.row_bytes(size) * (2 if twice else 1)
        working = f"{'2 x ' if twice else ''}{size} elements of {self.element.name}"
        return TokenRows("an indexer's key of a token", working, row, self.room)

    def stops(self, reason: str) -> UnsupportedError:
        """Say that the engine stops with `kv_bits`, and when."""
        start = self.settings.quantized_kv_start
        return UnsupportedError.of(
            "kv_bits",
            "mlx-lm crashes in the first call that ends at or past quantized_kv_start ("
            f"{start:,} tokens), as {reason}; before it, the cache is as without kv_bits",
        )

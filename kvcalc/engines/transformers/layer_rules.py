"""What transformers keeps of each kind of layer (5.24.0, cache_utils.py).

A sliding layer keeps window - 1 tokens beside the one being computed, a chunked one chunk - 1; a
static cache keeps the window or the chunk.
A convolution keeps `kernel` columns; states are float32 unless their kind says otherwise.
"""

from typing import TYPE_CHECKING, NamedTuple

from kvcalc.costs import CONTEXT, SOURCE, window_of
from kvcalc.dtypes import Dtype, dtype
from kvcalc.engines.additive import RowRule, TokenRows
from kvcalc.formula.expression import Value, minimum
from kvcalc.model import Model

if TYPE_CHECKING:
    from kvcalc.layers.attention import Attention, FullAttention, SlidingAttention
    from kvcalc.layers.chunked import ChunkedAttention
    from kvcalc.layers.latent import CompressedAttention, LatentAttention
    from kvcalc.layers.layer import Layer
    from kvcalc.layers.recurrent import NgramEmbedding, Recurrent

ONE_MORE = {"mimo_v2_flash"}
"""Model types whose class slides over one token more than its file says (configuration class)."""

POOLED_INDEX = {"glm5_next", "glm5_next_text"}
"""Model types whose indexer keeps a key, a gate as long, and a flag of each token
(models/glm5_next/modeling_glm5_next.py)."""

INT64 = 8
"""Bytes of a token's id or position."""

FLOAT32 = dtype("float32")


class Cache(NamedTuple):
    """What each kind of layer keeps, for a model and the element type of its cache."""

    model: Model
    element: Dtype
    after_prompt: bool
    static: bool = False

    def in_window(self, window: int) -> Value:
        """Tokens a layer keeps of those in its window."""
        if self.after_prompt and not self.static:
            return CONTEXT
        more = (self.model.model_type in ONE_MORE) - (not self.static)
        return minimum(CONTEXT, window_of(self.model, window) + more)

    def keys_and_values(self, layer: "Attention", tokens: Value) -> list[TokenRows]:
        """A key and a value per KV head."""
        heads = layer.kv_heads
        row = heads * (
            self.element.row_bytes(layer.head_dim) + self.element.row_bytes(layer.value_dim)
        )
        sizes = f"{heads} KV heads x ({layer.head_dim} + {layer.value_dim})"
        return [
            TokenRows("a token of a layer", f"{sizes} elements of {self.element.name}", row, tokens)
        ]

    def indexer(self, size: int | None, name: str | None = None) -> list[TokenRows]:
        """An indexer's key, where the layer owns one."""
        if size is None:
            return []
        of = dtype(name) if name else self.element
        own = size if self.model.model_type not in POOLED_INDEX else 2 * size + 1
        working = f"{own} elements of {of.name}"
        return [TokenRows("an indexer's key", working, of.row_bytes(own), CONTEXT)]

    def full(self, layer: "FullAttention") -> list[TokenRows]:
        """All tokens."""
        return self.keys_and_values(layer, CONTEXT) + self.indexer(layer.index_head_dim)

    def sliding(self, layer: "SlidingAttention") -> list[TokenRows]:
        """The window's tokens."""
        return self.keys_and_values(layer, self.in_window(layer.window))

    def chunked(self, layer: "ChunkedAttention") -> list[TokenRows]:
        """The chunk's tokens."""
        if self.static:
            return self.keys_and_values(layer, minimum(CONTEXT, layer.chunk))
        return self.keys_and_values(
            layer, CONTEXT if self.after_prompt else minimum(CONTEXT, layer.chunk - 1)
        )

    def latent(self, layer: "LatentAttention") -> list[TokenRows]:
        """A row for all heads, and an indexer's key."""
        sizes = f"({layer.kv_lora_rank} + {layer.qk_rope_head_dim}) elements of {self.element.name}"
        tokens = CONTEXT if layer.window is None else self.in_window(layer.window)
        row = TokenRows(
            "a token of a layer", sizes, self.element.row_bytes(layer.row_elements), tokens
        )
        return [row, *self.indexer(layer.index_head_dim, layer.index_dtype)]

    def compressed(self, layer: "CompressedAttention") -> list[TokenRows]:
        """Near rows, compressed rows, and what waits to be compressed."""
        row = self.element.row_bytes(layer.head_dim)
        working = f"{layer.head_dim} elements of {self.element.name}"
        near = self.in_window(layer.window)
        if not layer.ratio:
            return [TokenRows("a token's key and value", f"2 x {working}", 2 * row, near)]
        far = CONTEXT // layer.ratio
        rows = [
            TokenRows("a token's row", working, row, near),
            TokenRows("a compressed row", working, row, far),
        ]
        # The tokens that do not fill a compressed row yet wait in two buffers.
        waiting = CONTEXT - layer.ratio * far
        if layer.index_head_dim is None:
            return [*rows, TokenRows("a waiting token", f"2 x {working}", 2 * row, waiting)]
        index = self.element.row_bytes(layer.index_head_dim)
        both = layer.head_dim + layer.index_head_dim
        # The last compressed window overlaps the next: kept in two element types.
        overlap = self.element.row_bytes(both) + FLOAT32.row_bytes(both)
        return [
            *rows,
            TokenRows("an indexer's row", f"{layer.index_head_dim} elements", index, far),
            TokenRows("a waiting token", f"4 x {both} elements", 4 * (row + index), waiting),
            TokenRows(
                "an overlapping row",
                f"{both} elements, twice",
                overlap,
                layer.ratio * minimum(1, far),
            ),
        ]

    def recurrent(self, layer: "Recurrent") -> list[TokenRows]:
        """A convolution in the model's element type, and a float32 state."""
        columns = layer.channels * layer.taps
        rows = [
            TokenRows(
                "the convolution",
                f"{columns} elements",
                dtype(self.model.dtype).row_bytes(columns),
                1,
            )
        ]
        elements = layer.shift_elements + layer.state_elements
        rows.append(TokenRows("the state", f"{elements} elements", FLOAT32.row_bytes(elements), 1))
        return rows

    def embedding(self, layer: "NgramEmbedding") -> list[TokenRows]:
        """The embedding's past columns, its last tokens, and the positions of all for its model."""
        columns = layer.channels * (layer.taps - 1)
        row = dtype(self.model.dtype).row_bytes(columns)
        tokens = layer.ngram - 1
        return [
            TokenRows("the embedding's columns", f"{columns} elements", row, 1),
            TokenRows("its last tokens", f"{tokens} of int64", tokens * INT64, 1),
            TokenRows("a token's position", "3 of int64, once a model", 3 * INT64, CONTEXT),
        ]

    def state_in_own_type(self, layer: "Recurrent") -> list[TokenRows]:
        """A convolution and a state in the model's element type."""
        elements = layer.channels * layer.taps + layer.state_elements
        of = dtype(layer.state_dtype) if layer.state_dtype else dtype(self.model.dtype)
        return [
            TokenRows("the state", f"{elements} elements of {of.name}", of.row_bytes(elements), 1)
        ]

    def nothing(self, layer: "Layer") -> list[TokenRows]:
        """No cache."""
        return []

    def kinds(self) -> dict[str, RowRule]:
        """Give each kind of layer its rule."""
        return {
            "full_attention": self.full,
            "latent_attention": self.latent,
            "sliding_attention": self.sliding,
            "chunked_attention": self.chunked,
            "compressed_attention": self.compressed,
            "cross_attention": lambda layer: self.keys_and_values(layer, SOURCE),
            "mamba": self.recurrent,
            "mamba2": self.recurrent,
            "gated_delta_net": self.recurrent,
            "kimi_delta_attention": self.recurrent,
            "lightning_attention": self.state_in_own_type,
            "mlstm": self.state_in_own_type,
            "short_convolution": self.state_in_own_type,
            "ngram_embedding": self.embedding,
            "carried_row": self.state_in_own_type,
            "shared_cache": self.nothing,
            "no_cache": self.nothing,
        }

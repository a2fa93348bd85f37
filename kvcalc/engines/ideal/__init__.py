"""The least that attention itself needs: no pages, no padding, no tokens in flight.

A full layer keeps the whole context, a sliding one its window and a chunked one its chunk (at most
the context each); a recurrent one kernel - 1 columns of its convolution and its state, in the
model's own element type; an indexer nothing.
"""

from typing import TYPE_CHECKING

from kvcalc.costs import CONTEXT, SOURCE, Cost, window_of
from kvcalc.dtypes import DTYPES, dtype
from kvcalc.engines.additive import RowRule, TokenRows, additive_cost
from kvcalc.engines.engine import Engine, Settings, heads_per_rank, share_per_rank
from kvcalc.formula.expression import Value, minimum
from kvcalc.layers import KINDS
from kvcalc.model import Model

if TYPE_CHECKING:
    from kvcalc.layers.attention import Attention, SlidingAttention
    from kvcalc.layers.chunked import ChunkedAttention
    from kvcalc.layers.latent import CompressedAttention, LatentAttention
    from kvcalc.layers.layer import Layer
    from kvcalc.layers.recurrent import Recurrent


def kinds(model: Model, settings: Settings) -> dict[str, RowRule]:
    """Give each kind of layer what it keeps, with these settings."""
    element = dtype(settings.kv_cache_dtype or model.dtype)
    own = dtype(model.dtype)
    ranks = settings.tensor_parallel_size

    def keys_and_values(layer: "Attention", tokens: Value) -> list[TokenRows]:
        heads = heads_per_rank(layer.kv_heads, ranks)
        row = heads * (element.row_bytes(layer.head_dim) + element.row_bytes(layer.value_dim))
        sizes = f"{heads} KV heads x ({layer.head_dim} + {layer.value_dim})"
        return [TokenRows("a token of a layer", f"{sizes} elements of {element.name}", row, tokens)]

    def sliding(layer: "SlidingAttention") -> list[TokenRows]:
        return keys_and_values(layer, minimum(CONTEXT, window_of(model, layer.window)))

    def chunked(layer: "ChunkedAttention") -> list[TokenRows]:
        return keys_and_values(layer, minimum(CONTEXT, layer.chunk))

    def latent(layer: "LatentAttention") -> list[TokenRows]:
        sizes = f"({layer.kv_lora_rank} + {layer.qk_rope_head_dim}) elements of {element.name}"
        tokens = CONTEXT if layer.window is None else window_of(model, layer.window)
        row = element.row_bytes(layer.row_elements)
        copies = "" if ranks == 1 else ", the same on every rank"
        return [TokenRows("a token of a layer", sizes + copies, row, minimum(CONTEXT, tokens))]

    def compressed(layer: "CompressedAttention") -> list[TokenRows]:
        row = element.row_bytes(layer.head_dim)
        working = f"{layer.head_dim} elements of {element.name}, key and value at once"
        near = minimum(CONTEXT, window_of(model, layer.window))
        far: Value = CONTEXT // layer.ratio if layer.ratio else 0
        return [TokenRows("a row of a layer", working, row, near + far)]

    def recurrent(layer: "Recurrent") -> list[TokenRows]:
        columns = layer.channels * (layer.taps - 1)
        elements = share_per_rank(columns + layer.shift_elements + layer.state_elements, ranks)
        working = f"{elements} elements of {own.name}"
        return [TokenRows("the state of a layer", working, own.row_bytes(elements), 1)]

    def nothing(layer: "Layer") -> list[TokenRows]:
        return []

    return {
        "full_attention": lambda layer: keys_and_values(layer, CONTEXT),
        "latent_attention": latent,
        "sliding_attention": sliding,
        "chunked_attention": chunked,
        "compressed_attention": compressed,
        "cross_attention": lambda layer: keys_and_values(layer, SOURCE),
        **dict.fromkeys(
            (
                "mamba",
                "mamba2",
                "gated_delta_net",
                "kimi_delta_attention",
                "lightning_attention",
                "mlstm",
                "rwkv",
                "short_convolution",
                "ngram_embedding",
                "carried_row",
            ),
            recurrent,
        ),
        "shared_cache": nothing,
        "no_cache": nothing,
    }


def cost(model: Model, settings: Settings) -> Cost:
    """Work out the least that attention needs.

    Raises:
        KvcalcError: heads that the ranks cannot share.
    """
    element = dtype(settings.kv_cache_dtype or model.dtype)
    return additive_cost(ENGINE.name, model, settings, element.name, kinds(model, settings))


ENGINE = Engine(
    name="ideal",
    version="-",
    source="the definition of each kind of layer",
    settings=Settings,
    kinds=tuple(KINDS),
    dtypes=tuple(DTYPES),
    cost=cost,
    folder=__name__,
    note="ideal is the least that attention itself needs; engines allocate otherwise: "
    "see kvcalc compare.",
)

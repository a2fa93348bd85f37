"""The kinds of layers, by name; only kinds that are needed are imported."""

from importlib import import_module
from typing import Any

from kvcalc.errors import RequestError, quote
from kvcalc.layers.layer import Layer

KINDS = {
    "full_attention": "attention.FullAttention",
    "sliding_attention": "attention.SlidingAttention",
    "chunked_attention": "chunked.ChunkedAttention",
    "latent_attention": "latent.LatentAttention",
    "compressed_attention": "latent.CompressedAttention",
    "cross_attention": "cross.CrossAttention",
    "mamba": "recurrent.Mamba",
    "mamba2": "recurrent.Mamba2",
    "gated_delta_net": "recurrent.GatedDeltaNet",
    "kimi_delta_attention": "recurrent.KimiDeltaAttention",
    "lightning_attention": "recurrent.LightningAttention",
    "mlstm": "recurrent.Mlstm",
    "rwkv": "recurrent.Rwkv",
    "short_convolution": "recurrent.ShortConvolution",
    "ngram_embedding": "recurrent.NgramEmbedding",
    "carried_row": "recurrent.CarriedRow",
    "shared_cache": "composed.SharedCache",
    "no_cache": "composed.NoCache",
    "combined": "composed.Combined",
}
"""Each kind, as preset files name it, and its class."""


def layer(table: dict[str, Any]) -> Layer:
    """Make a layer from a table whose `kind` names its class.

    Raises:
        RequestError: there is no such kind, or a field is missing, unknown or out of range.
    """
    if not isinstance(table, dict):
        raise RequestError.about(
            "layer",
            f"found {quote(table)}",
            named="",
            found=table,
            expected="a table with a kind",
        )
    fields = dict(table)
    kind = fields.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise RequestError.of("kind", kind, f"one of {', '.join(KINDS)}")
    if isinstance(fields.get("parts"), list):
        fields["parts"] = tuple(layer(part) for part in fields["parts"])
    return _class(kind)(**fields)


def known_layer(table: dict[str, Any]) -> Layer:
    """Make a layer from a table that is known to be valid, as in kvcalc's own presets."""
    fields = {name: value for name, value in table.items() if name != "kind"}
    if "parts" in fields:
        fields["parts"] = tuple(known_layer(part) for part in fields["parts"])
    return _class(table["kind"]).model_construct(**fields)


def _class(kind: str) -> type[Layer]:
    module, _, name = KINDS[kind].partition(".")
    found: type[Layer] = getattr(import_module(f"kvcalc.layers.{module}"), name)
    return found

"""Files of latent attention without MLA's sizes, of which llama.cpp keeps each head's K and V.

llama.cpp before 2025-04 knew nothing else; later ones tell such a file by its missing
`attention.key_length_mla` (src/llama-hparams.cpp, is_mla).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kvcalc.engines.llama_cpp.log.contexts import Checks
from kvcalc.engines.log import AGREES, DIFFERS, Checked, Found, Subject
from kvcalc.layers.attention import FullAttention
from kvcalc.layers.latent import LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.model import Model
from kvcalc.parameters.sizes import Sizes

WHY = "each head's K and V, as of a file without MLA's sizes, or before llama.cpp knew them"


def check(each: Checks, lines: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    """Check a model's lines, as one of whole heads where more of them agree so."""
    rows = [*each(lines, subject)]
    if any(row.verdict == DIFFERS for row in rows) and (heads := _of_heads(subject.model)):
        others = [*each(lines, replace(subject, model=heads))]
        if _agreeing(others) > _agreeing(rows):
            rows = [
                replace(row, why=f"{row.why}, {WHY}") if row.verdict == AGREES else row
                for row in others
            ]
    yield from rows


def _agreeing(rows: Sequence[Checked]) -> int:
    return sum((row.verdict == AGREES) - (row.verdict == DIFFERS) for row in rows)


def _of_heads(model: Model | None) -> Model | None:
    """The model with whole heads; None where none are latent, or where their sizes are unknown."""
    if model is None or model.sizes is None:
        return None
    layers = tuple(_whole(layer, model.sizes) for layer in model.layers)
    return None if layers == model.layers else model.model_copy(update={"layers": layers})


def _whole(layer: Layer, sizes: Sizes) -> Layer:
    nope, value = sizes.qk_nope_head_dim, sizes.v_head_dim
    if not isinstance(layer, LatentAttention) or layer.window or layer.sparse:
        return layer
    if layer.query_heads is None or nope is None or value is None:
        return layer
    return FullAttention(
        query_heads=layer.query_heads,
        kv_heads=layer.query_heads,
        head_dim=nope + layer.qk_rope_head_dim,
        v_head_dim=value,
    )

"""The published sizes of a tower that reads images, which its weights follow from."""

from typing import Annotated, Literal

from pydantic import Field

from kvcalc.frozen import Frozen
from kvcalc.layers.layer import Size

TowerKind = Literal[
    "clip",
    "gemma3",
    "gemma4",
    "glm4v",
    "kimi_k25",
    "llama4",
    "minimax_m3_vl",
    "pixtral",
    "qwen2_vl",
    "qwen2_5_vl",
    "qwen3_vl",
    "siglip",
    "step3p7",
]


class Tower(Frozen):
    """A tower that reads images: its kind, its width and depth, and what else its ends need.

    `positions` are rows of its table of positions, where that does not follow from `image_size`;
    `merge_size` squared patches become a token; `deepstack` layers have a projector of their own;
    `projector` are the widths of an adapter. A projector may read the results of several layers,
    `features`, and have a bias; a `pooling_head` sums an image up, and a `newline` ends its rows.
    """

    kind: TowerKind
    hidden_size: Size
    num_hidden_layers: Size
    intermediate_size: Size
    patch_size: Size
    num_channels: Size = 3
    temporal_patch_size: Size = 1
    merge_size: Size = 1
    image_size: Size | None = None
    positions: Size | None = None
    head_dim: Size | None = None
    out_hidden_size: Size | None = None
    deepstack: Annotated[int, Field(strict=True, ge=0, le=1000)] = 0
    projector: tuple[Size, ...] = ()
    features: Size = 1
    projector_bias: bool = True
    pooling_head: bool = False
    newline: bool = False

"""The published sizes of a tower that reads images, which its weights follow from."""

from typing import Annotated, Literal

from pydantic import Field

from kvcalc.frozen import Frozen
from kvcalc.layers.layer import Size

TowerKind = Literal[
    "gemma3",
    "gemma4",
    "kimi_k25",
    "llama4",
    "minimax_m3_vl",
    "pixtral",
    "qwen2_vl",
    "qwen2_5_vl",
    "qwen3_vl",
    "step3p7",
]


class Tower(Frozen):
    """A tower that reads images: its kind, its width and depth, and what else its ends need.

    `positions` are rows of its table of positions, where that does not follow from `image_size`;
    `merge_size` squared patches become a token; `deepstack` layers have a projector of their own;
    `projector` are the widths of an adapter.
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

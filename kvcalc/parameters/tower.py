"""The tensors of a tower that reads images: its layers, and what stands before and after them.

Source: transformers 5.24.0, models/<type>/modeling_<type>.py; measured on the meta device
(tests/oracles/parameters.json).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from kvcalc.parameters.tensor import Role, Tensor
from kvcalc.parameters.tower_sizes import Tower


class Block(NamedTuple):
    """A tower's layer: `norms` of its width, with a bias or without, and `scales` beside them."""

    bias: bool = True
    gated: bool = False
    norms: int = 2
    norm_bias: bool = True
    head_norm: bool = False
    scales: int = 0


BLOCKS: Mapping[str, Block] = {
    "clip": Block(),
    "siglip": Block(),
    "qwen2_vl": Block(),
    "qwen2_5_vl": Block(gated=True, norm_bias=False),
    "qwen3_vl": Block(),
    "gemma3": Block(),
    "gemma4": Block(bias=False, gated=True, norms=4, norm_bias=False, head_norm=True),
    "glm4v": Block(bias=False, gated=True, norm_bias=False),
    "llama4": Block(),
    "kimi_k25": Block(),
    "minimax_m3_vl": Block(),
    "pixtral": Block(bias=False, gated=True, norm_bias=False),
    "step3p7": Block(scales=2),
}
"""The layers of each kind of tower."""


def tower_tensors(tower: Tower, hidden: int) -> Iterator[Tensor]:
    """The tensors of a tower whose results are rows of the language model's `hidden` width."""
    for part in (*_layer(tower, BLOCKS[tower.kind]),):
        yield part._replace(copies=part.copies * tower.num_hidden_layers)
    yield from ENDS[tower.kind](tower, hidden)


def _layer(tower: Tower, block: Block) -> Iterator[Tensor]:
    width, inner = tower.hidden_size, tower.intermediate_size
    yield _whole(width, copies=block.norms * (1 + block.norm_bias) + block.scales)
    if block.head_norm:
        yield _whole(tower.head_dim or 1, copies=2)
    for _ in "qkv":
        yield from _linear("vision_column", width, width, block.bias)
    yield from _linear("vision_row", width, width, block.bias)
    for _ in range(1 + block.gated):
        yield from _linear("vision_column", inner, width, block.bias)
    yield from _linear("vision_row", width, inner, block.bias)


def _whole(*shape: int, copies: int = 1) -> Tensor:
    return Tensor("vision_whole", "vision", shape, copies=copies)


def _linear(role: Role, rows: int, columns: int, bias: bool = True) -> Iterator[Tensor]:
    yield Tensor(role, "vision", (rows, columns))
    if bias:
        also: Role = "vision_column_bias" if role == "vision_column" else "vision_row_bias"
        yield Tensor(also, "vision", (rows,))


def _pixels(tower: Tower) -> int:
    """Values of a patch."""
    return tower.num_channels * tower.temporal_patch_size * tower.patch_size**2


def _patch(tower: Tower, bias: bool) -> Iterator[Tensor]:
    """The projection of a patch's pixels."""
    yield _whole(tower.hidden_size, _pixels(tower))
    if bias:
        yield _whole(tower.hidden_size)


def _grid(tower: Tower) -> int:
    """Patches of the largest image."""
    return ((tower.image_size or 0) // tower.patch_size) ** 2


def _qwen2_vl(tower: Tower, hidden: int) -> Iterator[Tensor]:
    """Patches are merged by a projector of two linears, after a norm as the layers' own."""
    merged = tower.hidden_size * tower.merge_size**2
    yield from _patch(tower, bias=False)
    yield _whole(tower.hidden_size, copies=1 + BLOCKS[tower.kind].norm_bias)
    yield from _linear("vision_column", merged, merged)
    yield from _linear("vision_row", tower.out_hidden_size or hidden, merged)


def _qwen3_vl(tower: Tower, hidden: int) -> Iterator[Tensor]:
    """Patches are merged by a projector of two linears; some layers have one of their own."""
    merged = tower.hidden_size * tower.merge_size**2
    yield from _patch(tower, bias=True)
    yield _whole(tower.positions or 0, tower.hidden_size)
    yield _whole(tower.hidden_size, copies=2)
    for number in range(1 + tower.deepstack):
        if number:
            yield _whole(merged, copies=2)
        yield from _linear("vision_column", merged, merged)
        yield from _linear("vision_row", tower.out_hidden_size or hidden, merged)


def _clip(tower: Tower, hidden: int) -> Iterator[Tensor]:
    """A token of the class before the patches, and a norm before and after the layers."""
    width = tower.hidden_size
    yield from _patch(tower, bias=False)
    yield _whole(width)
    yield _whole(_grid(tower) + 1, width)
    yield _whole(width, copies=4)
    yield from _two_linears(tower, hidden)


def _siglip(tower: Tower, hidden: int) -> Iterator[Tensor]:
    """A norm after the layers, and a head that attends to all patches, where there is one."""
    width, inner = tower.hidden_size, tower.intermediate_size
    yield from _patch(tower, bias=True)
    yield _whole(_grid(tower), width)
    yield _whole(width, copies=2)
    if tower.pooling_head:
        yield _whole(width, copies=3)
        for rows, columns in ((3 * width, width), (width, width), (inner, width), (width, inner)):
            yield _whole(rows, columns)
            yield _whole(rows)
    yield from _two_linears(tower, hidden)


def _two_linears(tower: Tower, hidden: int) -> Iterator[Tensor]:
    """LLaVA's projector."""
    columns = tower.features * tower.hidden_size
    yield from _linear("vision_column", hidden, columns, tower.projector_bias)
    yield from _linear("vision_row", hidden, hidden, tower.projector_bias)
    if tower.newline:
        yield _whole(hidden)


def _gemma3(tower: Tower, hidden: int) -> Iterator[Tensor]:
    yield from _patch(tower, bias=True)
    yield _whole(_grid(tower), tower.hidden_size)
    yield _whole(tower.hidden_size, copies=2)
    yield _whole(tower.hidden_size, hidden)
    yield _whole(tower.hidden_size)


def _gemma4(tower: Tower, hidden: int) -> Iterator[Tensor]:
    yield from _patch(tower, bias=False)
    yield _whole(2, tower.positions or 0, tower.hidden_size)
    yield _whole(hidden, tower.hidden_size)


def _glm4v(tower: Tower, hidden: int) -> Iterator[Tensor]:
    """Patches are merged by a convolution, and a projector of its own width follows."""
    (inner,) = tower.projector
    width, out = tower.hidden_size, tower.out_hidden_size or hidden
    yield from _patch(tower, bias=True)
    yield _whole(_grid(tower), width)
    yield _whole(width, copies=2)
    yield _whole(out, width, tower.merge_size, tower.merge_size)
    yield _whole(out, copies=3)
    yield _whole(out, out)
    for _ in range(2):
        yield from _linear("vision_column", inner, out, bias=False)
    yield from _linear("vision_row", out, inner, bias=False)


def _llama4(tower: Tower, hidden: int) -> Iterator[Tensor]:
    """A token of the class before the patches; an adapter and a projector after them."""
    inward, outward, projected = tower.projector
    yield from _linear("vision_column", tower.hidden_size, _pixels(tower), bias=False)
    yield _whole(tower.hidden_size)
    yield _whole(_grid(tower) + 1, tower.hidden_size)
    yield _whole(tower.hidden_size, copies=4)
    yield from _linear("vision_column", inward, tower.intermediate_size, bias=False)
    yield from _linear("vision_row", outward, outward, bias=False)
    yield from _linear("vision_column", hidden, projected, bias=False)


def _kimi(tower: Tower, hidden: int) -> Iterator[Tensor]:
    """A projector that engines keep whole on each rank."""
    merged = tower.hidden_size * tower.merge_size**2
    yield from _patch(tower, bias=True)
    yield _whole(tower.positions or 0, tower.hidden_size)
    yield _whole(tower.hidden_size, copies=4)
    for rows in (merged, hidden):
        yield _whole(rows, merged)
        yield _whole(rows)


def _minimax(tower: Tower, hidden: int) -> Iterator[Tensor]:
    """A projector for each patch, and one for the patches that become a token."""
    (projected,) = tower.projector
    yield from _patch(tower, bias=False)
    yield _whole(tower.hidden_size, copies=2)
    yield from _linear("vision_column", projected, tower.hidden_size)
    yield from _linear("vision_row", hidden, projected)
    yield from _linear("vision_column", projected, hidden * tower.merge_size**2)
    yield from _linear("vision_row", hidden, projected)


def _pixtral(tower: Tower, hidden: int) -> Iterator[Tensor]:
    """Patches are merged by a linear before the projector's two."""
    width = tower.hidden_size
    yield from _patch(tower, bias=False)
    yield _whole(width, copies=2)
    yield _whole(width, width * tower.merge_size**2)
    yield from _linear("vision_column", hidden, width, bias=False)
    yield from _linear("vision_row", hidden, hidden, bias=False)


def _step(tower: Tower, hidden: int) -> Iterator[Tensor]:
    """Two convolutions of three by three halve the image, and double the width, each."""
    width = tower.hidden_size
    yield from _patch(tower, bias=False)
    yield _whole(_grid(tower), width)
    yield _whole(width, copies=2)
    for factor in (2, 4):
        yield _whole(factor * width, factor * width // 2, 3, 3)
        yield _whole(factor * width)
    yield from _linear("vision_column", hidden, 4 * width, bias=False)


ENDS: Mapping[str, Callable[[Tower, int], Iterator[Tensor]]] = {
    "clip": _clip,
    "siglip": _siglip,
    "qwen2_vl": _qwen2_vl,
    "qwen2_5_vl": _qwen2_vl,
    "qwen3_vl": _qwen3_vl,
    "gemma3": _gemma3,
    "gemma4": _gemma4,
    "glm4v": _glm4v,
    "llama4": _llama4,
    "kimi_k25": _kimi,
    "minimax_m3_vl": _minimax,
    "pixtral": _pixtral,
    "step3p7": _step,
}
"""What stands before and after a tower's layers."""

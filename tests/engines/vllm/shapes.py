"""The measured cases' own lists of layers, as kvcalc's layers."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kvcalc.layers.attention import (
    ChunkedAttention,
    CompressedAttention,
    CrossAttention,
    FullAttention,
    LatentAttention,
    SlidingAttention,
)
from kvcalc.layers.composed import Combined, NoCache, SharedCache
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import (
    GatedDeltaNet,
    KimiDeltaAttention,
    Mamba,
    Mamba2,
    ShortConvolution,
)

Table = Mapping[str, Any]


def _heads(table: Table) -> dict[str, Any]:
    value = None if table["value_dim"] == table["key_dim"] else table["value_dim"]
    return {"kv_heads": table["kv_heads"], "head_dim": table["key_dim"], "v_head_dim": value}


def _latent(table: Table) -> Layer:
    row = table.get("latent") or table.get("key_dim") or table["kv_lora_rank"] + table["rope_dim"]
    rope = min(64, row - 1)
    return LatentAttention(
        kv_lora_rank=row - rope,
        qk_rope_head_dim=rope,
        sparse=bool(table.get("sparse")),
        index_head_dim=table.get("indexer"),
    )


RECURRENT: dict[str, Callable[[Table], Layer]] = {
    "gdn": lambda t: GatedDeltaNet(
        kernel=t["conv"],
        key_heads=t["k_heads"],
        value_heads=t["v_heads"],
        key_dim=t["k_dim"],
        value_dim=t["v_dim"],
    ),
    "mamba2": lambda t: Mamba2(
        kernel=t["conv"],
        heads=t["heads"],
        head_dim=t["head_dim"],
        groups=t["groups"],
        state=t["state"],
    ),
    "mamba1": lambda t: Mamba(kernel=t["conv"], inner=t["inner"], state=t["state"]),
    "kda": lambda t: KimiDeltaAttention(
        kernel=t["conv"], heads=t["heads"], head_dim=t["head_dim"]
    ),
    "conv": lambda t: ShortConvolution(kernel=t["conv"], width=t["inner"]),
}

KINDS: dict[str, Callable[[Table], Layer]] = {
    "full": lambda t: FullAttention(**_heads(t)),
    "m3 sparse": lambda t: FullAttention(**_heads(t), index_head_dim=128),
    "sink": lambda t: FullAttention(**_heads(t)),
    "sliding": lambda t: SlidingAttention(**_heads(t), window=t["window"]),
    "chunked": lambda t: ChunkedAttention(**_heads(t), chunk=t["chunk"]),
    "cross": lambda t: CrossAttention(**_heads(t)),
    "mla": _latent,
    "recurrent": lambda t: RECURRENT[t["type"]](t),
    "v4": lambda t: CompressedAttention(
        head_dim=512,
        window=t["window"],
        ratio=t["ratio"],
        index_head_dim=128 if t["ratio"] == 4 else None,
    ),
    "none": lambda t: NoCache(),
    "shared": lambda t: SharedCache(),
}


def layer(table: Table) -> Layer:
    """Build one layer of a case's table."""
    return KINDS[table["kind"]](table)


def repeated(tables: Iterable[Table]) -> tuple[Layer, ...]:
    """Build layers from entries that each stand for so many."""
    return tuple(one for table in tables for one in [layer(table)] * table["layers"])


def placed(layers: Iterable[Layer], index: Iterable[int], count: int) -> tuple[Layer, ...]:
    """Put caches into the layers that own them; those without one hold nothing."""
    owned: dict[int, list[Layer]] = {}
    for one, place in zip(layers, index, strict=True):
        owned.setdefault(place, []).append(one)
    return tuple(_together(owned.get(place, [NoCache()])) for place in range(count))


def _together(parts: list[Layer]) -> Layer:
    return parts[0] if len(parts) == 1 else Combined(parts=tuple(parts))

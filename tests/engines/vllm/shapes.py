"""The measured cases' own lists of layers, as kvcalc's layers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kvcalc.engines.vllm.stages import stage_sizes
from kvcalc.layers.attention import FullAttention, SlidingAttention
from kvcalc.layers.chunked import ChunkedAttention
from kvcalc.layers.composed import Combined, NoCache, SharedCache
from kvcalc.layers.cross import CrossAttention
from kvcalc.layers.latent import CompressedAttention, LatentAttention
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
    "kda": lambda t: KimiDeltaAttention(kernel=t["conv"], heads=t["heads"], head_dim=t["head_dim"]),
    "conv": lambda t: ShortConvolution(kernel=t["conv"], width=t["inner"]),
}

INDEX_ROW = FullAttention(kv_heads=1, head_dim=1)
"""Stands for an indexer that a case lists by itself, until its layer takes it in."""

KINDS: dict[str, Callable[[Table], Layer]] = {
    "full": lambda t: FullAttention(**_heads(t)),
    "m3 sparse": lambda t: FullAttention(**_heads(t), index_head_dim=128),
    "m3_indexer": lambda t: INDEX_ROW,
    "sink": lambda t: FullAttention(**_heads(t)),
    "sliding": lambda t: SlidingAttention(**_heads(t), window=t["window"]),
    "chunked": lambda t: ChunkedAttention(**_heads(t), chunk=t["chunk"]),
    "cross": lambda t: CrossAttention(**_heads(t)),
    "mla": _latent,
    "delta net": lambda t: GatedDeltaNet(
        kernel=t["kernel"],
        key_heads=t["key_heads"],
        value_heads=t["value_heads"],
        key_dim=t["key_dim"],
        value_dim=t["value_dim"],
        state_dtype=t["state_dtype"],
    ),
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


def recurrent(table: Table) -> Layer:
    """Build the recurrent layer of a hybrid's table."""
    for name, kind in (("gdn", "gdn"), ("mamba2", "mamba2"), ("mamba1", "mamba1")):
        if name in table:
            return RECURRENT[kind]({**table[name], "conv": table[name]["kernel"]})
    short = table["short"]
    return RECURRENT["conv"]({"inner": short["dim"], "conv": short["kernel"]})


def in_order(tables: Sequence[Table], order: str) -> tuple[Layer, ...]:
    """Build the layers that the digits of `order` name; rows of an indexer stay rows."""
    built = [layer(table) for table in tables]
    return tuple(built[int(digit)] for digit in order)


def placed(layers: Iterable[Layer], index: Iterable[int], count: int) -> tuple[Layer, ...]:
    """Put caches into the layers that own them; those without one hold nothing."""
    owned: dict[int, list[Layer]] = {}
    for one, place in zip(layers, index, strict=True):
        owned.setdefault(place, []).append(one)
    return tuple(_together(owned.get(place, [NoCache()])) for place in range(count))


def _together(parts: list[Layer]) -> Layer:
    if len(parts) == 2 and parts[1] == INDEX_ROW:
        return FullAttention(**{**dict(parts[0]), "index_head_dim": 128})
    return parts[0] if len(parts) == 1 else Combined(parts=tuple(parts))


def owning(sequence: Iterable[Table]) -> list[Layer]:
    """Build layers from rows in which indexers, states and cross-attention stand by themselves."""
    layers: list[Layer] = []
    indexer = None
    rows = list(sequence)
    sparse = any(row["kind"] == "indexer" for row in rows)
    leads = rows[0]["kind"] == "indexer"
    for row in rows:
        kind = row["kind"]
        if kind == "indexer" and leads:
            indexer = row["index_head_dim"]
        elif kind == "indexer":
            layers[-1] = _with(layers[-1], index_head_dim=row["index_head_dim"])
        elif kind == "v4 window":
            layers.append(CompressedAttention(head_dim=512, window=row["window"]))
        elif kind == "v4 compressed":
            index = 128 if row["ratio"] == 4 else None
            layers[-1] = _with(layers[-1], ratio=row["ratio"], index_head_dim=index)
        elif kind == "cross":
            layers[-1] = Combined(parts=(layers[-1], layer(row)))
        elif kind not in ("m3 index", "v4 index", "v4 state"):
            built = layer(row)
            if sparse:
                built = _with(built, sparse=True, index_head_dim=indexer)
            layers.append(built)
            indexer = None
    return layers


def _with(one: Layer, **fields: Any) -> Layer:
    return type(one)(**{**dict(one), **fields})


def partition(main: int, stages: int, layers: int, given: str | None = None) -> str | None:
    """The stages of a target whose draft's layers, the last, all stand on the last stage."""
    if stages == 1:
        return None
    sizes = (
        [int(size) for size in given.split(",")] if given else list(stage_sizes(main, stages, None))
    )
    sizes[-1] += layers - main
    return ",".join(map(str, sizes))

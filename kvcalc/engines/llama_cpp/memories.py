"""The cells of layers, each in one of llama.cpp's memories, and the sum of their bytes."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from kvcalc.engines.additive import gathered
from kvcalc.formula.expression import Value

MEMORIES = {
    "kv": "KV cache",
    "swa": "SWA KV cache",
    "indexer": "indexer KV cache",
    "recurrent": "recurrent states",
    "csa": "CSA compressed KV cache",
    "hca": "HCA compressed KV cache",
    "csa_state": "CSA compressor state",
    "hca_state": "HCA compressor state",
    "indexer_state": "lightning-indexer compressor state",
}
"""llama.cpp's memories, as its start-up log speaks of them, in the order of a breakdown."""


class CellRow(NamedTuple):
    """A row of a cell: its tensor ("K", "V" ...), how its bytes come about, and how many."""

    tensor: str
    working: str
    bytes: int


class LayerCells(NamedTuple):
    """The cells of one layer in one memory: in each of `streams` so many, of its rows each."""

    memory: str
    streams: Value
    cells: Value
    rows: tuple[CellRow, ...]

    @property
    def row_bytes(self) -> int:
        """Bytes of one cell."""
        return sum(row.bytes for row in self.rows)


class Memory(NamedTuple):
    """One of llama.cpp's memories: its layers, and bytes by tensor ("K", "V", "R", "S")."""

    layers: int
    streams: Value
    cells: Value
    bytes: Value
    tensors: dict[str, Value]


def total(shares: Iterable[tuple[LayerCells, int]]) -> Value:
    """Sum bytes over (cells of a layer, how many such layers), by streams."""
    by_streams: dict[Value, Counter[tuple[Value, int]]] = {}
    for one, layers in shares:
        terms = by_streams.setdefault(one.streams, Counter())
        terms[one.cells, one.row_bytes] += layers
    result: Value = 0
    for streams, terms in by_streams.items():
        cells = gathered((layers, cells, row) for (cells, row), layers in terms.items())
        result += cells * streams
    return result


def by_memory(shares: list[tuple[LayerCells, int]]) -> dict[str, Memory]:
    """Gather cells by memory, in the order of `MEMORIES`; without memories that have none."""
    parted = {}
    for memory in MEMORIES:
        inside = [(one, layers) for one, layers in shares if one.memory == memory]
        if not inside:
            continue
        tensors = {
            tensor: total(
                (one._replace(rows=tuple(row for row in one.rows if row.tensor == tensor)), layers)
                for one, layers in inside
            )
            for tensor in dict.fromkeys(row.tensor for one, _ in inside for row in one.rows)
        }
        parted[memory] = Memory(
            layers=sum(layers for _, layers in inside),
            streams=inside[0][0].streams,
            cells=inside[0][0].cells,
            bytes=total(inside),
            tensors=tensors,
        )
    return parted

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
    """The cells of one layer in one memory: in each of `streams` that many, of its rows each."""

    memory: str
    streams: Value
    cells: Value
    rows: tuple[CellRow, ...]

    @property
    def row_bytes(self) -> int:
        """Bytes of one cell."""
        return sum(row.bytes for row in self.rows)


Shares = Iterable[tuple[LayerCells, int]]
"""The cells of layers, each with how many layers have such."""


def total(shares: Shares) -> Value:
    """Sum the bytes of cells, by streams."""
    by_streams: dict[Value, Counter[tuple[Value, int]]] = {}
    for one, layers in shares:
        terms = by_streams.setdefault(one.streams, Counter())
        terms[one.cells, one.row_bytes] += layers
    result: Value = 0
    for streams, terms in by_streams.items():
        cells = gathered((layers, cells, row) for (cells, row), layers in terms.items())
        result += cells * streams
    return result


def by_memory(shares: Shares) -> dict[str, list[tuple[LayerCells, int]]]:
    """Part the cells by memory, in the order of `MEMORIES`; without memories that have none."""
    parted: dict[str, list[tuple[LayerCells, int]]] = {memory: [] for memory in MEMORIES}
    for one, layers in shares:
        parted[one.memory].append((one, layers))
    return {memory: inside for memory, inside in parted.items() if inside}

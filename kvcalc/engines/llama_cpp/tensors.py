"""What layers hold: tensors of rows, each in one of llama.cpp's memories; and their sum."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

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


class LayerTensors(NamedTuple):
    """What one layer holds in one memory: in each of `streams`, `cells` times its rows."""

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


def total(held: Iterable[tuple[LayerTensors, int]]) -> Value:
    """Sum bytes over (what a layer holds, how many layers hold it), by streams."""
    by_streams: dict[Value, Counter[tuple[Value, int]]] = {}
    for one, layers in held:
        terms = by_streams.setdefault(one.streams, Counter())
        terms[one.cells, one.row_bytes] += layers
    result: Value = 0
    for streams, terms in by_streams.items():
        result += _gathered(terms) * streams
    return result


def _gathered(terms: Counter[tuple[Value, int]]) -> Value:
    """Sum layers * cells * row bytes, gathered by equal rows or by equal cells: the shorter."""
    by_row: dict[int, Value] = {}
    by_cells: dict[Value, int] = {}
    for (cells, row), layers in terms.items():
        by_row[row] = by_row.get(row, 0) + layers * cells
        by_cells[cells] = by_cells.get(cells, 0) + layers * row
    rows_first = [(cells, row) for row, cells in by_row.items()]
    cells_first = list(by_cells.items())
    result: Value = 0
    for cells, row in rows_first if len(rows_first) <= len(cells_first) else cells_first:
        result += cells * row
    return result


def by_memory(held: list[tuple[LayerTensors, int]]) -> dict[str, Memory]:
    """Part what is held by memory, in the order of `MEMORIES`; without those that hold nothing."""
    parted = {}
    for memory in MEMORIES:
        inside = [(one, layers) for one, layers in held if one.memory == memory]
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

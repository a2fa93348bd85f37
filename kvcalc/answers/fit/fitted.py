"""The answer of `fit`: what fits on GPUs of one kind, and what takes their memory."""

from collections.abc import Mapping
from dataclasses import asdict, field
from typing import TYPE_CHECKING, Any

from kvcalc.engines.memory_part import GPU, MemoryPart
from kvcalc.errors import quote
from kvcalc.html_table import html_table
from kvcalc.records import Record
from kvcalc.units import at_version, binary_size

if TYPE_CHECKING:
    from kvcalc.charts.chart import Chart

CACHE_MEMORY = "cache memory"


class Fit(Record):
    """An answer; sizes are bytes on one GPU.

    `gpus` are `replicas` copies of the model, each on as many GPUs as share it. `sequences` are
    over all copies, and so are `max_sequences`, at this context; `max_context` is for these
    sequences. `binding` is the limit that stops more. `settings` are those that differ from
    the engine's defaults; `flags` are the engine's flags for them.

    `parts` take a GPU's memory beside the cache; those of the place "main memory" take the host's,
    for one copy and its share of the sequences. `max_sequences` and `cache_memory_per_gpu` are the
    likely figures, of the likely bytes of each part; `promised_sequences` and
    `promised_cache_memory_per_gpu` are the promise, of the most that each may take, which `fits`
    and `max_context` follow.
    """

    model: str
    engine: str
    engine_version: str
    gpu: str
    gpus: int
    tensor_parallel_size: int
    replicas: int
    context: int
    sequences: int
    fits: bool
    max_sequences: int
    promised_sequences: int
    max_context: int
    cache_memory_per_gpu: int
    promised_cache_memory_per_gpu: int
    bytes_per_gpu_per_sequence: int
    weights_per_gpu: int
    reserve_per_gpu: int
    parts: list[MemoryPart] = field(hash=False)
    binding: str
    settings: Mapping[str, Any] = field(hash=False)
    flags: str

    def __repr__(self) -> str:
        return (
            f"Fit(model={quote(self.model)}, engine={self.engine!r}, gpu={quote(self.gpu)}, "
            f"gpus={self.gpus}, context={self.context}, sequences={self.sequences}, "
            f"fits={self.fits}, max_sequences={self.max_sequences}, "
            f"promised_sequences={self.promised_sequences}, binding={self.binding!r})"
        )

    def plot(self) -> "Chart":
        """Draw the memory of one GPU: what takes it, how sure that is, and what is left."""
        from kvcalc.charts.bars import Bar, chart

        bars = [
            Bar(
                part.name,
                ((part.kind, part.bytes),),
                f"{binary_size(part.bytes)}{_band(part)}",
                (part.low, part.high) if part.low != part.high else None,
            )
            for part in self.parts
            if part.place == GPU
        ]
        likely, promised = self.cache_memory_per_gpu, self.promised_cache_memory_per_gpu
        sure = f", promised {binary_size(promised)}" if promised != likely else ""
        bars.append(
            Bar(
                CACHE_MEMORY,
                ((CACHE_MEMORY, likely),),
                f"{binary_size(likely)}{sure}",
                (promised, likely) if sure else None,
            )
        )
        each = self.bytes_per_gpu_per_sequence
        bars.append(
            Bar(
                "a sequence",
                (("a sequence", each),),
                f"{binary_size(each)}, {self.context:,} tokens",
            )
        )
        engine = at_version(self.engine, self.engine_version)
        title = f"Memory of each of {self.gpus} {self.gpu} with {self.model} on {engine}"
        return chart(title, bars, "bytes on one GPU")

    def _repr_html_(self) -> str:
        engine = at_version(self.engine, self.engine_version)
        return html_table(f"{self.model} on {self.gpus} {self.gpu}, {engine}", asdict(self).items())


def _band(part: MemoryPart) -> str:
    same = part.low == part.high
    return "" if same else f", {binary_size(part.low)} to {binary_size(part.high)}"

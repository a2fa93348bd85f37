"""The pool: a memory as an engine cuts it up for its cache when it starts."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from kvcalc.errors import quote
from kvcalc.html_table import html_table
from kvcalc.model import Model
from kvcalc.records import Record
from kvcalc.units import at_version


class Pool(Record):
    """A cache in a given memory, as an engine allocates it when it starts.

    `context` is tokens of one sequence. `bytes` is what is allocated on the fullest rank;
    `capacity_tokens` is the engine's own figure of how many tokens fit; `max_sequences` is how
    many sequences of `context` tokens run at once (0: not even one fits). `figures` are what the
    engine prints or checks, by its own names. `engine_version` is the release that the pool holds
    for. `note` is a sentence that people need beside the figures.
    """

    model: Model
    engine: str
    kv_cache_dtype: str
    settings: Mapping[str, Any] = field(hash=False)
    context: int
    bytes: int
    capacity_tokens: int
    max_sequences: int
    figures: Mapping[str, Any] = field(hash=False)
    engine_version: str = ""
    note: str = ""

    def _repr_html_(self) -> str:
        rows = [
            ("kv_cache_dtype", self.kv_cache_dtype),
            *self.settings.items(),
            ("context", self.context),
            ("bytes on the fullest rank", self.bytes),
            ("capacity_tokens", self.capacity_tokens),
            ("max_sequences", self.max_sequences),
            *self.figures.items(),
        ]
        engine = at_version(self.engine, self.engine_version)
        return html_table(f"{self.model.name} on {engine}", rows)

    def __repr__(self) -> str:
        return (
            f"Pool(model={quote(self.model.name)}, engine={self.engine!r}, context={self.context}, "
            f"bytes={self.bytes}, capacity_tokens={self.capacity_tokens}, "
            f"max_sequences={self.max_sequences})"
        )

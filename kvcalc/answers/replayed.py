"""What is answered of a replayed trace: a row for each size, and each of its requests."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kvcalc.errors import RequestError
from kvcalc.records import Records
from kvcalc.units import at_version, plural

if TYPE_CHECKING:
    from kvcalc.charts.chart import Chart

ONE_AFTER_ANOTHER = "one after another"
AS_THEY_COME = "as they come"
"""How requests meet the cache: each alone, or each for its life under a service model."""


@dataclass(frozen=True)
class ReplayRow:
    """A trace through a prefix cache of one size: `blocks`, in `memory` bytes on a rank.

    Both are None of a cache that is never full, the memory where a block's bytes are not known.
    `computed_tokens` are those of prompts that did not hit, of the requests that ran.
    `evicted_by_group` counts blocks by group, `peak_blocks` is the most in use at once. Rates are
    of the service model in tokens per second, None where requests are served one after another
    (`served`). `gpus` are those that have the memory, where they were asked.

    `added_hit_tokens` are those beyond the next smaller size of the window, None for the smallest.
    `knee` is true of the smallest size asked that hits at least 95 % of the most that any size
    asked of the window hits, and of none where that is the largest. `best_hit_tokens` is what the
    best policy of eviction could hit (Belady), where it was asked.
    """

    model: str
    engine: str
    engine_version: str
    window: int | None
    served: str
    blocks: int | None
    memory: int | None
    gpus: int | None
    requests: int
    prompt_tokens: int
    hit_tokens: int
    added_hit_tokens: int | None
    knee: bool
    best_hit_tokens: int | None
    computed_tokens: int
    evicted_blocks: int
    peak_blocks: int
    refused: int
    prefill_rate: int | float | None
    decode_rate: int | float | None
    groups: tuple[str, ...]
    evicted_by_group: tuple[int, ...]


@dataclass(frozen=True)
class ReplayedRequest:
    """One request of a trace in a cache of one size; `request` counts from 1 as the files go."""

    model: str
    engine: str
    window: int | None
    blocks: int | None
    request: int
    prompt_tokens: int
    hit_tokens: int
    refused: bool


@dataclass(frozen=True)
class Replays:
    """A trace's answers: a row for each window and size, and what came of each request in it.

    `notes` are sentences that people need beside them. `prompts` has the tokens of
    each request's prompt; of each row, `hits` has those that hit, and `refused` the requests that
    never ran, by their places. `each` has the same as a record for each request of each row.
    """

    rows: Records[ReplayRow]
    notes: tuple[str, ...]
    prompts: tuple[int, ...]
    hits: tuple[tuple[int, ...], ...]
    refused: tuple[tuple[int, ...], ...]

    @cached_property
    def each(self) -> Records[ReplayedRequest]:
        """A record for each request of each row: of many sizes they are many."""
        return Records(self._requests())

    def _requests(self) -> Iterator[ReplayedRequest]:
        for row, hits, places in zip(self.rows, self.hits, self.refused, strict=True):
            refused = set(places)
            for place, (prompt, hit) in enumerate(zip(self.prompts, hits, strict=True)):
                yield ReplayedRequest(
                    model=row.model,
                    engine=row.engine,
                    window=row.window,
                    blocks=row.blocks,
                    request=place + 1,
                    prompt_tokens=prompt,
                    hit_tokens=hit,
                    refused=place in refused,
                )

    def plot(self) -> "Chart":
        """Draw what each size hits, with its knee; and what the best policy could, where asked.

        Raises:
            RequestError: only a cache that is never full was asked about, which has no size.
        """
        from kvcalc.charts.hits import Hit, chart

        sized = [row for row in self.rows if row.blocks is not None and row.prompt_tokens]
        if not sized:
            raise RequestError.about("plot", "a cache that is never full has no size to draw")
        in_bytes = all(row.memory is not None for row in sized)
        several = len({row.window for row in sized}) > 1
        first = sized[0]
        engine = at_version(first.engine, first.engine_version)
        hits = [
            Hit(
                f"window {row.window:,}" if several and row.window else engine,
                (row.memory if in_bytes else row.blocks) or 0,
                row.hit_tokens,
                row.best_hit_tokens,
                row.prompt_tokens,
                row.knee,
            )
            for row in sorted(sized, key=lambda row: row.blocks or 0)
        ]
        title = (
            f"Prefix cache of {first.model} on {engine}, {plural(first.requests, 'request')}, "
            f"{first.served}"
        )
        measure = "cache memory on a GPU" if in_bytes else "blocks"
        return chart(title, hits, measure, in_bytes=in_bytes)

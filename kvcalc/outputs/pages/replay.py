"""What a prefix cache hits of a trace, for people: by window and size, and how requests met it."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise

from kvcalc.answers.curve import KNEE
from kvcalc.answers.replayed import ONE_AFTER_ANOTHER, ReplayRow, Replays
from kvcalc.outputs.page import Page, bytes_cell
from kvcalc.units import at_version, percent, plural

INTERLEAVES = (
    "a loaded server interleaves requests, which costs hits: on one mix vllm's own scheduler with "
    "8 sequences at once hit 63.3 % where one at a time hit 69.0 %."
)


def replay_page(found: Replays) -> Page:
    """Lay out a row for each window and size."""
    first = found.rows[0]
    engine = at_version(first.engine, first.engine_version)
    columns = {name: [cell(row) for row in found.rows] for name, cell in CELLS.items()}
    shown = {name: cells for name, cells in columns.items() if name not in ASKED or any(cells)}
    return Page(
        title=f"prefix cache of {first.model} on {engine} over "
        f"{plural(first.requests, 'request')}, {first.prompt_tokens:,} prompt tokens",
        columns=tuple(shown),
        rows=tuple(zip(*shown.values(), strict=True)),
        text_columns=0,
        notes=tuple(_notes(found)),
    )


def _memory(row: ReplayRow) -> str:
    if row.memory is not None:
        return bytes_cell(row.memory)
    return "" if row.blocks else "never full"


CELLS: dict[str, Callable[[ReplayRow], str]] = {
    "window": lambda row: "" if row.window is None else f"{row.window:,}",
    "GPUs": lambda row: "" if row.gpus is None else f"{row.gpus:,}",
    "memory": _memory,
    "blocks": lambda row: "never full" if row.blocks is None else f"{row.blocks:,}",
    "hit tokens": lambda row: f"{row.hit_tokens:,}",
    "hits": lambda row: percent(row.hit_tokens, row.prompt_tokens),
    "added": lambda row: "" if row.added_hit_tokens is None else f"{row.added_hit_tokens:+,}",
    "best policy": lambda row: (
        ""
        if row.best_hit_tokens is None
        else f"{row.best_hit_tokens:,} ({percent(row.best_hit_tokens, row.prompt_tokens)})"
    ),
    "computed": lambda row: f"{row.computed_tokens:,}",
    "evicted blocks": lambda row: f"{row.evicted_blocks:,}",
    "peak blocks": lambda row: f"{row.peak_blocks:,}",
    "refused": lambda row: f"{row.refused:,}",
}
ASKED = ("GPUs", "added", "best policy")
"""Columns that are there where they are asked for, or more than one size is."""


def _notes(found: Replays) -> Iterator[str]:
    first = found.rows[0]
    if first.served == ONE_AFTER_ANOTHER:
        yield (
            "one after another: each request is served to its end before the next is looked up, in "
            "the file's order; with --prefill-rate and --decode-rate they hold blocks as they come."
        )
    else:
        yield (
            "as they come: from its time on a request holds its prompt's blocks for "
            f"input/{first.prefill_rate} + output/{first.decode_rate} seconds, first come, first "
            "served; answers are not stored."
        )
    yield INTERLEAVES
    yield from found.notes
    if first.best_hit_tokens is not None:
        yield (
            "best policy: what any policy of eviction could hit at most, knowing all requests to "
            "come (Belady): those that are asked for again the latest go first."
        )
    for _, each in groupby(found.rows, key=lambda row: row.window):
        rows = list(each)
        yield from _curve(rows)
        yield from _evicted(rows[-1])


def _curve(rows: Sequence[ReplayRow]) -> Iterator[str]:
    """The knee of a window's sizes, and what one GPU more adds."""
    if len(rows) == 1 or not any(row.hit_tokens for row in rows):
        return
    named = _named(rows[0])
    knee = next((row for row in rows if row.knee), None)
    share = f"hits {100 - KNEE} % of the most that any size asked hits"
    if knee is None:
        yield f"{named}no knee: no size asked below the largest {share}."
    else:
        yield f"{named}knee: {knee.blocks:,} blocks, the smallest size asked that {share}."
    by_gpus = sorted((row for row in rows if row.gpus is not None), key=lambda row: row.gpus or 0)
    for less, more in pairwise(by_gpus):
        added, gpus = more.hit_tokens - less.hit_tokens, (more.gpus or 0) - (less.gpus or 0)
        if gpus:
            yield (
                f"{named}{plural(gpus, 'GPU')} more than {less.gpus}: {added:+,} hit tokens, "
                f"{percent(less.hit_tokens, less.prompt_tokens)} to "
                f"{percent(more.hit_tokens, more.prompt_tokens)}."
            )


def _named(row: ReplayRow) -> str:
    return "" if row.window is None else f"window {row.window:,}, "


def _evicted(row: ReplayRow) -> Iterator[str]:
    if row.evicted_blocks and len(row.groups) > 1:
        size = "" if row.blocks is None else f" of {row.blocks:,} blocks"
        each = ", ".join(
            f"{name} {count:,}"
            for name, count in zip(row.groups, row.evicted_by_group, strict=True)
        )
        yield f"{_named(row)}evicted{size}, by group: {each}."

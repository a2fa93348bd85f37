"""What a prefix cache hits of a trace, for people: by window and size, and how requests met it."""

from collections.abc import Iterator
from itertools import groupby

from kvcalc.answers.replay import ONE_AFTER_ANOTHER, ReplayRow, Replays
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
    return Page(
        title=f"prefix cache of {first.model} on {engine} over "
        f"{plural(first.requests, 'request')}, {first.prompt_tokens:,} prompt tokens",
        columns=(
            "window",
            "memory",
            "blocks",
            "hit tokens",
            "hits",
            "computed",
            "evicted blocks",
            "peak blocks",
            "refused",
        ),
        rows=tuple(_cells(row) for row in found.rows),
        text_columns=0,
        notes=tuple(_notes(found)),
    )


def _cells(row: ReplayRow) -> tuple[str, ...]:
    return (
        "" if row.window is None else f"{row.window:,}",
        bytes_cell(row.memory) if row.memory is not None else "" if row.blocks else "never full",
        "never full" if row.blocks is None else f"{row.blocks:,}",
        f"{row.hit_tokens:,}",
        percent(row.hit_tokens, row.prompt_tokens),
        f"{row.computed_tokens:,}",
        f"{row.evicted_blocks:,}",
        f"{row.peak_blocks:,}",
        f"{row.refused:,}",
    )


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
    if found.note:
        yield found.note
    for _, rows in groupby(found.rows, key=lambda row: row.window):
        yield from _evicted(list(rows)[-1])


def _evicted(row: ReplayRow) -> Iterator[str]:
    if row.evicted_blocks and len(row.groups) > 1:
        size = "" if row.blocks is None else f" of {row.blocks:,} blocks"
        each = ", ".join(
            f"{name} {count:,}"
            for name, count in zip(row.groups, row.evicted_by_group, strict=True)
        )
        window = "" if row.window is None else f"window {row.window:,}, "
        yield f"{window}evicted{size}, by group: {each}."

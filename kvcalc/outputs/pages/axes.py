"""A sweep of several models, engines, element types, ranks or sequences, for people.

Contexts go down. One thing that varies goes across, where it has few values; else each row says
all that does.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter

from kvcalc.answers.sweep import SweepRow
from kvcalc.answers.varying import LABELS, WORDS, varying
from kvcalc.outputs.page import Page, bytes_cell, settings_note
from kvcalc.units import plural

MOST_ACROSS = 4
"""Values side by side; more of them are a row each."""


def axes_page(rows: Sequence[SweepRow]) -> Page:
    """Lay out the rows of a sweep in which more than contexts and windows vary."""
    names = varying(rows)
    values = list(dict.fromkeys(LABELS[names[0]](row) for row in rows))
    cells: dict[tuple[int, str], list[SweepRow]] = {}
    for row in rows:
        cells.setdefault((row.context, LABELS[names[0]](row)), []).append(row)
    across = len(names) == 1 and len(values) <= MOST_ACROSS
    if across and max(map(len, cells.values())) == 1:
        contexts = dict.fromkeys(row.context for row in rows)
        what = "" if names[0] in WORDS else f"{names[0]} "
        columns = ("context", *(f"{what}{value}" for value in values))
        laid, words = _across(contexts, values, cells, _size(names)), 0
    else:
        names += ["window"] if len({row.window for row in rows}) > 1 else []
        names.sort(key=lambda name: name not in WORDS)
        columns, laid, words = _down(rows, names)
    shares = ", on the fullest GPU" if "ranks" in names else ""
    return Page(
        title=f"KV cache of {_title(rows, names)}{shares}",
        columns=columns,
        rows=laid,
        text_columns=words,
        notes=settings_note(_shared(rows)),
    )


def _across(
    contexts: Iterable[int],
    values: Sequence[str],
    cells: Mapping[tuple[int, str], Sequence[SweepRow]],
    size: Callable[[SweepRow], int],
) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            f"{context:,}",
            *(
                bytes_cell(size(cells[context, value][0])) if (context, value) in cells else ""
                for value in values
            ),
        )
        for context in contexts
    )


def _down(
    rows: Sequence[SweepRow], names: Sequence[str]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], int]:
    size = _size(names)
    bounded = "ranks" not in names and any(row.bytes != row.full_attention_bytes for row in rows)
    laid = tuple(
        (
            *(LABELS[name](row) for name in names),
            f"{row.context:,}",
            bytes_cell(size(row)),
            *((full_cell(row),) if bounded else ()),
        )
        for row in rows
    )
    columns = (*names, "context", "bytes", *(("all layers\nfull",) if bounded else ()))
    return columns, laid, sum(name in WORDS for name in names)


def full_cell(row: SweepRow) -> str:
    """The bytes if all layers saw all tokens, if the engine runs such a model."""
    size = row.full_attention_bytes
    return "cannot" if size is None else bytes_cell(size)


def _size(names: Sequence[str]) -> Callable[[SweepRow], int]:
    """What is shown of a row: bytes on one GPU where the ranks vary, else on all."""
    return attrgetter("bytes_per_gpu" if "ranks" in names else "bytes")


def _title(rows: Sequence[SweepRow], names: Sequence[str]) -> str:
    """Say what all rows share."""
    first = rows[0]
    models = len({row.model for row in rows})
    engines = len({row.engine for row in rows})
    model = first.model if models == 1 else plural(models, "model")
    where = LABELS["engine"](first) if "engine" not in names else plural(engines, "engine")
    parts = [f"{model} on {where}"]
    if "sequences" not in names:
        parts.append(plural(first.sequences, "sequence"))
    if len({row.kv_cache_dtype for row in rows}) == 1:
        parts.append(first.kv_cache_dtype)
    return ", ".join(parts)


def _shared(rows: Sequence[SweepRow]) -> dict[str, object]:
    return {
        name: value
        for name, value in rows[0].settings.items()
        if all(row.settings.get(name) == value for row in rows)
    }

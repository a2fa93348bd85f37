"""A comparison of two sides for people: a table of their figures, and why they differ beneath."""

from collections.abc import Callable, Iterator

from kvcalc.answers.diff import Diff
from kvcalc.answers.diff.causes import Cause
from kvcalc.answers.diff.side import Side
from kvcalc.outputs.page import Page, bytes_cell
from kvcalc.units import at_version, binary_size, percent, plural


def diff_page(answer: Diff) -> Page:
    """Lay out a comparison: one row per figure, the causes, and the reason for each side."""
    old, new = answer.old, answer.new
    two_models = old.model != new.model
    names = [side.model if two_models else _engine(side) for side in (old, new)]
    what = f"on {_engine(old)}" if two_models else f"of {old.model}"
    return Page(
        title=f"KV cache {what}, {answer.context:,} tokens, "
        f"{plural(answer.sequences, 'sequence')}{_where(answer)}",
        columns=("", *names, "difference"),
        rows=tuple(_rows(answer)),
        text_columns=1,
        notes=(
            *(_cause(cause, old) for cause in answer.causes),
            *_rest(answer),
            *_reasons(names, (old, new)),
        ),
    )


def _reasons(names: list[str], sides: tuple[Side, Side]) -> Iterator[str]:
    """The reason for each side's bytes, or why it refuses."""
    for name, side in zip(names, sides, strict=True):
        if said := side.error or side.why:
            yield f"{name}: {said}"


def _engine(side: Side) -> str:
    return at_version(side.engine, side.engine_version)


def _where(answer: Diff) -> str:
    return "" if answer.gpu is None else f", {answer.gpus} {answer.gpu}"


ROWS: dict[str, tuple[str, Callable[[int], str]]] = {
    "bytes": ("needed, all GPUs", bytes_cell),
    "bytes_per_gpu": ("needed, fullest GPU", bytes_cell),
    "weights_per_gpu": ("weights of a GPU", bytes_cell),
    "cache_memory_per_gpu": ("cache memory\nof a GPU", bytes_cell),
    "capacity_tokens": ("tokens that\nthe engine counts", "{:,}".format),
    "max_sequences": ("sequences\nat once", "{:,}".format),
    "starts": ("starts", lambda starts: "yes" if starts else "no"),
}
"""The figures of a side: the name of each, and how it is written."""


def _rows(answer: Diff) -> Iterator[tuple[str, ...]]:
    for name, (called, written) in ROWS.items():
        cells = [getattr(side, name) for side in (answer.old, answer.new)]
        if name == "bytes_per_gpu" and (answer.old.bytes, answer.new.bytes) == tuple(cells):
            continue
        if all(cell is None for cell in cells):
            continue
        texts = ["cannot" if cell is None else written(cell) for cell in cells]
        known = None not in cells and name != "starts"
        yield called, *texts, _more(*cells) if known else ""


def _more(old: int, new: int) -> str:
    """The increase as a percentage: "+24.0 %"."""
    if old == new:
        return "equal"
    more = abs(new - old)
    seen = old and 1000 * more >= old  # percent shows tenths of one
    return ("+" if new > old else "-") + (percent(more, old) if seen else f"{more:,}")


def _cause(cause: Cause, old: Side) -> str:
    """One line: the release, what it changed, by how much, the source and the flag to go back."""
    moved = "; ".join(_moved(cause, old)) or "no byte differs"
    was = "" if cause.bytes else f" (it was: {cause.was})"
    back = f"; as before with {cause.back}" if cause.back else ""
    return f"{cause.release}: {cause.says}{was}: {moved} ({cause.source}){back}"


def _moved(cause: Cause, old: Side) -> Iterator[str]:
    if cause.bytes:
        assert old.bytes is not None
        share = _more(old.bytes, old.bytes + cause.bytes)
        yield f"{_size(cause.bytes)} ({share})"
    if cause.cache_memory_per_gpu:
        yield f"{_size(cause.cache_memory_per_gpu)} of cache memory per GPU"
    if cause.capacity_tokens:
        yield f"{cause.capacity_tokens:+,} tokens counted"
    if cause.max_sequences:
        yield f"{cause.max_sequences:+,} at once"


def _size(amount: int) -> str:
    return ("-" if amount < 0 else "+") + binary_size(abs(amount))


def _rest(answer: Diff) -> Iterator[str]:
    if answer.together_bytes:
        yield (
            f"{_size(answer.together_bytes)} by rules that changed together: no one of them alone "
            "is a release's"
        )

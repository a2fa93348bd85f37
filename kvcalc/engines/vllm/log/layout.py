"""What vLLM's log says of how its pool is laid out: the block of a state, and what is padded.

v1/core/kv_cache_planning.py and platforms/interface.py of 0.33.0, and as older versions had them.
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from kvcalc.engines.log import (
    COUNT,
    NO_MODEL,
    SIZE,
    Checked,
    Found,
    Printed,
    figures,
    number,
    pattern,
)
from kvcalc.engines.vllm.caches import StateCache
from kvcalc.engines.vllm.grouping import padded_kinds
from kvcalc.engines.vllm.log.run import Run, RunPool

PATTERNS = (
    pattern(
        "attention block",
        "attention block size to",
        rf"Setting attention block size to (?P<tokens>{COUNT}) tokens",
    ),
    pattern(
        "mamba padding", "mamba page size by", rf"Padding mamba page size by (?P<percent>{SIZE})%"
    ),
    pattern(
        "padding layers",
        "padding layers, may waste",
        rf"Add (?P<layers>{COUNT}) padding layers, may waste at most (?P<percent>{SIZE})%",
    ),
)


def _attention_block(run: Run, line: Found) -> Iterator[Checked]:
    printed = Printed(line.line, "attention block size (tokens)", line.values["tokens"])
    if run.subject.model is None:
        yield printed.cannot(NO_MODEL)
        return
    wanted = number(printed.text)

    def explain(printed: Printed) -> str | None:
        return run.explain(lambda pool: pool.plan.block_size == wanted)

    yield printed.against(run.pool.plan.block_size, "the block that holds a state", explain)


def _padding(run: Run, line: Found) -> Iterator[Checked]:
    printed = Printed(line.line, "mamba page padding (%)", line.values["percent"])
    if run.subject.model is None:
        yield printed.cannot(NO_MODEL)
        return
    states = [
        cache
        for group in run.pool.plan.groups
        for _, cache in group.members
        if isinstance(cache, StateCache)
    ]
    if not states:
        yield printed.cannot("the model has no recurrent layers")
        return
    largest_state = max(states, key=lambda cache: cache.state)
    ours = Fraction(100 * largest_state.page, largest_state.state) - 100
    yield printed.against(
        ours, f"{largest_state.page:,} B a page, {largest_state.state:,} B a state"
    )


def _padding_layers(run: Run, line: Found) -> Iterator[Checked]:
    """Layers that fill a kind's last group; each kind that needs some has a line of its own."""
    printed = figures(
        line, {"layers": "padding layers (layers)", "percent": "padding layers of the kind's (%)"}
    )
    if run.subject.model is None:
        yield from (each.cannot(NO_MODEL) for each in printed.values())
        return

    def nearest(pool: RunPool) -> dict[str, Fraction]:
        """The padding of the kind with which most is as printed."""
        kinds = (
            {"layers": Fraction(padding), "percent": Fraction(100 * padding, layers)}
            for padding, layers in _padded(pool) or [(0, 1)]
        )
        return max(kinds, key=lambda ours: sum(printed[of].agrees_with(ours[of]) for of in printed))

    def agree(pool: RunPool) -> bool:
        return all(printed[of].agrees_with(ours) for of, ours in nearest(pool).items())

    why = ", ".join(
        f"{padding} beside {layers} layers of a kind" for padding, layers in _padded(run.pool)
    )
    for of, ours in nearest(run.pool).items():
        yield printed[of].against(
            ours, why or "no kind of layer is padded", lambda _: run.explain(agree)
        )


def _padded(pool: RunPool) -> list[tuple[int, int]]:
    return padded_kinds([group.members for group in pool.plan.groups], pool.plan.settings.rules)


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "attention block": _attention_block,
    "mamba padding": _padding,
    "padding layers": _padding_layers,
}
"""How each kind of line is checked."""

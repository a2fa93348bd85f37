"""What a prefix cache of some size would have hit, by the rules of the engine's own manager."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from kvcalc import engines
from kvcalc.answers.curve import Placed, placed
from kvcalc.answers.replayed import (
    AS_THEY_COME,
    ONE_AFTER_ANOTHER,
    ReplayRow,
    Replays,
)
from kvcalc.engines import request
from kvcalc.engines.engine import Engine, Settings
from kvcalc.engines.pool import pool
from kvcalc.engines.replay import Replay, Replayed, Request
from kvcalc.errors import RequestError, UnsupportedError
from kvcalc.model import Model
from kvcalc.pools import Pool
from kvcalc.readers.tokens import Tokenizing
from kvcalc.readers.traces.requests import requests
from kvcalc.readers.traces.service import Service, number, service
from kvcalc.readers.weights import Weights
from kvcalc.records import Records

Found = TypeVar("Found")

TEXTS = (
    "texts: in tokens of {}; an answer's are those of its text, where a server keeps those that it "
    "sampled."
)
"""What people need to know beside texts."""


class Size(NamedTuple):
    """A size of a cache: its blocks, and their bytes on a rank; None where it is never full.

    `settings` are the engine's with this size, `gpus` those that it was worked out for.
    """

    blocks: int | None
    memory: int | None
    settings: Settings
    gpus: int | None = None


def replay(
    model: Model,
    files: str | Path | Iterable[str | Path],
    *,
    engine: str = "vllm",
    window: int | Sequence[int] | None = None,
    memory: int | Sequence[int] | None = None,
    blocks: int | Sequence[int] | None = None,
    gpu: str | None = None,
    gpus: int | Sequence[int] = 1,
    prompts_only: bool = False,
    best: bool = False,
    tokenizer: str | Path | None = None,
    prefill_rate: object = None,
    decode_rate: object = None,
    weights: Weights | int | None = None,
    reserve: int | None = None,
    settings: Settings | None = None,
    **given: Any,
) -> Replays:
    """Put the requests of traces through an engine's prefix cache, at each window and size.

    A size is bytes of `memory` on one rank, a number of `blocks`, or what one copy of the model has
    on so many `gpus` of a kind, as `fit` promises it; without one the cache is never full. Requests
    are served one after another; with rates, in tokens per second, each holds its prompt's blocks
    from its time on for input/prefill + output/decode seconds. `prompts_only` leaves answers out.
    `best` asks what the best policy of eviction could hit, too, of one full or MLA group. Texts are
    read by `tokenizer`: a tokenizer.json, a folder that has one, a preset or a Hub id, else that of
    the model's repository. Settings are given as to `kvcalc.cost`.

    Raises:
        KvcalcError: a file, a line, an engine, a setting or a size is not valid, or the engine's
            prefix cache was not replayed, or its best is not known; the sentence names it.
    """
    request.require_model(model)
    asked = request.named(settings, given)
    chosen = engines.find(engine)
    part = chosen.replay
    if part is None:
        raise UnsupportedError(
            f"{chosen.name}: kvcalc does not know what its prefix cache keeps",
            engine=chosen.name,
            what="replay",
        )
    rates = service(prefill_rate, decode_rate)
    texts = Tokenizing(model.hub_id if tokenizer is None else str(tokenizer))
    listed = list(_as_asked(requests(_listed(files), texts), prompts_only, rates))
    prompts = tuple(one.prompt_tokens for one in listed)
    rows: Records[ReplayRow] = Records()
    found: list[Replayed] = []
    windows = _listed(window) if window is not None else ()
    for one in [model.with_window(tokens) for tokens in windows] or [model]:
        asker = _Asker(one, engine, chosen, part, asked)
        sizes = asker.sizes(memory, blocks, gpu, gpus, weights, reserve)
        bests = asker.best(listed, sizes) if best else [None] * len(sizes)
        outcomes = asker.run(listed, sizes)
        curve = placed([size.blocks for size in sizes], [sum(one.hits) for one in outcomes])
        for size, outcome, most, place in zip(sizes, outcomes, bests, curve, strict=True):
            rows.append(asker.row(size, prompts, outcome, rates, most, place))
        found += outcomes
    hits, refused = tuple(one.hits for one in found), tuple(one.refused for one in found)
    notes = [
        part.note(sizes[0].settings) if part.note else "",
        TEXTS.format(texts.name) if texts.name else "",
    ]
    return Replays(rows, tuple(filter(None, notes)), prompts, hits, refused)


def _listed(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, int | str | Path) else tuple(value)


def _as_asked(
    found: Iterable[Request], prompts_only: bool, rates: Service | None
) -> Iterator[Request]:
    for one in found:
        runs = None if rates is None else rates.parts(one.prompt_tokens, one.output_tokens)
        yield Request(one.start, one.prompt, () if prompts_only else one.output, runs)


class _Asker:
    """One model of one window on an engine, and what is asked of its prefix cache."""

    def __init__(
        self, model: Model, called: str, engine: Engine, part: Replay, asked: Mapping[str, Any]
    ) -> None:
        self.model = model
        self.called = called
        self.engine = engine
        self.part = part
        self.asked = dict(asked)

    def sizes(
        self,
        memory: Any,
        blocks: Any,
        gpu: str | None,
        gpus: Any,
        weights: Weights | int | None,
        reserve: int | None,
    ) -> list[Size]:
        """The sizes that are asked for, and with a GPU the settings that follow from it."""
        kinds = {"memory": memory, "blocks": blocks, "gpu": gpu}
        given = [name for name, value in kinds.items() if value is not None]
        if len(given) > 1:
            raise RequestError.about(given[1], f"found beside {given[0]}; give one size")
        if gpu is not None:
            return [self._on(gpu, count, weights, reserve) for count in _listed(gpus)]
        if memory is not None:
            return [self._of(self._pool(size), size) for size in _listed(memory)]
        if blocks is not None:
            return [self._of_blocks(count) for count in _listed(blocks)]
        return [Size(None, None, self.settings)]

    def _pool(self, memory: int) -> Pool:
        return pool(self.model, self.called, memory=memory, **self.asked)

    def _of(self, cut: Pool, memory: int) -> Size:
        return Size(self.part.blocks(cut), memory, self.settings)

    def _of_blocks(self, count: int) -> Size:
        if type(count) is not int or count < 1:
            raise RequestError.of("blocks", count, "a positive int")
        of_block = self.part.block_bytes
        size = None if of_block is None else count * of_block(self.model, self.settings)
        return Size(count, size, self.settings)

    def _on(self, gpu: str, gpus: int, weights: Weights | int | None, reserve: int | None) -> Size:
        """What one copy of the model has on GPUs, as its start promises."""
        from kvcalc.answers.fit.card import card
        from kvcalc.answers.fit.placing import Placing
        from kvcalc.answers.fit.question import question

        asked = question(
            self.model,
            on=card(gpu),
            engine=self.called,
            weights=weights,
            reserve=reserve,
            **self.asked,
        )
        copy = Placing(asked).on(gpus).promised
        if copy.ranks != gpus:
            raise RequestError.of(
                "gpus", gpus, f"{copy.ranks} of one copy of the model: each copy has its own cache"
            )
        if min(copy.caches) <= 0:
            raise RequestError.about("gpus", f"{gpus} x {gpu} leave no room for the cache")
        cut = copy.pool(self.model.longest_context)
        return Size(self.part.blocks(cut), min(copy.caches), copy.parsed, gpus)

    def run(self, listed: Sequence[Request], sizes: Sequence[Size]) -> list[Replayed]:
        """Replay the requests at each size."""
        return self._each(self.part.run, listed, sizes)

    def best(self, listed: Sequence[Request], sizes: Sequence[Size]) -> list[int]:
        """The tokens that the best policy could hit at each size."""
        best = self.part.best
        if best is None:
            raise UnsupportedError.of(
                "best", f"kvcalc does not know what the best policy would hit on {self.engine.name}"
            )
        return self._each(best, listed, sizes)

    def _each(
        self,
        find: Callable[[Model, Any, Sequence[Request], Sequence[int | None]], list[Found]],
        listed: Sequence[Request],
        sizes: Sequence[Size],
    ) -> list[Found]:
        """Ask the engine of each size; those of the same settings together."""
        found: list[Found] = []
        with request.said_by(self.engine):
            for settings, alike in groupby(sizes, key=lambda size: size.settings):
                found += find(self.model, settings, listed, [size.blocks for size in alike])
        return found

    @cached_property
    def settings(self) -> Settings:
        """The settings as the engine reads them."""
        parsed = request.parsed_settings(self.called, None, self.asked)
        with request.said_by(self.engine):
            request.require_run(self.model, self.engine, parsed)
        return parsed

    def row(
        self,
        size: Size,
        prompts: Sequence[int],
        outcome: Replayed,
        rates: Service | None,
        best: int | None,
        place: Placed,
    ) -> ReplayRow:
        """Sum the outcome of one size."""
        tokens, hits = sum(prompts), sum(outcome.hits)
        return ReplayRow(
            model=self.model.name,
            engine=self.engine.name,
            engine_version=size.settings.engine_version(self.engine.version),
            window=self.model.window,
            served=ONE_AFTER_ANOTHER if rates is None else AS_THEY_COME,
            blocks=size.blocks,
            memory=size.memory,
            gpus=size.gpus,
            requests=len(prompts),
            prompt_tokens=tokens,
            hit_tokens=hits,
            added_hit_tokens=place.added,
            knee=place.knee,
            best_hit_tokens=best,
            computed_tokens=tokens - hits - sum(prompts[place] for place in outcome.refused),
            evicted_blocks=sum(outcome.evicted),
            peak_blocks=outcome.peak,
            refused=len(outcome.refused),
            prefill_rate=None if rates is None else number(rates.prefill_rate),
            decode_rate=None if rates is None else number(rates.decode_rate),
            groups=self.part.groups(self.model, size.settings),
            evicted_by_group=outcome.evicted,
        )

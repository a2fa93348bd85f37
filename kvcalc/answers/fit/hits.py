"""The fewest GPUs whose prefix cache hits a share of a trace, by the engine's own cache manager."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from kvcalc.answers.fit.placing import Placing
from kvcalc.answers.fit.replica import Replica
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.errors import RequestError, UnsupportedError
from kvcalc.readers.tokens import Tokenizing
from kvcalc.readers.traces.requests import requests
from kvcalc.units import parse_number, percent


class Hitting(NamedTuple):
    """The GPUs of one copy of a model, and how many of a trace's prompt tokens its cache hits."""

    gpus: int
    hit_tokens: int
    prompt_tokens: int


def share_of(rate: object) -> Fraction:
    """Read a rate of hits: a share, or a text such as 50%.

    Raises:
        RequestError: it is not a number from 0 to 1.
    """
    text = str(rate).strip() if isinstance(rate, float | str) else ""
    share = rate if isinstance(rate, Fraction) else parse_number(text.removesuffix("%"))
    if type(rate) is int:
        share = Fraction(rate)
    elif share is not None and text.endswith("%"):
        share /= 100
    if share is None or not 0 < share <= 1:
        raise RequestError.of("hit_rate", rate, "a share of prompt tokens, as 50%")
    return share


def fewest_hitting(
    placing: Placing, trace: str | Path | Iterable[str | Path], rate: object
) -> Hitting:
    """Find the fewest GPUs of one copy, whose promised cache hits at least a rate of a trace.

    Requests are served one after another, as in `kvcalc.replay`; each copy has its own cache, so
    that more copies do not hit more.

    Raises:
        KvcalcError: a file or the rate is not valid, the engine's prefix cache was not replayed, or
            a cache that is never full, or none on one copy's GPUs, hits so much.
    """
    asked, share = placing.question, share_of(rate)
    part = asked.engine.replay
    if part is None:
        raise UnsupportedError(
            f"{asked.engine.name}: kvcalc does not know what its prefix cache keeps",
            engine=asked.engine.name,
            what="hit_rate",
        )
    files = [trace] if isinstance(trace, str | Path) else trace
    listed = list(requests(files, Tokenizing(asked.model.hub_id)))
    prompts = sum(one.prompt_tokens for one in listed)
    found: dict[int, int] = {}

    def hits(settings: Settings, blocks: int | None) -> int:
        with request.said_by(asked.engine):
            (outcome,) = part.run(asked.model, settings, listed, [blocks])
        return sum(outcome.hits)

    def too_few(most: int, where: str) -> RequestError:
        least = f"at most {percent(most, prompts)}, which {where} hits of the trace"
        return RequestError.of("hit_rate", percent(int(share * 10**9), 10**9), least)

    def enough(copy: Replica, copies: int) -> bool:
        if copies > 1 or min(copy.caches) <= 0:
            return False
        if not found and (endless := hits(copy.parsed, None)) < share * prompts:
            raise too_few(endless, "a cache that is never full")
        cut = copy.pool(asked.model.longest_context)
        found[copy.ranks] = hits(copy.parsed, part.blocks(cut))
        return found[copy.ranks] >= share * prompts

    gpus = placing.fewest(enough)
    if not found:
        raise RequestError.about("hit_rate", "no number of GPUs leaves one copy room for a cache")
    if found.get(gpus, 0) < share * prompts:
        raise too_few(max(found.values()), f"one copy on {max(found)} GPUs")
    return Hitting(gpus, found[gpus], prompts)

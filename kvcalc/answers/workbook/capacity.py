"""What a combination's engine leaves of a GPU for its cache, and how many sequences that holds.

The rules are those of `kvcalc fit`, for a share of the memory that a planner types in. None means
that a figure is not known.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from kvcalc import engines
from kvcalc.answers.own_settings import own_settings
from kvcalc.answers.workbook.combinations import Combination
from kvcalc.answers.workbook.start import Start
from kvcalc.engines.memory import Card

UNKNOWN = "not known"


class MemoryRule(NamedTuple):
    """An engine's share of a GPU's memory, which memory that is, and how many blocks it holds back.

    `share` is a text if it is not one figure: SGLang's depends on the GPU and the ranks.
    """

    share: float | str
    of: str
    held_back_blocks: int


def memory_rule(engine: str, settings: Mapping[str, Any] | None = None) -> MemoryRule:
    """An engine's rule, as a row of the Engines table; `settings` may give the share.

    Raises:
        RequestError: the share is none.
    """
    chosen, release = engines.find(engine), engines.split_release(engine)[1]
    own = chosen.memory
    if own is None:
        return MemoryRule(UNKNOWN, "", 0)
    default = own.default
    if own.rule is not None:
        standing = chosen.settings.model_validate({"release": release}).standing
        default = standing.rules[own.rule].value if standing else default
    if given := own_settings(engine, settings or {}, share=True).get(own.share or ""):
        default = own.parsed(given)
    share = f"give {own.share}" if callable(default) else float(default)
    return MemoryRule(share, own.of, own.held_back_blocks)


def weights_per_gpu(one: Combination, found: Start | str) -> int | None:
    """Bytes of weights on one rank: as the engine loads them, else divided evenly."""
    if isinstance(found, Start) and found.weights is not None:
        return found.weights.at(found.own).bytes
    whole = one.listed.weights_bytes
    return None if whole is None else -(-whole // one.tensor_parallel_size)


def budget(one: Combination, card: Card, weights: int, beside: int) -> int | None:
    """Bytes on one GPU for the cache, below 0 if nothing is left; `beside` a start takes."""
    own, share = engines.find(one.engine).memory, memory_rule(one.engine, one.settings).share
    if own is None or isinstance(share, str):
        return None
    return own.budget(card, weights, beside, Fraction(str(share))).cache


def usable(one: Combination, cache: int, block: int) -> int:
    """What requests can use of a budget if the engine holds back blocks of this many bytes."""
    held_back = memory_rule(one.engine).held_back_blocks
    return max(0, (cache // block - held_back) * block if held_back else cache)


def sequences(room: int, first: int, second: int, most: int | None) -> int:
    """How many sequences fit: one takes `first` bytes, two take `second`; at most `most` run."""
    fitting = 0 if room < first else 1 + (room - first) // max(1, second - first)
    return fitting if most is None else min(most, fitting)


def gpus(one: Combination, wanted: int, per_copy: int) -> int:
    """How many GPUs hold these sequences, with a given number on each copy of the model."""
    return -(-wanted // per_copy) * one.tensor_parallel_size

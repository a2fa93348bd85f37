"""The pool: how an engine cuts a given memory up into a cache, before any request comes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kvcalc.model import Model


class Pool(NamedTuple):
    """A cache of a given memory, as an engine allocates it at its start.

    `context` is tokens of one sequence. `bytes` is what is allocated on the fullest rank;
    `capacity_tokens` is the engine's own figure of how many tokens fit; `max_sequences` is how
    many sequences of `context` tokens run at once (0: not even one fits). `figures` has what the
    engine prints or checks, by its own names.
    """

    model: Model
    engine: str
    kv_cache_dtype: str
    settings: Mapping[str, Any]
    context: int
    bytes: int
    capacity_tokens: int
    max_sequences: int
    figures: Mapping[str, Any]

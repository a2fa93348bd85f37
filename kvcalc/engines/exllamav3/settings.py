"""The settings of ExLlamaV3's cache, by the names of its command line (model_init.py)."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from kvcalc.engines.engine import About, Count, Settings, alone, whole
from kvcalc.errors import RequestError

PAGE = 256
"""Tokens of a page (constants.py)."""

DTYPE = "float16"
"""What is kept without `cache_quant`, whatever the model's own element type (cache/fp16.py)."""


def _pages(tokens: int | None) -> int | None:
    if tokens is not None and tokens % PAGE:
        raise RequestError.of("cache_size", tokens, f"a multiple of {PAGE}, the tokens of a page")
    return tokens


def _bits(value: object) -> object:
    """Take a number, a pair of them or their text: "4,4" is "4"."""
    parts = value.split(",") if isinstance(value, str) else value
    parts = parts if isinstance(parts, list | tuple) else [parts]
    found = [str(part).strip() for part in parts if type(part) is int or isinstance(part, str)]
    numbers = [number for number in found if re.fullmatch("[0-9]{1,2}", number)]
    if len(numbers) != len(parts) or len(numbers) not in (1, 2):
        raise RequestError.of("cache_quant", value, "bits of K and V, as 4 or 6,5")
    return numbers[0] if len(set(numbers)) == 1 else ",".join(numbers)


def _stored(name: str | None) -> str | None:
    if name not in (None, DTYPE):
        raise RequestError.of(
            "kv_cache_dtype", name, f"{DTYPE}: exllamav3 keeps no other; cache_quant packs it"
        )
    return name


class ExllamaV3Settings(Settings):
    """The settings of ExLlamaV3's cache.

    Without `cache_size` the cache is the smallest that holds the sequences asked about.
    """

    kv_cache_dtype: Annotated[
        Annotated[str, AfterValidator(_stored)] | None,
        About(f"{DTYPE}, the only one", "cache/fp16.py"),
    ] = None
    tensor_parallel_size: Annotated[
        int,
        alone("what each rank of exllamav3's --tensor_parallel holds was not measured"),
        About("1: its tensor parallelism is not modelled", "kvcalc"),
    ] = 1
    cache_size: Annotated[
        Annotated[Count, AfterValidator(_pages)] | None,
        About("tokens of all sequences; not given: as many as they need", "model_init.py"),
    ] = None
    cache_quant: Annotated[
        Annotated[str, BeforeValidator(_bits)] | None,
        About("bits of K and V, as 4 or 6,5; not given: float16", "model_init.py"),
    ] = None
    autosplit_max_batch_size: Annotated[
        Count, About("slots for the states of sequences", "model_init.py")
    ] = 1
    num_draft_tokens: Annotated[
        int,
        BeforeValidator(whole),
        Field(ge=0, le=2**20),
        About("tokens that a request drafts at once", "model_init.py; generator/job.py"),
    ] = 0
    max_history: Annotated[
        int,
        BeforeValidator(whole),
        Field(ge=0, le=2**20),
        About("drafted tokens that a recurrent state can take back", "cache/cache.py"),
    ] = 0
    recurrent_state_fp32: Annotated[
        bool, About("delta nets' states in float32, true or false", "model_init.py")
    ] = False
    swa_full: Annotated[
        bool, About("pages for sliding layers too, true or false", "model_init.py")
    ] = False

    @property
    def stored(self) -> str:
        """How K and V are stored, in words."""
        return DTYPE if self.cache_quant is None else f"{self.cache_quant} bits"

    @property
    def bits(self) -> tuple[int, int] | None:
        """Bits of an element of K and of V; None where they are not packed."""
        if self.cache_quant is None:
            return None
        k, _, v = self.cache_quant.partition(",")
        return int(k), int(v or k)

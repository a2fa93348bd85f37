"""What an SGLang log says of its run, and the buffers of pools of that many tokens."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property, partial
from typing import Any, NamedTuple

from kvcalc.engines.log import (
    SIZE,
    Found,
    Printed,
    Subject,
    either,
    first_that_agrees,
    in_words,
    last,
    number,
)
from kvcalc.engines.sglang.buffers import FULL, WINDOW, LayerBuffers
from kvcalc.engines.sglang.layout import Layout, lay_out
from kvcalc.engines.sglang.pool import Allocated, sizer_of
from kvcalc.engines.sglang.pool_sizes import PoolSizer, PoolSizes
from kvcalc.engines.sglang.resolved import resolve
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.errors import KvcalcError, RequestError

GIB = 2**30

BUFFERS: Mapping[str, tuple[str, ...]] = {
    "k": ("k_buffer", "k_scale_buffer", "native_k_scale_buffer"),
    "v": ("v_buffer", "v_scale_buffer", "native_v_scale_buffer"),
    "kv": ("kv_buffer", "index_k"),
}
"""The buffers that `K size`, `V size` and `KV size` count (get_kv_size_bytes)."""

INDEX_KEYS: Mapping[str, tuple[str, ...]] = {"k": ("index_k",), "v": (), "kv": ()}
"""Those of MiniMax-M3's indexer, whose pool prints its keys as K and no V."""

ELEMENTS = {
    "float8_e4m3fn": ("fp8_e4m3", "mxfp8"),
    "float8_e5m2": ("fp8_e5m2",),
    "float4_e2m1fn_x2": ("nvfp4", "fp4_mx_block16"),
    "uint8": ("fp8_e4m3", "fp8_e5m2", "nvfp4", "fp4_mx_block16"),
}
"""The element types of each of torch's that a line prints (srt/mem_cache/kv_cache_dtype.py); any
other has the same name."""

BLACKWELL = {"gpu": "b200"}
"""A GPU of the generation on which SGLang stores rows of sparse attention otherwise."""


ATTENTION_GROUPS = ("dp_size", "enable_dp_attention")
"""How many replicas there are, and whether they are groups of the attention's ranks alone."""


HOST = ("hicache_ratio", "hicache_size")
"""What sizes the pool's copies in main memory: times its tokens, or GB of each rank."""


class Part(NamedTuple):
    """What a line speaks of: buffers, by the name of the size, of some layers in a pool."""

    name: str
    pool: str
    groups: Callable[[Layout], tuple[LayerBuffers, ...]]
    buffers: Mapping[str, tuple[str, ...]] = BUFFERS

    def bytes(self, size: str, allocated: Allocated) -> int:
        """Bytes of a size ("k", "v" or "kv") on one rank."""
        names = tuple(f"{self.pool}.{buffer}" for buffer in self.buffers[size])
        return allocated.bytes(self.groups(allocated.layout), names)

    def layers(self, layout: Layout) -> int:
        """How many layers it is of."""
        names = {f"{self.pool}.{buffer}" for of in self.buffers.values() for buffer in of}
        return sum(
            one.layers
            for one in self.groups(layout)
            if names & {buffer.name for buffer in one.buffers}
        )


def _own(layout: Layout) -> tuple[LayerBuffers, ...]:
    return layout.groups


def _drafted(layout: Layout) -> tuple[LayerBuffers, ...]:
    return (layout.draft,) if layout.draft else ()


POOLS = (Part("swa", WINDOW, _own), Part("full", FULL, _own))
"""The window pool and the full one, in the order in which a line may mean them."""

BESIDE = (
    Part("indexer", FULL, _own, INDEX_KEYS),
    Part("draft", FULL, _drafted),
)
"""What has a pool, and so a line, of its own."""

LABELS = {"Full": "full", "SWA": "swa"}
"""What the two pools of a windowed model call themselves (swa_memory_pool.py)."""


class Run:
    """The model and settings of a log, and the tokens of its pool, or of two.

    `agreed` are the pools that agree so far, with their tokens; `beside` is whether one is not the
    model's.
    """

    def __init__(self, found: Sequence[Found], subject: Subject) -> None:
        settings = _with_attention_groups(subject.settings)
        self.share = settings.pop("mem_fraction_static", None)
        self.quantization = settings.pop("quantization", None)
        self._host = {name: settings.pop(name, None) for name in HOST}
        for name in subject.given.intersection(HOST):
            _number(name, self._host[name])
        self.subject = replace(subject, settings=settings)
        self._found = found
        self.pools = {
            name: number(line.values[name])
            for line in found
            for name in LABELS.values()
            if line.kind in ("window pool", "compressed pools", "both pools")
        }
        self._cut = {name: self._tokens_of("window pool", name) for name in LABELS.values()}
        self.tokens = last(found, "limits", "tokens")
        self.slots = _count(last(found, "states", "slots"))
        self.requests = _count(last(found, "limits", "requests"))
        self.free = last(found, "loaded", "free")
        self.context = subject.context or _count(last(found, "limits", "context"))
        own = self.pools.get("full") or self.pools.get("swa")
        self.pool_tokens = own or self._printed_tokens()
        self.taken: set[str] = set()
        self.agreed: set[tuple[str, int]] = set()
        self.beside = False

    def _printed_tokens(self) -> int | None:
        """The tokens that lines print of a single pool: the last, or those that no limit has.

        A draft's pool, and one of an indexer's keys, print a line each, all of the same tokens.
        """
        printed, limits = self._tokens_of("pool"), self._tokens_of("limits")
        others = (tokens for tokens in printed if limits and tokens not in limits)
        return next(others, _count(last(self._found, "pool", "tokens")))

    def _tokens_of(self, kind: str, name: str = "tokens") -> dict[int, None]:
        """All that lines of a kind print, in their order."""
        lines = (line.values for line in self._found if line.kind == kind)
        return {number(values[name]): None for values in lines if name in values}

    def as_cut(self, pool: str, tokens: int) -> int | None:
        """The tokens of a pool by the lines with which a memory was cut; None without one.

        Replicas print theirs between each other's lines: where one has so many tokens, those.
        """
        cut = self._cut[pool]
        return tokens if tokens in cut else next(iter(cut), None)

    def least(self, name: str) -> Fraction | None:
        """The least of a figure that each rank prints for itself."""
        return min(
            (Fraction(line.values[name]) for line in self._found if name in line.values),
            default=None,
        )

    @property
    def host_ratio(self) -> Fraction | None:
        """How many times the pool's tokens its copy in main memory has.

        Raises:
            RequestError: it is not a number.
        """
        return _number("hicache_ratio", self._host["hicache_ratio"])

    @property
    def host_size(self) -> Fraction | None:
        """The GB of a rank's copy.

        Raises:
            RequestError: it is not a number.
        """
        return _number("hicache_size", self._host["hicache_size"])

    def settings(self, changes: Mapping[str, Any]) -> SglangSettings:
        """The settings of the run, with changes.

        Raises:
            KvcalcError: SGLang refuses them.
        """
        return SglangSettings(**{**self.subject.settings, **changes})

    @cached_property
    def sizer(self) -> PoolSizer:
        """SGLang's rules of how many tokens and requests there are."""
        assert self.subject.model is not None
        return sizer_of(self.subject.model, self.settings({}), self.context or 1)

    def allocated(
        self,
        full: int,
        window: int | None,
        changes: Mapping[str, Any],
        slots: int | None = None,
    ) -> Allocated:
        """The buffers of pools of that many tokens, and slots, on one rank.

        Raises:
            KvcalcError: SGLang refuses the model or the settings.
        """
        assert self.subject.model is not None
        settings = self.settings(changes)
        resolved = resolve(self.subject.model, settings)
        layout = lay_out(self.subject.model, settings, resolved)
        return Allocated(layout, resolved, PoolSizes(full, window, slots, None, self.requests or 0))

    def element_of(self, line: Found) -> str | None:
        """The element type: as printed, else as given; None for the model's own."""
        given = self.settings({}).kv_cache_dtype
        printed = line.values.get("dtype")
        if printed is None:
            return given
        named = ELEMENTS.get(printed, (printed,))
        return given if given in named else named[0]

    def explain(
        self,
        printed: Printed,
        changes: Iterable[Mapping[str, Any]],
        size: Callable[[Mapping[str, Any]], Fraction],
    ) -> str | None:
        """Name the first changes of settings with which a size is as it is printed."""
        return either(
            first_that_agrees(printed, ((in_words(one), partial(size, one)) for one in causes))
            for causes in self.subject.causes(changes, self.subject.settings.keys())
        )

    @property
    def all_tokens(self) -> int | None:
        """The tokens of the pool, as its own line has them or as the scheduler's."""
        return self.pool_tokens or _count(self.tokens)

    @property
    def element(self) -> str | None:
        """The element type of the first pool that is printed, else as given."""
        pools = (line for line in self._found if line.kind == "pool")
        return next(map(self.element_of, pools), self.settings({}).kv_cache_dtype)

    def candidates(
        self, line: Found, tokens: int, element: str | None
    ) -> list[tuple[Part, Mapping[str, Any]]]:
        """What a line may speak of, with changes of the settings, the likeliest first."""
        layout = self.allocated(tokens, tokens, {"kv_cache_dtype": element}).layout
        pools = [
            part
            for part in POOLS
            if self.pools.get(part.name, tokens) == tokens and part.name not in self.taken
        ]
        if layout.window is None:
            pools = [POOLS[-1]]
        if label := line.values.get("pool"):
            pools = [part for part in POOLS if part.name == LABELS[label]]
        changes: list[Mapping[str, Any]] = [{}]
        if "gpu" not in self.subject.settings and self._is_known_on_blackwell(element):
            changes.append(BLACKWELL)
        beside = [part for part in BESIDE if part.layers(layout)]
        return [(p, c) for c in changes for p in pools or POOLS] + [(p, {}) for p in beside]

    def _is_known_on_blackwell(self, element: str | None) -> bool:
        """Whether the model's rows could be stored as on Blackwell too."""
        try:
            other = self.allocated(0, None, {"kv_cache_dtype": element, **BLACKWELL})
        except KvcalcError:
            return False
        return "full.index_k" in other.buffers() and "full.kv_buffer" in other.buffers()


def _with_attention_groups(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, with the groups of attention as releases before 0.5.23 spell them."""
    own = {name: value for name, value in given.items() if name not in ATTENTION_GROUPS}
    groups, attention = (given.get(name) for name in ATTENTION_GROUPS)
    if str(attention).lower() == "true" and groups is not None:
        own.setdefault("attn_dp_size", groups)
    return own


def _number(name: str, value: object) -> Fraction | None:
    """A setting as a number; None where it is not said.

    Raises:
        RequestError: it is not a number as logs print sizes (`SIZE`).
    """
    if value is not None and not re.fullmatch(SIZE, str(value)):
        raise RequestError.of(name, value, "a number of up to 9 digits, and 4 after a point")
    return None if value is None else Fraction(str(value))


def _count(text: str | None) -> int | None:
    return None if text is None else number(text)

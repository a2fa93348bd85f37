"""What a vLLM log says of its run, and the plans of the pool that follow from it."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any

from kvcalc.costs import formula
from kvcalc.engines.log import Found, Printed, Subject, either, in_words, last, number
from kvcalc.engines.memory import Card
from kvcalc.engines.vllm.log.config import overridden
from kvcalc.engines.vllm.plan import Plan, plan, variables
from kvcalc.engines.vllm.pool import capacity_tokens, capacity_tokens_up_to_0_20
from kvcalc.engines.vllm.releases import RELEASES
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError, UnsupportedError

NO_CONTEXT = "the context is missing: give --set max_model_len=N"
NO_MEMORY = "the available memory is missing from the log"
BY_LEAST = "each rank prints its own available memory and the pool follows the least"

MOST_TOKENS = 2**40

GIB = 2**30
GIB_PLACES = 2
"""Decimals that vLLM rounds GiB to (utils/mem_utils.py, format_gib); it drops zeros at the end."""

CHANGES: tuple[Mapping[str, Any], ...] = (
    *({"tensor_parallel_size": ranks} for ranks in (1, 2, 4, 8)),
    *({"kv_cache_dtype": name} for name in ("fp8", "bfloat16", "nvfp4")),
    *({"max_num_batched_tokens": tokens} for tokens in (1024, 2048, 4096, 8192, 16384, 32768)),
    {"async_scheduling": False},
    {"mamba_cache_mode": "none"},
    {"mamba_cache_mode": "align"},
    {"mamba_ssm_cache_dtype": "float32"},
    {"disable_hybrid_kv_cache_manager": True},
    *({"speculative_method": "mtp", "num_speculative_tokens": tokens} for tokens in (1, 2, 3)),
)
"""Settings that may explain a figure that differs, each tried by itself."""

NEW_LABEL = "blocks / blocks per request x max_model_len, the label's meaning from 0.20.1 on"
OLD_LABEL = "blocks // groups x block size, the label's meaning up to 0.20.0"
OVERRIDDEN_LABEL = "num_gpu_blocks_override x block size, the label's meaning of some builds"

Tokens = Callable[[int], int]
"""The tokens of a count of blocks, as a label has them."""


class RunPool:
    """A plan of the model's pool, with what it makes of blocks of one rank."""

    def __init__(self, planned: Plan) -> None:
        self.plan = planned
        settings = planned.settings
        varying = variables(settings, planned.block_size, planned.scales)
        self._blocks = formula(planned.model, planned.blocks_per_request, varying)
        self.block = max(planned.bytes_per_block)
        self._requests: dict[int, int] = {}

    def request(self, context: int) -> int:
        """Blocks of one request of that many tokens."""
        if context not in self._requests:
            self._requests[context] = self._blocks(context)
        return self._requests[context]

    def labels(self, context: int | None) -> Mapping[str, Tokens]:
        """What the log may call the tokens of a count of blocks, by its release's label first."""
        labels: dict[str, Tokens] = {
            OLD_LABEL: lambda blocks: capacity_tokens_up_to_0_20(self.plan, blocks, context)
        }
        if context is None:
            return labels
        new = {NEW_LABEL: lambda blocks: capacity_tokens(blocks, self.request(context), context)}
        return labels | new if self.plan.settings.rules.label == "groups" else new | labels


class Run:
    """The memory, context and settings of a log, and the plans made for them.

    `wanted_tokens` are those of the last line that printed the pool's. `unsupported` is why its
    pool cannot be planned, if so.
    """

    def __init__(
        self, found: Sequence[Found], subject: Subject, unsupported: str | None = None
    ) -> None:
        self.subject = subject
        self.unsupported = unsupported
        self.settings = dict(subject.settings)
        batch = last(found, "batch", "tokens")
        if batch:
            self.settings.setdefault("max_num_batched_tokens", number(batch))
        wanted = last(found, "mamba blocks", "sequences")
        if wanted and length(wanted):
            self.settings.setdefault("max_num_seqs", number(wanted))
        concurrency = [f.values["context"] for f in found if "context" in f.values]
        fitted = last(found, "fitted", "fitted")
        self.context = length(fitted) if fitted else subject.context
        if self.context is None and concurrency:
            self.context = length(concurrency[-1])
        if self.context is None and subject.model is not None:
            self.context = subject.model.max_context
        memories = [f.values["gib"] for f in found if f.kind == "available"]
        self.memory = min(memories, key=Fraction) if memories else None
        self.memory_bytes = subject.number("kv_cache_memory_bytes", default=0)
        self.blocks = last(found, "mamba blocks", "blocks") or last(found, "blocks", "blocks")
        given = subject.number("num_gpu_blocks_override", default=0)
        self._given_share = self.settings.get("gpu_memory_utilization")
        self.quantization = self.settings.pop("quantization", None)
        for name in ("num_gpu_blocks_override", "kv_cache_memory_bytes", "gpu_memory_utilization"):
            self.settings.pop(name, None)
        self.overridden = overridden(found)
        self.free = last(found, "free", "free")
        self.weights = last(found, "weights", "weights")
        self.specified = bool(self.memory_bytes or last(found, "available", "by"))
        self.requested = last(found, "requested", "requested")
        self._requested_share = last(found, "requested", "share")
        self.override = last(found, "override", "override") or (str(given) if given else None)
        self.tokens = last(found, "tokens", "tokens")
        self.times = last(found, "concurrency", "times")
        self.wanted_tokens: int | None = None

    @cached_property
    def pool(self) -> RunPool:
        """The pool with the settings as they are."""
        return self.changed({})

    def changed(self, changes: Mapping[str, Any]) -> RunPool:
        """The pool with other settings.

        Raises:
            UnsupportedError: vLLM refuses them, or the pool is `unsupported`.
        """
        assert self.subject.model is not None
        if self.unsupported:
            raise UnsupportedError(self.unsupported, what="pool")
        settings = VllmSettings(**{**self.settings, **changes})
        settings.require_model(self.subject.model)
        return RunPool(plan(self.subject.model, settings))

    def bytes_of(self, memory: Printed) -> tuple[int, int]:
        """The least and the most bytes that a memory may have, which the log prints rounded."""
        if self.memory_bytes:
            return self.memory_bytes, self.memory_bytes
        return (
            int((memory.value - memory.half_step) * GIB),
            int((memory.value + memory.half_step) * GIB),
        )

    def named(self, gib: str | None) -> str:
        """A memory in words: as it was given in bytes, else as the log prints it."""
        return f"{self.memory_bytes:,} B" if self.memory_bytes else f"{gib} GiB"

    @property
    def by_least(self) -> str:
        """Why a pool may be smaller, to end a sentence; nothing where each rank has the same."""
        return "" if self.memory_bytes else f"; {BY_LEAST}"

    def blocks_in_memory(self, pool: RunPool) -> range | None:
        """How many blocks the memory may give."""
        if not self.memory_bytes and self.memory is None:
            return None
        low, high = self.bytes_of(Printed(0, "", self.memory or "0", GIB_PLACES))
        return range(max(0, low) // pool.block, max(0, high) // pool.block + 1)

    def blocks_of(self, pool: RunPool) -> range | None:
        """How many blocks the pool may have: as asked for, as printed, else as the memory gives."""
        for text in (self.override, self.blocks):
            if text is not None:
                return range(number(text), number(text) + 1)
        return self.blocks_in_memory(pool)

    @property
    def taken(self) -> Fraction:
        """The share of the memory that the start took: as printed, as given, else its own."""
        from kvcalc.engines.vllm.memory import MEMORY

        given = self._requested_share or self._given_share
        standing = VllmSettings(**self.settings).standing
        return MEMORY.taken(given, Card("", 0, 0), self.settings, standing)

    @property
    def device(self) -> int | None:
        """The least bytes of a device's memory: by what was requested of it, else the GPU's own."""
        if self.requested is not None and self._requested_share is not None:
            of_it = Printed(0, "", self.requested, GIB_PLACES)
            return int((of_it.value - of_it.half_step) * GIB / Fraction(self._requested_share))
        if "gpu" not in self.settings:
            return None
        from kvcalc.catalogue.gpus import find

        return find(str(self.settings["gpu"])).least_bytes

    @property
    def of_one_start(self) -> bool:
        """Whether some count of blocks a request makes the log's concurrency of its blocks."""
        text = self.override or self.blocks
        if text is None or self.times is None or not (times := Printed(0, "", self.times)).value:
            return True
        near = int(number(text) / times.value)
        return any(
            times.agrees_with(Fraction(number(text), request))
            for request in range(max(1, near - 1), near + 3)
        )

    def labelled(self, pool: RunPool, wanted: int) -> Iterator[tuple[int, str]]:
        """The counts of blocks with which the pool's tokens are these, each with the label."""
        labels = pool.labels(self.context)
        if self.override:
            labels = {**labels, OVERRIDDEN_LABEL: lambda blocks: blocks * pool.plan.block_size}
        for label, tokens in labels.items():
            yield from ((count, label) for count in giving(wanted, tokens, self.blocks_of(pool)))

    def paired(self, pool: RunPool) -> Iterator[tuple[int, str]]:
        """The counts of blocks that give the tokens and the concurrency printed, with the label."""
        if self.tokens is None or self.times is None or self.context is None:
            return
        times, request = Printed(0, "", self.times), pool.request(self.context)
        first = max(0, int((times.value - times.half_step) * request))
        counts = range(first, int((times.value + times.half_step) * request) + 2)
        for label, tokens in pool.labels(self.context).items():
            for count in giving(number(self.tokens), tokens, counts):
                if times.agrees_with(Fraction(count, request)):
                    yield count, label

    def narrowed(self, pool: RunPool) -> Sequence[int]:
        """The counts of blocks that also give the tokens printed last, where any does."""
        blocks = self.blocks_of(pool) or range(0)
        if self.wanted_tokens is None:
            return blocks
        return sorted(count for count, _ in self.labelled(pool, self.wanted_tokens)) or blocks

    def explain(self, value: Callable[[RunPool], bool]) -> str | None:
        """Name what would make a figure as it is printed: another release first, then a setting.

        A release that the log or the user says stands.
        """
        if not self.subject.may_explain():
            return None
        settings = self.subject.causes(CHANGES, self.settings.keys())
        first = (next((one for one in of if self._holds(one, value)), {}) for of in settings)
        return either((self._release_that(value), *map(in_words, first)))

    def _release_that(self, value: Callable[[RunPool], bool]) -> str | None:
        """The newest releases in a row with which a figure is as printed."""
        if "release" in self.settings:
            return None
        return RELEASES.that(lambda version: self._holds({"release": version}, value))

    def _holds(self, changes: Mapping[str, Any], value: Callable[[RunPool], bool]) -> bool:
        try:
            return value(self.changed(changes))
        except KvcalcError:
            return False


def giving(wanted: int, tokens: Tokens, counts: range | None) -> range:
    """The counts of blocks that have so many tokens, which are never fewer of more blocks."""
    found = counts or range(0)
    least = bisect_left(found, wanted, key=tokens)
    return found[least : bisect_right(found, wanted, lo=least, key=tokens)]


def length(text: str) -> int | None:
    """The tokens of a request; None for none, or for more than any model takes."""
    tokens = number(text)
    return tokens if 0 < tokens <= MOST_TOKENS else None


def in_gib(size: int) -> str:
    """Bytes in GiB, to the decimals that vLLM prints."""
    return f"{size / GIB:.{GIB_PLACES}f}"


def hint(cause: str | None) -> str:
    """Name a cause, if there is one."""
    return f"; {cause} would explain it" if cause else ""

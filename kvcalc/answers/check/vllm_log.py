"""What a vLLM log says of its run, and the plans of the pool that follow from it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kvcalc.answers.check.verdict import Printed, Subject, number
from kvcalc.costs import formula
from kvcalc.engines.vllm.plan import Plan, plan, variables
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError

if TYPE_CHECKING:
    from kvcalc.readers.logs.pattern import Found

GIB = 2**30

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

NEW_LABEL = "blocks / blocks a request x max_model_len, the label's meaning from 0.21 on"
OLD_LABEL = "blocks // groups x block size, the label's meaning up to 0.20"
OVERRIDDEN_LABEL = "num_gpu_blocks_override x block size, the label's meaning of some builds"


class Pool:
    """A plan of the model's pool, with what it makes of a memory in bytes of one rank."""

    def __init__(self, planned: Plan) -> None:
        self.plan = planned
        settings = planned.settings
        varying = variables(settings, planned.block_size, planned.scales)
        self._blocks = formula(planned.model, planned.blocks_per_request, varying)
        self.block = max(planned.bytes_per_block)
        self.groups = len(planned.groups)

    def request(self, context: int) -> int:
        """Blocks of one request of so many tokens."""
        blocks: int = self._blocks(context)
        return blocks

    def labels(self, blocks: int, context: int | None) -> Iterator[tuple[str, int]]:
        """What the log may call the tokens of so many blocks, by the versions of the label."""
        if context is not None:
            yield NEW_LABEL, int(blocks / self.request(context) * context)
        yield OLD_LABEL, blocks // self.groups * self.plan.block_size


class Log:
    """The memory, context and settings of a log, and the plans made for them."""

    def __init__(self, found: "Sequence[Found]", subject: Subject) -> None:
        self.subject = subject
        self.settings = dict(subject.settings)
        for name in ("prefix_caching", "enable_prefix_caching"):
            if str(self.settings.pop(name, "true")).lower() == "false":
                self.settings.setdefault("mamba_cache_mode", "none")
        batch = last(found, "batch", "tokens")
        if batch:
            self.settings.setdefault("max_num_batched_tokens", number(batch))
        concurrency = [f.values["context"] for f in found if "context" in f.values]
        self.context = subject.context or (number(concurrency[-1]) if concurrency else None)
        if self.context is None and subject.model is not None:
            self.context = subject.model.max_context
        memories = [f.values["gib"] for f in found if f.kind == "available"]
        self.memory = min(memories, key=Fraction) if memories else None
        self.blocks = last(found, "blocks", "blocks")
        given = subject.number("num_gpu_blocks_override", default=0)
        self.settings.pop("num_gpu_blocks_override", None)
        self.override = last(found, "override", "override") or (str(given) if given else None)
        self.tokens = last(found, "tokens", "tokens")

    @cached_property
    def pool(self) -> Pool:
        """The pool with the settings as they are."""
        return self.changed({})

    def changed(self, changes: Mapping[str, Any]) -> Pool:
        """The pool with other settings.

        Raises:
            KvcalcError: vLLM refuses them.
        """
        assert self.subject.model is not None
        return Pool(plan(self.subject.model, VllmSettings(**{**self.settings, **changes})))

    def range_of_blocks(self, pool: Pool) -> range | None:
        """How many blocks the pool may have, given that the memory is printed rounded."""
        if self.override is not None:
            return range(number(self.override), number(self.override) + 1)
        if self.memory is None:
            return None
        memory = Printed(0, "", self.memory)
        low = (memory.value - memory.step / 2) * GIB // pool.block
        high = (memory.value + memory.step / 2) * GIB // pool.block
        return range(int(low), int(high) + 1)

    def explain(self, value: Callable[[Pool], bool]) -> str | None:
        """Name the first change of settings with which a figure would be as printed."""
        for changes in CHANGES:
            try:
                if value(self.changed(changes)):
                    return ", ".join(f"{name}={value}" for name, value in changes.items())
            except KvcalcError:
                continue
        return None


def last(found: "Sequence[Found]", kind: str, name: str) -> str | None:
    """What the last line of a kind prints."""
    values = [line.values[name] for line in found if line.kind == kind and name in line.values]
    return values[-1] if values else None


def hint(cause: str | None) -> str:
    """Name a cause, if there is one."""
    return f"; {cause} would explain it" if cause else ""

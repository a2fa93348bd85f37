"""LMDeploy's start-up lines: the blocks of its PyTorch engine, and the memory they were cut from.

Read in LMDeploy 0.18.0 (pytorch/engine/executor/base.py, serve/core/async_engine.py), and in
0.16.0 and 0.17.0, whose lines are the same. Memory is printed at the level DEBUG alone, before
0.7.2 by each device for itself (pytorch/engine/model_agent.py).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from kvcalc.engines import find
from kvcalc.engines.lmdeploy.layout import Layout, layout
from kvcalc.engines.lmdeploy.pool import LEAST_BLOCKS
from kvcalc.engines.lmdeploy.ranks import RANKS, attention_ranks
from kvcalc.engines.lmdeploy.settings import LmdeploySettings
from kvcalc.engines.log import (
    AGREES,
    NO_MODEL,
    SIZE,
    Checked,
    EngineLog,
    Found,
    Printed,
    Subject,
    figures,
    pattern,
    ruled,
)
from kvcalc.engines.request import require_run
from kvcalc.errors import RequestError, UnsupportedError

COUNT = "[0-9]{1,15}"

PATTERNS = (
    pattern("arguments", "backend_config=", r"backend_config=PytorchEngineConfig\((?P<config>.*)"),
    pattern(
        "cache",
        "CacheConfig(max_batches=",
        rf"block_size=(?P<tokens>{COUNT}),.{{0,60}}?num_gpu_blocks=(?P<blocks>{COUNT}),.{{0,200}}?"
        rf"cache_max_entry_count=(?P<share>{SIZE})[0-9]*,"
        rf"(?:.{{0,300}}?quant_policy=(?:<[A-Za-z0-9_.]{{1,60}}: )?(?P<policy>{COUNT}))?",
    ),
    pattern("free", "minimal free gpu memory", rf"minimal free gpu memory: (?P<mib>{COUNT}) mb"),
    pattern(
        "free of a device",
        "> free gpu memory",
        rf"device<{COUNT}> free gpu memory: (?P<mib>{COUNT}) mb",
    ),
    pattern("runtime", "max runtime memory", rf"estimated max runtime memory: (?P<mib>{COUNT}) mb"),
    pattern(
        "turbomind",
        "[BlockManager] ",
        rf"\[BlockManager\] (?:block_size = (?P<size>{SIZE}) MB"
        rf"|max_block_count = (?P<blocks>{COUNT}))",
    ),
    pattern("turbomind", "session_len", rf"`session_len` truncated to (?P<tokens>{COUNT})"),
    pattern("no memory", "No enough gpu memory for kv", r"No enough gpu memory for kv cache"),
)

MIB = 2**20

TURBOMIND = (
    "TurboMind's cache is not counted, only that of LMDeploy's PyTorch engine (--backend pytorch)"
)
NO_MEMORY = "the memory is missing: lmdeploy prints it at --log-level DEBUG"


class Run:
    """The settings of a log, and the memory of its pool where it is printed."""

    def __init__(self, found: Sequence[Found], subject: Subject) -> None:
        values = {line.kind: line.values for line in found}
        self.model = subject.model
        self.settings = dict(subject.settings)
        ranks = {name: self.settings.pop(name, "1") for name in RANKS}
        self.settings["tensor_parallel_size"], _ = attention_ranks(ranks)
        cache = values.get("cache", {})
        given = self.settings.pop("cache_max_entry_count", cache.get("share", "0.8"))
        if not re.fullmatch(SIZE, str(given)):
            raise RequestError.of("cache_max_entry_count", given, "a number")
        self.share = Fraction(str(given))
        if "policy" in cache:
            self.settings.setdefault("quant_policy", cache["policy"])
        free = [line.values["mib"] for line in found if line.kind == "free of a device"]
        if len(free) == 1:  # of several the log does not say which counts
            values.setdefault("free", {"mib": free[0]})
        memory = [values.get(kind, {}).get("mib") for kind in ("free", "runtime")]
        self.memory = [int(mib) for mib in memory if mib is not None]

    @property
    def layout(self) -> Layout:
        """How a block is laid out.

        Raises:
            KvcalcError: LMDeploy refuses the model or the settings.
        """
        assert self.model is not None
        parsed = LmdeploySettings(**self.settings)
        require_run(self.model, find("lmdeploy"), parsed)
        return layout(self.model, parsed)

    def blocks(self) -> tuple[int, int] | None:
        """The least and the most blocks that the memory gives: both its parts are rounded down.

        Raises:
            UnsupportedError: states take an unknown part of it.
        """
        if len(self.memory) < 2:
            return None
        made = self.layout
        if made.state:
            raise UnsupportedError(
                "lmdeploy reserves states for max_batch_size sequences before it cuts blocks, "
                "which are not modelled",
                what="states",
            )
        free, runtime = self.memory
        least, most = (
            int(max(0, free - runtime + off) * MIB * self.share) // made.block_bytes
            for off in (-1, 1)
        )
        return least, most


def check(found: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    """Hold each figure against what LMDeploy's rules give for the model."""
    without_model = Run(found, replace(subject, model=None))
    yield from ruled(found, RULES, Run(found, subject), without_model, subject.given)


def _cache(run: Run, line: Found) -> Iterator[Checked]:
    """The block as it was adjusted, and the blocks that the memory gave."""
    tokens = Printed(line.line, "block_size (tokens)", line.values["tokens"])
    blocks = Printed(line.line, "num_gpu_blocks (blocks)", line.values["blocks"])
    if run.model is None:
        yield tokens.cannot(NO_MODEL)
        yield blocks.cannot(NO_MODEL)
        return
    made = run.layout
    yield tokens.against(made.block_tokens, "cache_block_seq_len, as the model's kernels take it")
    bounds = run.blocks()
    if bounds is None:
        yield blocks.cannot(f"{NO_MEMORY}; a block takes {made.block_bytes:,} bytes on one rank")
        return
    least, most = bounds
    free, runtime = run.memory
    why = f"({free:,} - {runtime:,}) MiB x {float(run.share):g} / {made.block_bytes:,} B a block"
    if least <= blocks.value <= most:
        yield blocks.row(blocks.value, AGREES, why)
    else:
        yield blocks.against(least, f"{why}: {least:,} to {most:,}")


def _no_memory(run: Run, line: Found) -> Iterator[Checked]:
    """The error of a memory with room for no more than two blocks."""
    least = Printed(line.line, "blocks that the memory gives (blocks)", str(LEAST_BLOCKS - 1))
    why = f"lmdeploy stops below {LEAST_BLOCKS} blocks"
    bounds = None if run.model is None else run.blocks()
    if bounds is None:
        yield least.cannot(f"{why}; {NO_MODEL if run.model is None else NO_MEMORY}")
    elif bounds[0] < LEAST_BLOCKS:
        yield least.row(min(LEAST_BLOCKS - 1, bounds[1]), AGREES, why)
    else:
        yield least.against(bounds[0], why)


def _turbomind(_: Run, line: Found) -> Iterator[Checked]:
    """The blocks of LMDeploy's other engine, and the context that they leave."""
    labels = {
        "size": "block_size (MB)",
        "blocks": "max_block_count (blocks)",
        "tokens": "session_len (tokens)",
    }
    yield from (printed.cannot(TURBOMIND) for printed in figures(line, labels).values())


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "cache": _cache,
    "no memory": _no_memory,
    "turbomind": _turbomind,
}
"""How each kind of line is checked."""


def _element(text: str) -> Any:
    return None if text == "auto" else text


LOG = EngineLog(
    patterns=PATTERNS,
    check=check,
    spellings={
        "tp": "tensor_parallel_size",
        "dtype": "kv_cache_dtype",
        "block_size": "cache_block_seq_len",
        "session_len": "context",
    },
    beside=frozenset({"cache_max_entry_count", "dp", "ep"}),
    configured=("tp", "dp", "ep", "dtype", "quant_policy", "cache_max_entry_count", "block_size"),
    values={"dtype": _element},
)

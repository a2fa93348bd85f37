"""SGLang's error of a memory in which its pools have no room, and what would have started.

The pools get what is free after the weights less (1 - mem_fraction_static) of what was free before
them. Read in SGLang 0.5.23 (srt/model_executor/pool_configurator.py, MemoryPoolConfig, and
srt/mem_cache/kv_cache_configurator.py, _profile_available_bytes), and as older versions had it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from kvcalc.engines.log import (
    AGREES,
    DIFFERS,
    SIZE,
    Changes,
    Checked,
    Found,
    Printed,
    Remedy,
    pattern,
)
from kvcalc.engines.log_remedies import RANKS_TALK, least
from kvcalc.engines.sglang.log.run import GIB, Run
from kvcalc.engines.sglang.pool import pool

SHARE = r"[01](?:\.[0-9]{1,17})?"

PATTERNS = (
    pattern(
        "no room",
        "Not enough memory. Please",
        r"Not enough memory\. Please try to increase --mem-fraction-static"
        rf"(?:.{{0,60}}?mem_fraction_static=(?P<share>{SHARE}))?",
    ),
    pattern(
        "no room",
        "leave no GPU memory for",
        rf"leave no GPU memory for the KV cache under --mem-fraction-static=(?P<share>{SHARE})"
        rf"(?:.{{0,200}}?available/pre = (?P<viable>{SIZE}))?",
    ),
    pattern("before", "Load weight begin", rf"Load weight begin\. avail mem=(?P<before>{SIZE}) GB"),
    pattern(
        "after",
        "Load weight end",
        rf"Load weight end\..{{0,300}}?avail mem=(?P<after>{SIZE}) GB"
        rf"(?:, mem usage=(?P<used>{SIZE}) GB)?",
    ),
)

MISSING = (
    'the memory that the pools are cut from is missing: "Load weight begin", "Load weight end" and '
    "mem_fraction_static tell it"
)

FULL = "other programs held the whole memory of the GPU before the weights"

BESIDE = (
    "weights leave some memory, of which recurrent states, images and what graphs compute in take "
    "the rest before the pools"
)

OFF = Fraction(1, 100)
"""GiB that what is left may be off: two figures rounded to .01."""

CLOSE = 50
"""Our weights are the log's if they are to one part in this many."""

RANKS = (2, 4, 8)
"""Times as many ranks as the start had."""


class Failed(NamedTuple):
    """A start whose pools had no room: GiB free before and after the weights, and the share.

    `used` is what the weights took, where the log says it; of several ranks the least of each.
    """

    run: Run
    share: Fraction
    before: Fraction
    after: Fraction
    used: Fraction | None

    def left(self, share: Fraction) -> Fraction:
        """GiB that a share leaves for the pools, by the figures as printed."""
        return self.after - self.before * (1 - share)

    def starts(self, changes: Changes) -> str | None:
        """Say what the pools have after a change, if they hold a request; else None."""
        given = dict(changes)
        share = given.pop("share", self.share)
        room = int((self.left(share) - OFF) * GIB) + self._freed(given)
        model = self.run.subject.model
        assert model is not None
        context = self.run.context or model.max_context or 1
        settings = self.run.settings(given)
        held = pool(model, settings, room, context) if room > 0 else None
        if held is None or held.max_sequences < 1:
            return None
        return (
            f"leaves {room / GIB:.2f} GiB: {held.capacity_tokens:,} tokens, for one of {context:,}"
        )

    def _freed(self, given: Changes) -> int:
        """Bytes that more ranks add on one: weights that others hold, less what talking takes."""
        if "tensor_parallel_size" not in given:
            return 0
        then, now = (self._weights(changes) for changes in (given, {}))
        printed = int((self.used or 0) * GIB)
        if then is None or now is None or abs(printed - now) * CLOSE > now:
            return -RANKS_TALK
        return now - then - RANKS_TALK

    def _weights(self, changes: Changes) -> int | None:
        from kvcalc.engines.sglang.weights import weigh

        assert self.run.subject.model is not None
        loaded = weigh(self.run.subject.model, self.run.settings(changes))
        return None if loaded is None else max(sum(stage.values()) for stage in loaded.stages)

    def remedies(self) -> tuple[Remedy, ...]:
        """The least change of each kind that starts."""
        from kvcalc.engines.sglang.server import SERVER

        model = self.run.subject.model
        if model is None:
            return ()
        first = ceil(self.share * 100)
        now = self.run.settings({}).tensor_parallel_size
        kinds: tuple[list[Changes], ...] = (
            [{"share": Fraction(share, 100)} for share in range(first, 100)],
            [{"tensor_parallel_size": now * times} for times in RANKS],
        )
        return least(kinds, self.starts, SERVER, model)


def _no_room(run: Run, line: Found) -> Iterator[Checked]:
    """The error of a memory in which nothing is left for the pools."""
    printed = Printed(line.line, "memory left for the pools (GiB)", "0")
    share = line.values.get("share") or run.share
    free = {name: run.least(name) for name in ("before", "after", "used")}
    before, after = free["before"], free["after"]
    if share is None or before is None or after is None:
        yield printed.cannot(MISSING)
        return
    if before == 0:
        yield printed.cannot(FULL)
        return
    failed = Failed(run, Fraction(share), before, after, free["used"])
    left = failed.left(failed.share)
    why = f"{float(after):g} - {float(before):g} x (1 - {share}) GiB, all of the log"
    printed = printed._replace(text=f"{float(left):.2f}")
    if left > OFF and "viable" in line.values:
        yield printed.cannot(f"{why}: {BESIDE}")
        return
    row = printed.row(min(left, Fraction(0)), AGREES if left <= OFF else DIFFERS, why)
    yield replace(row, remedies=failed.remedies())
    if "viable" in line.values:
        viable = Printed(line.line, "minimum viable mem_fraction_static", line.values["viable"])
        ours, why = 1 - after / before, f"1 - {float(after):g} / {float(before):g} GiB"
        near = abs(viable.value - ours) <= viable.half_step + 2 * OFF / before
        yield viable.row(ours, AGREES, why) if near else viable.against(ours, why)


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {"no room": _no_room}
"""How each kind of line is checked."""

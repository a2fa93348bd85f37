"""What would have started by a log's own figures alone, where ours are not the log's.

That is where its model is not known, or a setting that it does not print makes the difference.
"""

from collections.abc import Iterator
from fractions import Fraction
from math import ceil

from kvcalc.engines.log import Printed, Remedy
from kvcalc.engines.server.writer import flag
from kvcalc.engines.vllm.log.remedies import most_share
from kvcalc.engines.vllm.log.run import GIB, Run


def stated(run: Run, needed: Printed, available: Printed, longest: int) -> tuple[Remedy, ...]:
    """A larger share of a memory that is told, and the longest request that the log estimates."""
    changes = (_share(run, needed, available), _context(longest))
    return tuple(remedy for change in changes for remedy in change)


def _share(run: Run, needed: Printed, available: Printed) -> Iterator[Remedy]:
    from kvcalc.engines.vllm.server import SERVER

    if run.device is None or run.specified:
        return
    missing = needed.value + needed.half_step - available.value + available.half_step
    share = Fraction(ceil((run.taken + missing * GIB / run.device) * 100), 100)
    words = flag(SERVER, "share", share) if share <= most_share(run) else None
    if words is not None:
        room = available.value + (share - run.taken) * run.device / GIB
        yield Remedy(words, f"needs {needed.text} of {float(room):.2f} GiB, by the log")


def _context(longest: int) -> Iterator[Remedy]:
    from kvcalc.engines.vllm.server import SERVER

    tokens = longest // 1024 * 1024 or longest
    if tokens > 0 and (words := flag(SERVER, "context", tokens)) is not None:
        yield Remedy(words, f"fits, by the log's estimate of {longest:,} tokens")

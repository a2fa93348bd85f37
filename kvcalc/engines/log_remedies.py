"""What would have started, where a log tells of a start that failed: the least change of a kind."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from kvcalc.engines.log import Changes, Remedy
from kvcalc.engines.server import writer
from kvcalc.errors import KvcalcError

if TYPE_CHECKING:
    from kvcalc.engines.server import Server
    from kvcalc.model import Model

RANKS_TALK = 260 * 2**30 // 100
"""Bytes outside of PyTorch where ranks talk: the most of the table of vLLM's logs, for any engine
(vllm/budget/non_torch.py)."""

Starts = Callable[[Changes], str | None]
"""Says what a start with these changes has; None where it fails, too."""


def least(
    kinds: Iterable[Iterable[Changes]], starts: Starts, server: "Server", model: "Model"
) -> tuple[Remedy, ...]:
    """Find the first change of each kind that starts; those of a kind go from little to much.

    One that the engine refuses, or that no flag of its server says, is left out.
    """
    found = []
    for candidates in kinds:
        for changes in candidates:
            try:
                then = starts(changes)
            except KvcalcError:
                continue
            flags = None if then is None else writer.flags(server, model, changes)
            if then is not None and flags is not None:
                found.append(Remedy(flags, then))
                break
    return tuple(found)

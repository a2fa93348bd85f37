"""What the requests of a trace hold on an engine while they live, as sums over the requests."""

from collections.abc import Callable
from typing import Any, NamedTuple

from kvcalc.costs import Cost
from kvcalc.model import Model

FAR = 2**30
"""A context past every window and batch, where what a request adds grows by the token alone."""


class Sum(NamedTuple):
    """A sum over the requests that live at once, by its name.

    A request counts by the column `of` of the trace: all its tokens, or only its prompt's. `cost`
    makes the cost to sum from the model and the settings, if that is not the engine's own.
    """

    name: str
    of: str = "tokens"
    cost: Callable[[Model, Any], Cost] | None = None


AS_THEY_COME = (Sum("full length"), Sum("prompt alone", "prompt"))
"""The sums where a request holds what its tokens take: all of them, or only the prompt's."""

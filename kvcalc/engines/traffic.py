"""What the requests of a trace hold on an engine while they live: the sums that tell it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from kvcalc.costs import Cost
from kvcalc.model import Model

FAR = 2**30
"""A context past every window and batch, where what a request adds grows by the token alone."""


class Sum(NamedTuple):
    """A sum over the requests that live at once, by its name.

    A request counts by a column `of` the trace: all its tokens, or its prompt's alone. `cost` makes
    the cost that is summed of the model and the settings, where it is not the engine's own.
    """

    name: str
    of: str = "tokens"
    cost: Callable[[Model, Any], Cost] | None = None


AS_THEY_COME = (Sum("full length"), Sum("prompt alone", "prompt"))
"""Where a request holds what its tokens take: all that it will have, or its prompt's at first."""

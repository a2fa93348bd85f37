"""How many parameters a model has: in all, of one token, and by component."""

from collections import Counter
from collections.abc import Iterable, Mapping

from kvcalc.parameters.sizes import Sizes
from kvcalc.parameters.tensor import Component, Tensor
from kvcalc.records import Record

APART: frozenset[Component] = frozenset({"mtp", "buffers"})
"""Components that a model's own count leaves out."""


class Parameters(Record):
    """A count of parameters, embedding and head included.

    `active` are those that one token goes through: of the experts as many as a token takes.
    `mtp` are those of the layers that draft, which neither `total` nor `components` has.
    """

    total: int
    active: int
    components: Mapping[Component, int]
    mtp: int = 0


def counted(tensors: Iterable[Tensor], sizes: Sizes) -> Parameters:
    """Count the parameters of tensors, a tied embedding once."""
    components: Counter[Component] = Counter()
    for tensor in tensors:
        components[tensor.component] += tensor.elements
    own = {part: count for part, count in components.items() if part not in APART}
    total, mix = sum(own.values()), sizes.experts
    idle = 0
    if mix is not None:
        idle = own["experts"] * (mix.num_experts - mix.num_experts_per_tok) // mix.num_experts
    return Parameters(total, total - idle, own, components["mtp"])

"""How a model's cache is laid out: the bytes of a page and of a slot, over all layers."""

from typing import NamedTuple

from kvcalc.costs import CONTEXT
from kvcalc.engines.exllamav3.layer_parts import LayerParts
from kvcalc.engines.exllamav3.layer_rules import LayerRules
from kvcalc.engines.exllamav3.settings import PAGE, ExllamaV3Settings
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value, added, cdiv
from kvcalc.layers.layer import Layer
from kvcalc.model import Model

ONE_AHEAD = 1
"""A job asks for room for one token past its last (generator/job.py)."""


class Layout(NamedTuple):
    """A cache: what each layer keeps, and how many layers there are of each."""

    model: Model
    settings: ExllamaV3Settings
    rules: LayerRules
    layers: tuple[tuple[Layer, int, LayerParts], ...]

    @property
    def page_bytes(self) -> Value:
        """Bytes of a page: all layers."""
        return added(count * parts.page_bytes for _, count, parts in self.layers)

    @property
    def slot_bytes(self) -> Value:
        """Bytes of a slot: all layers."""
        return added(count * parts.slot_bytes for _, count, parts in self.layers)

    @property
    def states(self) -> Value:
        """Bytes of all slots."""
        return self.settings.autosplit_max_batch_size * self.slot_bytes

    @property
    def has_states(self) -> bool:
        """Whether a sequence needs a slot."""
        return any(parts.slot for _, _, parts in self.layers)

    @property
    def tokens_beside(self) -> int:
        """Tokens that a sequence needs room for beside its own."""
        return ONE_AHEAD + self.settings.num_draft_tokens

    @property
    def pages(self) -> Value:
        """Pages of one sequence."""
        return cdiv(CONTEXT + self.tokens_beside, PAGE)

    @property
    def cache_pages(self) -> int | None:
        """Pages of `cache_size`; None where it is not given."""
        size = self.settings.cache_size
        return None if size is None else size // PAGE


def layout(model: Model, settings: ExllamaV3Settings) -> Layout:
    """Lay a model's cache out.

    Raises:
        UnsupportedError: a model or a kind of layer that ExLlamaV3 has not, bits that it cannot
            pack, or drafts that its states cannot take back (generator/generator.py).
    """
    rules = LayerRules.of(model, settings)
    layers = tuple((layer, count, rules.parts(layer)) for layer, count in model.groups)
    made = Layout(model, settings, rules, layers)
    drafts, history = settings.num_draft_tokens, settings.max_history
    if made.has_states and drafts > history:
        raise UnsupportedError.of(
            "num_draft_tokens",
            f"found {drafts}, expected at most the {history} of max_history, as {model.name} has "
            "states",
        )
    return made

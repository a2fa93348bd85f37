"""Cells: how many rows each cache has in a stream, and how many streams there are.

src/llama-context.cpp pads a context to 256 cells and parts it among sequences unless they share
one buffer; src/llama-kv-cache-iswa.cpp gives a sliding cache its window and a micro-batch. What
one sequence gets of ceil(context * sequences, 256) is ceil(context, 256), whatever the padding.
Older releases pad otherwise, and have other windows (`rules`).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kvcalc.costs import CONTEXT, SEQUENCES
from kvcalc.engines.llama_cpp.rules import Windows
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.formula.expression import Value, cdiv, ceil, minimum, variable

UBATCH = variable("ubatch_size")


class Cells(NamedTuple):
    """The cells of a context: `streams` of them, each `full` long, in whole `pad`.

    `sharing` is how many sequences' windows a stream holds. `batch` are the tokens that a sliding
    layer keeps beside them; None where it keeps all.
    """

    streams: Value
    full: Value
    sharing: Value
    pad: int
    batch: Value | None

    def sliding(self, window: Value) -> Value:
        """Cells of a sliding or chunked layer: the window of each, and a micro-batch on top.

        The micro-batch is at most the context too; then all cells are fewer, and are taken.
        """
        if self.batch is None:
            return self.full
        return minimum(self.full, ceil(window * self.sharing + self.batch, self.pad))

    def compressed(self, ratio: int) -> Value:
        """Cells of compressed rows, one for `ratio` tokens (src/llama-kv-cache-dsv4.cpp)."""
        return ceil(cdiv(self.full, ratio), self.pad)

    def apart(self) -> "Cells":
        """The same cells in one stream per sequence: DeepSeek V4 shares no stream."""
        return self._replace(streams=SEQUENCES, sharing=1)


def micro_batch(settings: LlamaCppSettings) -> Value:
    """Tokens of a physical batch."""
    return minimum(UBATCH, settings.batch_size)


BESIDE: Mapping[Windows, Callable[[LlamaCppSettings], Value | None]] = {
    "none": lambda settings: None,
    "batch": lambda settings: settings.batch_size,
    "micro-batch": micro_batch,
}
"""What a sliding layer keeps beside its windows."""


def cells_of(settings: LlamaCppSettings, *, flash_attention: bool) -> Cells:
    """Lay out a context by its settings, and by whether the model has flash attention."""
    pad = settings.rules.padding(flash_attention)
    batch = BESIDE[settings.windows](settings)
    if settings.own("kv_unified"):
        return Cells(1, ceil(CONTEXT * SEQUENCES, pad), SEQUENCES, pad, batch)
    return Cells(SEQUENCES, ceil(CONTEXT, pad), 1, pad, batch)

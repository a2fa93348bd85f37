"""Cells: how many rows each cache has in a stream, and how many streams there are.

src/llama-context.cpp pads a context to 256 cells and parts it among sequences unless they share
one buffer; src/llama-kv-cache-iswa.cpp gives a sliding cache its window and a micro-batch. What
one sequence gets of ceil(context * sequences, 256) is ceil(context, 256), whatever the padding.
"""

from typing import NamedTuple

from kvcalc.costs import CONTEXT, SEQUENCES
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.formula.expression import Value, cdiv, ceil, minimum, variable

PAD = 256
"""GGML_PAD(n_ctx, 256), src/llama-context.cpp."""

UBATCH = variable("ubatch_size")


class Cells(NamedTuple):
    """The cells of a context: `streams` of them, each `full` long.

    `sharing` is how many sequences' windows a stream holds.
    """

    streams: Value
    full: Value
    sharing: Value
    ubatch: Value
    swa_full: bool

    def sliding(self, window: Value) -> Value:
        """Cells of a sliding or chunked layer: the window of each, and a micro-batch on top.

        The micro-batch is at most the context too; then all cells are fewer, and are taken.
        """
        if self.swa_full:
            return self.full
        return minimum(self.full, ceil(window * self.sharing + self.ubatch, PAD))

    def compressed(self, ratio: int) -> Value:
        """Cells of compressed rows, one for `ratio` tokens (src/llama-kv-cache-dsv4.cpp)."""
        return ceil(cdiv(self.full, ratio), PAD)

    def apart(self) -> "Cells":
        """The same cells in one stream per sequence: DeepSeek V4 shares no stream."""
        return self._replace(streams=SEQUENCES, sharing=1)


def cells_of(settings: LlamaCppSettings) -> Cells:
    """Lay out a context by its settings."""
    ubatch = minimum(UBATCH, settings.batch_size)
    if settings.kv_unified:
        return Cells(1, ceil(CONTEXT * SEQUENCES, PAD), SEQUENCES, ubatch, settings.swa_full)
    return Cells(SEQUENCES, ceil(CONTEXT, PAD), 1, ubatch, settings.swa_full)

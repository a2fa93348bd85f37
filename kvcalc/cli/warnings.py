"""Notes and warnings on stderr, beside an answer."""

from collections.abc import Iterable

from kvcalc.cli.stderr import tell
from kvcalc.errors import printable
from kvcalc.model import Model


def note_on_stderr(note: str) -> None:
    """Print a note on how something was understood."""
    tell(f"note: {printable(note)}")


def warn_past_maximum(model: Model, contexts: Iterable[int]) -> None:
    """Warn once if contexts are longer than the model's maximum."""
    past = [context for context in contexts if model.max_context and context > model.max_context]
    if past:
        tell(
            f"warning: a context of {max(past):,} tokens is past the {model.max_context:,} "
            f"that {printable(model.name)} was made for"
        )

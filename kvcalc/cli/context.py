"""The options for a context that was counted otherwise: as a text, or in a predecessor's tokens."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kvcalc.cli.amounts import amounts
from kvcalc.cli.grouped import Options
from kvcalc.cli.warnings import note_on_stderr
from kvcalc.errors import RequestError
from kvcalc.units import percent

if TYPE_CHECKING:
    from kvcalc.model import Model


class ContextOptions(Options):
    """Whose tokens a context counts."""

    in_tokens_of: Annotated[
        str | None, typer.Option(metavar="MODEL", help="-c counts the tokens of this older model.")
    ] = None
    language: Annotated[
        str | None, typer.Option(help="Language of the text, for --in-tokens-of.")
    ] = None

    def amounts(self, texts: Iterable[str] | None, model: "Model", source: str | None) -> list[int]:
        """Read contexts, as `amounts` does, and `@FILE` as the tokens of a text.

        Raises:
            RequestError: an amount cannot be read, or --language stands alone.
            SourceError: a text or its tokenizer cannot be read.
        """
        found: list[int] = []
        for text in texts or ():
            found += [self._counted(text, source)] if text.startswith("@") else []
            found += [] if text.startswith("@") else amounts([text], "--context", large=True)
        if self.in_tokens_of is None:
            if self.language is not None:
                raise RequestError.about("--language", "found without --in-tokens-of")
            return found
        return [self._converted(tokens, model, source) for tokens in found]

    def _counted(self, text: str, source: str | None) -> int:
        from kvcalc.readers.tokens import count_tokens

        tokens = count_tokens(Path(text[1:]), source)
        note_on_stderr(f"{text[1:]} is {tokens:,} tokens")
        return tokens

    def _converted(self, tokens: int, model: "Model", source: str | None) -> int:
        from kvcalc.readers.tokens import converted

        own = converted(tokens, source, self.in_tokens_of or "", self.language)
        note_on_stderr(
            f"{tokens:,} tokens of {self.in_tokens_of} are {own:,} of {model.name} "
            f"({percent(tokens - own, tokens)} fewer) by its published gain in {self.language}: an "
            "average over a corpus, not a bound"
        )
        return own

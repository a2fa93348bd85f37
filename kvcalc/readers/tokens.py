"""Counts of tokens: of a text by a model's tokenizer, and converted from another model's."""

from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kvcalc.catalogue import models, preset
from kvcalc.errors import MissingExtraError, RequestError, SourceError, quote
from kvcalc.files import read_bytes

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from kvcalc.readers.hub import HubId

TOKENIZER = "tokenizer.json"
MAX_TOKENIZER_BYTES = 40 * 2**20
"""The largest published is 33 MB, of 262,144 tokens and as many merges twice."""
MAX_PARTS = 5 * 2**19
"""The most lists, tables and further members of a tokenizer.json, as each takes many times the
memory of its text in the library that reads it."""
MAX_TEXT_BYTES = 64 * 2**20
PIECE = 2**20


def count_tokens(text: Path, source: str | None) -> int:
    """Count a text file's tokens by the tokenizer.json of a model (a folder, a preset or a Hub id).

    Special tokens, as at the start of a sequence, are not counted.

    Raises:
        SourceError: a file cannot be read, the text is not UTF-8 or empty, the model has no
            tokenizer.json, or the extra kvcalc[tokenizers] is not installed.
    """
    content = read_bytes(text, MAX_TEXT_BYTES)
    decoder = getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(content) + 1, PIECE):  # in pieces, for a text may be refused
            decoder.decode(content[start : start + PIECE], final=start + PIECE > len(content))
    except UnicodeDecodeError:
        raise SourceError.of(text, "found bytes, expected UTF-8 text") from None
    tokens = len(Tokenizing(of_model(source)).ids(content.decode(), special=False))
    if not tokens:
        raise SourceError.of(text, "found no text, expected at least one token")
    return tokens


def converted(tokens: int, source: str | None, predecessor: str, language: str | None) -> int:
    """Convert a count of a predecessor's tokens into a model's own, by its published gain.

    The gain is an average over a corpus: the result, rounded up, is expected for a text of this
    language, and a text may take more.

    Raises:
        RequestError: the model's preset has no gain over that predecessor or for that language.
    """
    gains = token_gains(source)
    by_language = gains.get(models.key(predecessor))
    if by_language is None:
        known = f"those known are {', '.join(gains)}" if gains else "no gain of it is published"
        raise RequestError(
            f"--in-tokens-of: found {quote(predecessor)}, {known}",
            field="--in-tokens-of",
            found=predecessor,
            expected=f"one of {', '.join(gains)}" if gains else None,
        )
    if language is None or language not in by_language:
        listed = ", ".join(by_language)
        raise RequestError.of("--language", language, f"one of {listed}")
    more, than = by_language[language]
    return -(-tokens * than // more)


def token_gains(source: str | None) -> dict[str, dict[str, tuple[int, int]]]:
    """The published gains of a preset's tokens, by predecessor and language; {} for other models.

    Each gain is two ints: this many of the predecessor's tokens hold as much text as that many of
    the model's.
    """
    path = models.find(source) if source else None
    gains = (path and preset.parse(path).token_gains) or {}
    return {
        predecessor: {language: _ratio(text) for language, text in by_language.items()}
        for predecessor, by_language in gains.items()
    }


def _ratio(text: str) -> tuple[int, int]:
    more, than = map(int, text.split("/"))
    return more, than


class Tokenizing:
    """The tokenizer of a model, which is read once a text is met.

    `source` is a tokenizer.json, a folder that has one, a preset or a Hub id; `name` is the file
    that was read, None before.
    """

    def __init__(self, source: str | None) -> None:
        self.source = source
        self.name: str | None = None

    def ids(self, text: str, *, special: bool) -> list[int]:
        """The ids of a text's tokens, with those that a sequence begins with where `special`.

        Raises:
            SourceError: there is no valid tokenizer.json, or it cannot take the text.
            MissingExtraError: the extra kvcalc[tokenizers] is not installed.
        """
        tokenizer = self._tokenizer
        with self._said():
            found: list[int] = tokenizer.encode(text, add_special_tokens=special).ids
        return found

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise MissingExtraError.of("a text's tokens need", "tokenizers") from None
        self.name, content = _tokenizer_file(self.source)
        parts = sum(map(content.count, (b",", b"[", b"{")))
        if parts > MAX_PARTS:
            raise SourceError.of(
                self.name, f"found {parts:,} members, expected at most {MAX_PARTS:,}"
            )
        with self._said():
            tokenizer = Tokenizer.from_buffer(content)
            tokenizer.no_truncation()  # both are meant for batches, and change the tokens
            tokenizer.no_padding()
        return tokenizer

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Let what the library raises, a bare Exception or a panic of its Rust code, be said."""
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            raise SourceError.of(
                self.name or TOKENIZER, f"no tokenizer ({quote(str(error))})"
            ) from None


def of_model(source: str | None) -> str | None:
    """Where the tokenizer of a model is that was read from here: beside its file, if it is one."""
    path = Path(source) if source else None
    return str(path.parent) if path and path.is_file() else source


def _tokenizer_file(source: str | None) -> tuple[str, bytes]:
    """The tokenizer.json that is given, of a model's folder, or of its repository on the Hub."""
    path = Path(source) if source else None
    if path and path.is_dir():
        path /= TOKENIZER
    if path and (path.is_file() or path.name == TOKENIZER):
        return str(path), read_bytes(path, MAX_TOKENIZER_BYTES)
    hub_id = _hub_id(source) if source else None
    if hub_id is None:
        raise RequestError.about(
            TOKENIZER, f"{quote(source)} has none; give the model's folder or its Hub id"
        )
    from kvcalc.readers import hub

    if TOKENIZER not in hub.list_files(hub_id):
        raise RequestError.about(TOKENIZER, f"{quote(hub_id.repository)} holds none")
    with hub.open_file(hub_id, TOKENIZER) as stream:
        if stream.size > MAX_TOKENIZER_BYTES:
            raise SourceError.of(
                hub_id.repository, f"{TOKENIZER} is larger than {MAX_TOKENIZER_BYTES:,} bytes"
            )
        return f"{hub_id.repository}/{TOKENIZER}", stream.read(MAX_TOKENIZER_BYTES)


def _hub_id(source: str) -> "HubId | None":
    from kvcalc.readers import hub

    path = models.find(source)
    named = preset.parse(path).hub_id if path else source
    return hub.parse(named) if named else None

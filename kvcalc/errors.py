"""What kvcalc raises for what it was asked or given: one exception, and four kinds of it.

The text is one sentence for people. Programs read the kind and its attributes, each None where it
is not known, and never the text.
"""

from typing import Self


class KvcalcError(Exception):
    """A request or an input that kvcalc cannot answer; its text is one sentence for people."""


class RequestError(KvcalcError):
    """A wrong request: `field` is the option, setting or quantity, `found` its value.

    `expected` says in words what would be right.
    """

    def __init__(
        self,
        sentence: str,
        *,
        field: str | None = None,
        found: object = None,
        expected: str | None = None,
    ) -> None:
        super().__init__(sentence)
        self.field = field
        self.found = found
        self.expected = expected

    @classmethod
    def of(cls, field: str, found: object, expected: str) -> Self:
        """Write the usual sentence: the field, what was found and what was expected."""
        sentence = f"{field}: found {quote(found)}, expected {expected}"
        return cls(sentence, field=field, found=found, expected=expected)


class UnsupportedError(KvcalcError):
    """An engine that cannot run this model, or not with this setting.

    `engine` is its name; `what` the setting, or the kind of layer or of model.
    """

    def __init__(
        self, sentence: str, *, engine: str | None = None, what: str | None = None
    ) -> None:
        super().__init__(sentence)
        self.engine = engine
        self.what = what


class TooLittleMemoryError(KvcalcError):
    """A memory in which the engine does not start: `available_bytes`, of `needed_bytes`."""

    def __init__(
        self,
        sentence: str,
        *,
        needed_bytes: int | None = None,
        available_bytes: int | None = None,
    ) -> None:
        super().__init__(sentence)
        self.needed_bytes = needed_bytes
        self.available_bytes = available_bytes


class SourceError(KvcalcError):
    """A file or an address that cannot be read, or that is not what it should be: `source`."""

    def __init__(self, sentence: str, *, source: str | None = None) -> None:
        super().__init__(sentence)
        self.source = source

    @classmethod
    def of(cls, source: object, why: object) -> Self:
        """Write the usual sentence: the source, and what is wrong with it."""
        return cls(f"{quote(str(source), 300)}: {why}", source=str(source))


def quote(value: object, limit: int = 60) -> str:
    """Quote a value for an error sentence: printable ASCII, at most `limit` characters.

    Input files are hostile until parsed, so no control code of theirs may reach a terminal.
    """
    if isinstance(value, str):
        value = value[:limit]
    elif isinstance(value, int) and value.bit_length() > 4 * limit:
        return f"an integer of {value.bit_length()} bits"
    quoted = ascii(value)
    return quoted if len(quoted) <= limit else quoted[: limit - 3] + "..."


def printable(text: str) -> str:
    """Escape what a terminal would obey rather than show."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def reason(error: Exception) -> str:
    """Say in a few words why an operation on a file failed."""
    return getattr(error, "strerror", None) or quote(str(error))

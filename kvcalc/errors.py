"""The exceptions for wrong requests and inputs: one base class, and one class per kind.

The text is one sentence for people. Programs read the class and its attributes, never the text; an
attribute is None if it is not known.
"""

from copy import copy
from pathlib import Path
from typing import Self


class KvcalcError(Exception):
    """A request or an input that kvcalc cannot answer; its text is one sentence for people."""

    def within(self, place: str) -> Self:
        """The same error, with its facts, in a sentence that begins with where it came up."""
        again = copy(self)
        again.args = (f"{place}: {self}",)
        return again

    def __eq__(self, other: object) -> bool:
        """An error is a value, as the records that hold one: its kind, its sentence, its facts."""
        if type(other) is not type(self):
            return NotImplemented
        return (str(self), vars(self)) == (str(other), vars(other))

    def __hash__(self) -> int:
        return hash((type(self), str(self)))


class RequestError(KvcalcError):
    """A wrong request: `field` is the option, setting or quantity, `found` its value.

    `expected` says in words what would be right. Where a name is unknown, `found` is that name and
    `expected` says which are known.
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
        return cls.about(field, f"found {quote(found)}", found=found, expected=expected)

    @classmethod
    def about(
        cls,
        field: str,
        why: str = "",
        *,
        named: str | None = None,
        found: object = None,
        expected: str | None = None,
    ) -> Self:
        """Write a sentence that names the field, says what is wrong with it and what is expected.

        `named` is what the sentence calls the field, if not by its name: a file, or "" for nothing.
        """
        wrong = ", ".join(filter(None, (why, expected and f"expected {expected}")))
        sentence = ": ".join(filter(None, (field if named is None else named, wrong)))
        return cls(sentence, field=field, found=found, expected=expected)


class UnsupportedError(KvcalcError):
    """An engine cannot run this model, or not with this setting.

    `engine` is its name; `what` is the setting, or the kind of layer or model.
    """

    def __init__(
        self, sentence: str, *, engine: str | None = None, what: str | None = None
    ) -> None:
        super().__init__(sentence)
        self.engine = engine
        self.what = what

    @classmethod
    def of(cls, what: str, why: str) -> Self:
        """Write the usual sentence: the setting, and why the engine cannot take its value."""
        return cls(f"{what}: {why}", what=what)


class TooLittleMemoryError(KvcalcError):
    """An engine needs `needed_bytes` of memory to start, and has only `available_bytes`."""

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
    """A file or an address, `source`, cannot be read or has the wrong content."""

    def __init__(self, sentence: str, *, source: str | None = None) -> None:
        super().__init__(sentence)
        self.source = source

    @classmethod
    def of(cls, source: Path | str | None, why: object) -> Self:
        """Write the usual sentence: the source (None is stdin), and what is wrong with it."""
        if source is None:
            return cls(f"stdin: {why}", source="stdin")
        return cls(f"{quote(str(source), 300)}: {why}", source=str(source))


class MissingExtraError(KvcalcError):
    """An optional package is not installed: `extra` is the extra of kvcalc that brings it."""

    def __init__(self, sentence: str, *, extra: str | None = None) -> None:
        super().__init__(sentence)
        self.extra = extra

    @classmethod
    def of(cls, purpose: str, extra: str) -> Self:
        """Write the usual sentence: what needs the extra, and how to install it."""
        sentence = f"{purpose} the extra kvcalc[{extra}]: pip install 'kvcalc[{extra}]'"
        return cls(sentence, extra=extra)


def quote(value: object, limit: int = 60) -> str:
    """Quote a value for an error sentence: printable ASCII, at most `limit` characters.

    Input files are hostile until parsed, so their control codes must not reach a terminal.
    """
    if isinstance(value, str | list | tuple) and len(value) > limit:
        value = value[:limit]  # no more of it is shown, so no more is written out
    elif isinstance(value, int) and value.bit_length() > 4 * limit:
        return f"an integer of {value.bit_length()} bits"
    try:
        quoted = ascii(value)
    except ValueError:  # an int in it has more digits than Python writes
        return f"a {type(value).__name__} of numbers too long to show"
    except RecursionError:
        return f"a {type(value).__name__} too deep to show"
    return quoted if len(quoted) <= limit else quoted[: limit - 3] + "..."


def printable(text: str) -> str:
    """Escape characters that a terminal would obey instead of showing them."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def lines_printable(text: str) -> str:
    """Escape as `printable` does, but for line feeds."""
    return "\n".join(map(printable, text.split("\n")))


def first_line(error: Exception) -> str:
    """The first line of another library's error message."""
    return str(error).strip().partition("\n")[0]


def reason(error: Exception) -> str:
    """Say in a few words why an operation on a file failed."""
    return getattr(error, "strerror", None) or quote(str(error))

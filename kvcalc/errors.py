"""The one exception that kvcalc raises for what it was asked or given."""


class KvcalcError(Exception):
    """A request or an input that kvcalc cannot answer; its text is one sentence for people."""


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

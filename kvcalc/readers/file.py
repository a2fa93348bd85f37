"""Reading a file that is hostile until parsed: a regular file, of bounded size, or a sentence."""

from pathlib import Path

from kvcalc.errors import KvcalcError, reason, shown


def read_bytes(path: Path, most: int) -> bytes:
    """Read a whole regular file of at most `most` bytes.

    Raises:
        KvcalcError: there is none, it is no regular file, it is larger, or cannot be read.
    """
    name = shown(str(path), 300)
    try:
        if not path.is_file():
            found = "something that is not a regular file" if path.exists() else "nothing"
            raise KvcalcError(f"{name}: found {found}, expected a file")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:
        raise KvcalcError(f"{name}: cannot be read ({reason(error)})") from None
    if len(content) > most:
        raise KvcalcError(f"{name}: larger than the {most:,} bytes expected of such a file")
    return content

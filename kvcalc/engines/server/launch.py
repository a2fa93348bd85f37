"""A program with its words, as it is found behind what starts it."""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath

VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


@dataclass
class Launch:
    """A program with its words, the variables that are set for it, and what its image says.

    `release` is the version that the image's tag names. `notes` are sentences for the person who
    asked.
    """

    words: list[str]
    variables: dict[str, str]
    release: str | None = None
    notes: list[str] = field(default_factory=list)


def program_of(word: str) -> str:
    """The name of a program, without its folder and .exe."""
    path = PureWindowsPath(word) if "\\" in word else PurePosixPath(word)
    return path.name[:-4] if path.name.lower().endswith(".exe") else path.name

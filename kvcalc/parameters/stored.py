"""A tensor as a file holds it, by its name."""

from typing import NamedTuple


class Stored(NamedTuple):
    """A tensor of a file: its name, its element type as the file writes it, and its bytes.

    `row` is how many of its `elements` stand in a row. `start` is where its bytes begin in the data
    of its `file`, of the parts of a split one counted from 0; None where that is not known.
    """

    name: str
    dtype: str
    row: int
    elements: int
    bytes: int
    start: int | None = None
    file: int = 0

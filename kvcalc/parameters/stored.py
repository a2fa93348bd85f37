"""A tensor as a file holds it, by its name."""

from typing import NamedTuple


class Stored(NamedTuple):
    """A tensor of a file: its name, its element type as the file writes it, and its bytes.

    `row` is how many of its `elements` stand in a row.
    """

    name: str
    dtype: str
    row: int
    elements: int
    bytes: int

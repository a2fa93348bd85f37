"""What a posted log's lines are, and what is said of them."""

from typing import Any, NamedTuple

from kvcalc.model import Model


class Report(NamedTuple):
    """Lines of a log, the model and settings of the report, and the verdicts by line and figure.

    `why` stands in the sentences about them.
    """

    lines: str
    model: str | Model | None
    verdicts: dict[tuple[int, str], str]
    settings: dict[str, Any] = {}  # noqa: RUF012
    why: str = ""

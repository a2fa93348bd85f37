"""The result of a reader: the model, and where each of its facts came from."""

from collections.abc import Mapping

from kvcalc.model import Model
from kvcalc.records import Record


class Reading(Record):
    """A model that was read.

    `source` names what was read, `origins` where each fact stood in it; `notes` are what people
    should know about how it was read.
    """

    model: Model
    source: str
    origins: Mapping[str, str]
    notes: tuple[str, ...] = ()

"""The presets, one record per preset."""

import json

from kvcalc.catalogue.folder import folder
from kvcalc.records import Record, Records


class ModelRow(Record):
    """A preset: its name, its layers by kind, and its sizes (tokens; parameters as a count).

    `bytes_per_token` is what one sequence's next token takes while every layer still keeps all, at
    the model's own dtype; `fixed_bytes` what its recurrent states take at any context. Both are as
    `ideal` counts them.
    """

    model: str
    layers: str
    max_context: int | None
    parameters: int | None
    active_parameters: int | None
    bytes_per_token: int
    fixed_bytes: int


def models() -> Records[ModelRow]:
    """List the presets, from a table that is made of their files: reading all takes a while."""
    rows = json.loads((folder("models").parent / "models.json").read_bytes())
    return Records(ModelRow(**row) for row in rows)

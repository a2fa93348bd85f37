"""JSON Schemas of the answers that commands give with --json, made from the answers' own types."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple, get_origin, get_type_hints

from kvcalc.answers.compare import Compared
from kvcalc.answers.diff import Diff
from kvcalc.answers.engines import DescribedEngine, EngineRow
from kvcalc.answers.estimate import Estimate
from kvcalc.answers.fit.fitted import Fit
from kvcalc.answers.fit.grid import RefusedFit
from kvcalc.answers.fit.price import PricedFit
from kvcalc.answers.gpus import GpuRow
from kvcalc.answers.models import ModelRow
from kvcalc.answers.plotted import Plot
from kvcalc.answers.replayed import ReplayedRequest, ReplayRow
from kvcalc.answers.show import Shown
from kvcalc.answers.sweep import SweepRow
from kvcalc.answers.traces.row import TraceRow, TraceRowOnGpus
from kvcalc.engines.log import Checked
from kvcalc.errors import RequestError
from kvcalc.explanation import Explanation

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Form(NamedTuple):
    """A shape of an answer: one record, or an array of them, without nested ones unless `whole`.

    A row may be of the type `refused`, too, where an array has it.
    """

    record: "type[DataclassInstance]"
    rows: bool = False
    whole: bool = True
    refused: "type[DataclassInstance] | None" = None


FORMS: Mapping[str, tuple[Form, ...]] = {
    "estimate": (Form(Estimate), Form(SweepRow, rows=True, whole=False)),
    "sweep": (Form(SweepRow, rows=True, whole=False),),
    "plot": (Form(Plot),),
    "compare": (Form(Compared, rows=True, whole=False),),
    "diff": (Form(Diff),),
    "explain": (Form(Explanation),),
    "engines": (Form(EngineRow, rows=True), Form(DescribedEngine)),
    "show": (Form(Shown),),
    "fit": (
        *(Form(Fit), Form(Fit, rows=True, whole=False, refused=RefusedFit)),
        *(Form(PricedFit), Form(PricedFit, rows=True, whole=False, refused=RefusedFit)),
    ),
    "check": (Form(Checked, rows=True),),
    "trace": (
        Form(TraceRow, rows=True, whole=False),
        Form(TraceRowOnGpus, rows=True, whole=False),
    ),
    "replay": (Form(ReplayRow, rows=True), Form(ReplayedRequest, rows=True, whole=False)),
    "gpus": (Form(GpuRow, rows=True, whole=False),),
    "models": (Form(ModelRow, rows=True, whole=False),),
}
"""What each command's --json may be; a command that is not here gives no JSON."""


def schema(command: str) -> dict[str, Any]:
    """Describe a command's JSON by a schema (JSON Schema, draft 2020-12).

    Every field is always there; whole numbers are exact, past 2^53 too.

    Raises:
        RequestError: there is no such command, or it gives no JSON.
    """
    if command not in FORMS:
        raise RequestError.of("command", command, f"one that gives JSON: {', '.join(FORMS)}")
    definitions: dict[str, Any] = {}
    forms = [_form(form, definitions) for form in FORMS[command]]
    shape = forms[0] if len(forms) == 1 else {"anyOf": forms}
    title = {"$schema": DIALECT, "title": f"kvcalc {command} --json"}
    return {**title, **shape, "$defs": definitions}


def _form(form: Form, definitions: dict[str, Any]) -> dict[str, Any]:
    reference = _record(form.record, form.whole, definitions)
    if form.refused is not None:
        refused = _record(form.refused, True, definitions)
        reference = {"anyOf": [reference, refused]}
    return {"type": "array", "items": reference} if form.rows else reference


def _record(
    record: "type[DataclassInstance]", whole: bool, definitions: dict[str, Any]
) -> dict[str, Any]:
    """Define a record, and refer to it."""
    from pydantic import TypeAdapter

    name = record.__name__ if whole else f"{record.__name__}Flat"
    if name not in definitions:
        made = TypeAdapter(record).json_schema(mode="serialization")
        inner = made.pop("$defs", {})
        if not whole:
            hints = get_type_hints(record)
            nested = {one.name for one in fields(record) if _is_tuple(hints[one.name])}
            made["properties"] = {
                field: one for field, one in made["properties"].items() if field not in nested
            }
            inner = {one: inner[one] for one in inner if f"$defs/{one}'" in f"{made}"}
        definitions |= {one: _closed(part) for one, part in inner.items()}
        definitions[name] = _closed(made)
    return {"$ref": f"#/$defs/{name}"}


def _closed(record: dict[str, Any]) -> dict[str, Any]:
    """Require every field of a record, and allow no other."""
    return {**record, "required": list(record["properties"]), "additionalProperties": False}


def _is_tuple(hint: Any) -> bool:
    return get_origin(hint) is tuple

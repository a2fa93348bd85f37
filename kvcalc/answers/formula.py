"""The formula of a model's cache, written for a spreadsheet, a query or a program."""

from collections.abc import Mapping
from typing import Any

from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.formula.languages.language import Written
from kvcalc.formula.written import written
from kvcalc.model import Model


def write_formula(
    model: Model,
    target: str = "text",
    *,
    engine: str = "ideal",
    window: int | None = None,
    dialect: str | None = None,
    names: Mapping[str, str] | None = None,
    per_gpu: bool = False,
    settings: Settings | None = None,
    **given: Any,
) -> Written:
    """Write an engine's formula in a language: text, excel, sql, python, js ...

    It gives bytes over all ranks, or on the fullest rank with `per_gpu`. `names` maps its
    variables to cells or columns, as {"context": "B2"}; settings are given as to `kvcalc.cost`.

    Raises:
        KvcalcError: as `kvcalc.cost`; or an unknown language or dialect, a name that is not valid
            there, or a formula that the language cannot express exactly.
    """
    if window is not None:
        model = model.with_window(window)
    cost = request.cost(model, engine, settings=settings, **given)
    return written(cost.per_gpu if per_gpu else cost.formula, target, dialect=dialect, names=names)

"""The cost: one engine's formula for one model, with its parts by layer group."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from kvcalc.formula import Formula, Value, variable
from kvcalc.model import Model, no_window

if TYPE_CHECKING:
    from kvcalc.answers.explain import Explanation

CONTEXT = variable("context")
SEQUENCES = variable("sequences")
WINDOW = variable("window")
SOURCE = variable("source")


class Step(NamedTuple):
    """One step of a derivation: what it is, how it comes about, its value and the value's unit."""

    name: str
    working: str
    value: Value
    unit: str


class Group(NamedTuple):
    """A group of layers: `formula` gives its bytes over all ranks, the steps lead there."""

    kind: str
    layers: int
    window: int | None
    formula: Formula
    steps: tuple[Step, ...]


class Cost(NamedTuple):
    """What an engine's cache needs for a model: call it for the bytes over all ranks.

    `formula` gives bytes over all ranks, `per_gpu` bytes on the fullest rank, and
    cost = `fixed` + sequences * `per_request(context)`, all bytes over all ranks.
    """

    model: Model
    engine: str
    kv_cache_dtype: str
    settings: Mapping[str, Any]
    formula: Formula
    per_gpu: Formula
    per_request: Formula
    fixed: int
    groups: tuple[Group, ...]

    def __call__(self, context: int, **given: int) -> int:
        """Bytes over all ranks for `sequences` (1 unless given) of `context` tokens each.

        Every variable of the formula may be given (sequences, window ...); what is not stays at
        the model's or the engine's own value.

        Raises:
            KvcalcError: a quantity is not a positive int, or not in this formula.
        """
        return self.formula(context, **given)

    def explain(self, context: int, **given: int) -> "Explanation":
        """Derive the answer step by step; its str() is for people.

        Raises:
            KvcalcError: a quantity is not a positive int, or not in this formula.
        """
        from kvcalc.answers.explain import explain

        return explain(self, context, **given)


def window_of(model: Model, window: int) -> Value:
    """Take a window of a model's layers: a variable where the model has one, else its number."""
    return window if model.window is None else WINDOW


def formula(model: Model, expression: Value) -> Formula:
    """Bind a model's own values to the variables that every engine knows."""
    variables = {"sequences": 1}
    absent = {}
    if model.window is not None:
        variables["window"] = model.window
    elif model.sliding_windows:
        windows = ", ".join(f"{window:,}" for window in model.sliding_windows)
        absent["window"] = (
            f"window: {model.name} has several ({windows}); set one by Model.with_window first"
        )
    else:
        absent["window"] = no_window(model)
    if model.source is None:
        absent["source"] = f"source: {model.name} has no cross-attention layers"
    else:
        variables["source"] = model.source
    return Formula(expression, variables, absent)

"""The cost: one engine's formula for one model, with its parts by layer group."""

from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

from kvcalc.errors import UnsupportedError, quote
from kvcalc.formula.expression import Value, variable
from kvcalc.formula.formula import Formula
from kvcalc.model import Model, no_window
from kvcalc.records import Record
from kvcalc.units import at_version, plural

if TYPE_CHECKING:
    from kvcalc.charts.chart import Chart
    from kvcalc.explanation import ExplainedStep, Explanation
    from kvcalc.formula.limits import Limit

CONTEXT = variable("context")
SEQUENCES = variable("sequences")
WINDOW = variable("window")
SOURCE = variable("source")


class Step(Record):
    """One step of a derivation: its name, how it is worked out, its value and the value's unit."""

    name: str
    working: str
    value: Value
    unit: str


class Group(Record):
    """A group of layers: `formula` gives its bytes over all ranks, and the steps derive it."""

    kind: str
    layers: int
    window: int | None
    formula: Formula
    steps: tuple[Step, ...]


class Split(Record):
    """A cost that is `fixed` + sequences * `per_request(context)`, bytes over all ranks."""

    per_request: Formula
    fixed: int = 0


class Cost(Record):
    """What an engine's cache needs for a model: call it for the bytes over all ranks.

    `formula` gives bytes over all ranks, `per_gpu` bytes on the fullest rank. `split` separates the
    fixed bytes from those that each sequence adds, or says why that cannot be done. `steps` lead
    from the groups to the whole; `why` says in one line why the engine needs more than attention
    itself; `peak_formula` is the peak before the end of the context, as while a prompt is read, if
    that is more, and `peak_per_gpu_formula` that on the fullest rank. `engine_version` is the
    release that the cost holds for. `note` is a sentence that people need beside the bytes.
    """

    model: Model
    engine: str
    kv_cache_dtype: str
    settings: Mapping[str, Any] = field(hash=False)
    formula: Formula
    per_gpu: Formula
    split: Split | str
    groups: tuple[Group, ...]
    steps: tuple[Step, ...] = ()
    why: str = ""
    peak_formula: Formula | None = None
    peak_per_gpu_formula: Formula | None = None
    engine_version: str = ""
    note: str = ""

    @property
    def per_request(self) -> Formula:
        """Bytes over all ranks that one sequence adds.

        Raises:
            UnsupportedError: the engine's cost is not a sum over sequences; the sentence says why.
        """
        return self._split().per_request

    @property
    def fixed(self) -> int:
        """Bytes over all ranks that are allocated without any sequence.

        Raises:
            UnsupportedError: the engine's cost is not a sum over sequences; the sentence says why.
        """
        return self._split().fixed

    @property
    def max_sequences(self) -> int | None:
        """How many sequences the engine runs at once; None without a limit."""
        limits = [limit.most for limit in self.formula.limits if limit.value == SEQUENCES]
        return min(limits, default=None)

    @property
    def peak(self) -> Formula:
        """Bytes over all ranks at the peak; those of `formula` if nothing exceeds them."""
        return self.peak_formula or self.formula

    @property
    def peak_per_gpu(self) -> Formula:
        """Bytes on the fullest rank at the peak; those of `per_gpu` if nothing exceeds them."""
        return self.peak_per_gpu_formula or self.per_gpu

    def _split(self) -> Split:
        if isinstance(self.split, str):
            raise UnsupportedError(self.split, engine=self.engine, what="per_request")
        return self.split

    @overload
    def __call__(self, context: int, **given: int) -> int: ...

    @overload
    def __call__(self, context: Any, **given: Any) -> Any: ...

    def __call__(self, context: Any, **given: Any) -> Any:
        """Bytes over all ranks for `sequences` (1 by default) of `context` tokens each.

        Every variable of the formula may be given (sequences, window ...); the others keep the
        model's or the engine's own values. Positive ints give an int; a NumPy array, a series of
        pandas or Polars, or a list, of whole numbers, gives one of the same kind.

        Raises:
            RequestError: a quantity is not positive and whole, or not in this formula; or the
                result of arrays of 64-bit integers could pass 2^63.
        """
        return self.formula(context, **given)

    def expr(self, *, checked: bool = False, **names: str) -> Any:
        """Build a Polars expression of the bytes over all ranks, for `with_columns`.

        `names` maps variables to columns (context=ctx_len); the others keep their values. It is
        exact for positive ints while every part is below 2^63; past that, Polars wraps silently,
        as an expression cannot see its data, and 0, negatives, fractions and booleans are not
        refused. More sequences than the engine runs give a null. `checked` computes in Int128
        instead, and refuses when it is evaluated what a call refuses.

        Raises:
            MissingExtraError: polars is not installed.
            RequestError: a variable is not in this formula, or a value outside the columns is more
                than the engine runs.
        """
        return self.formula.polars(checked=checked, **names)

    def explain(self, context: int, **given: int) -> "Explanation":
        """Derive the answer step by step; its str() is for people.

        Raises:
            RequestError: a quantity is not a positive int, or not in this formula.
        """
        from kvcalc.explanation import ExplainedGroup, ExplainedStep, Explanation

        total = self(context, **given)

        def evaluated(steps: Iterable[Step]) -> "tuple[ExplainedStep, ...]":
            return tuple(
                ExplainedStep(
                    step.name,
                    step.working,
                    Formula(step.value, self.formula.variables)(context, **given),
                    step.unit,
                )
                for step in steps
            )

        return Explanation(
            model=self.model.name,
            engine=self.engine,
            engine_version=self.engine_version,
            kv_cache_dtype=self.kv_cache_dtype,
            settings=self.settings,
            quantities={"context": context, **self.formula.variables, **given},
            groups=tuple(
                ExplainedGroup(group.kind, group.layers, evaluated(group.steps))
                for group in self.groups
            ),
            steps=evaluated(self.steps),
            formula=str(self.formula),
            bytes=total,
            bytes_per_gpu=self.per_gpu(context, **given),
            why=self.why,
        )

    def plot(self, *, linear: bool = False, **given: int) -> "Chart":
        """Draw the bytes over all ranks against the context, up to the model's maximum.

        `given` are quantities as for a call: sequences, window ...

        Raises:
            RequestError: as a call; or the model has no maximum.
        """
        from kvcalc.charts.line_chart import chart
        from kvcalc.charts.lines import Line, Lines
        from kvcalc.charts.sampling import FIRST, spaced

        longest = self.model.longest_context
        contexts = spaced(min(FIRST, longest), longest, linear=linear, also=self.model.windows)
        engine = at_version(self.engine, self.engine_version)
        said = [
            plural(value, "sequence") if name == "sequences" else f"{name} {value:,}"
            for name, value in given.items()
        ]
        title = ", ".join([f"KV cache of {self.model.name} on {engine}", *said])
        sizes = [self(tokens, **given) for tokens in contexts]
        return chart(Lines(title, [Line((engine,), contexts, sizes)], linear=linear))

    def _repr_html_(self) -> str:
        from kvcalc.html_table import html_table

        groups = [(f"{group.layers:,} {group.kind}", group.formula) for group in self.groups]
        rows = [("kv_cache_dtype", self.kv_cache_dtype), *self.settings.items(), *groups]
        rows += [("bytes over all ranks", self.formula), ("on the fullest rank", self.per_gpu)]
        engine = at_version(self.engine, self.engine_version)
        return html_table(f"{self.model.name} on {engine}", rows)

    def __repr__(self) -> str:
        return (
            f"Cost(model={quote(self.model.name)}, engine={self.engine!r}, "
            f"kv_cache_dtype={self.kv_cache_dtype!r}, formula={quote(str(self.formula))})"
        )


def window_of(model: Model, window: int) -> Value:
    """Give a window of a model's layers: a variable if the model has one, else a number."""
    return window if model.window is None else WINDOW


def formula(
    model: Model,
    expression: Value,
    settings: Mapping[str, int] = MappingProxyType({}),
    fixed: Mapping[str, str] = MappingProxyType({}),
    limits: "tuple[Limit, ...]" = (),
) -> Formula:
    """Bind a model's own values to the variables that every engine knows.

    `settings` are variables that the engine adds, with their values. `fixed` maps settings that
    would change the structure of the formula to the reason why they cannot vary. The engine does
    not run past the `limits`.
    """
    variables = {"sequences": 1, **settings}
    absent = {}
    if model.window is not None:
        variables["window"] = model.window
    elif model.sliding_windows:
        absent["window"] = _several(model.name, model.sliding_windows)
    else:
        absent["window"] = no_window(model)
    if model.source is None:
        absent["source"] = f"source: {model.name} has no cross-attention layers"
    else:
        variables["source"] = model.source
    own = {name: value for name, value in variables.items() if name not in fixed}
    return Formula(expression, own, absent | dict(fixed), limits)


@lru_cache(maxsize=1)  # a cost has as many formulas as a model has groups of layers
def _several(name: str, windows: tuple[int, ...]) -> str:
    told = ", ".join(f"{window:,}" for window in windows)
    return f"window: {name} has several ({told}); set one by Model.with_window first"

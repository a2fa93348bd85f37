"""A formula: an expression that can be evaluated, with values for its variables."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

from kvcalc.errors import RequestError, quote
from kvcalc.formula.amounts import element, single
from kvcalc.formula.expression import Value, evaluated
from kvcalc.formula.target import PYTHON, TEXT, render
from kvcalc.units import MOST

if TYPE_CHECKING:
    from kvcalc.formula.limits import Limit


class Formula:
    """An expression that can be evaluated; variables that are not given keep their own values.

    `variables` are those that may be given besides the context, with their own values; `absent`
    maps other names to the reason why they cannot be given. Past `limits` there is no value.
    """

    __slots__ = ("_absent", "_function", "_limited", "expression", "limits", "variables")

    def __init__(
        self,
        expression: Value,
        variables: Mapping[str, int],
        absent: Mapping[str, str] = MappingProxyType({}),
        limits: "tuple[Limit, ...]" = (),
    ) -> None:
        self.expression = expression
        self.variables = dict(variables)
        self._absent = dict(absent)
        self.limits = limits
        self._function: Callable[..., int] = self._walk_at_first_call
        self._limited = [Formula(limit.value, variables) for limit in limits]

    @overload
    def __call__(self, context: int, **given: int) -> int: ...

    @overload
    def __call__(self, context: Any, **given: Any) -> Any: ...

    def __call__(self, context: Any, **given: Any) -> Any:
        """Evaluate: all quantities are positive ints, `context` in tokens of one sequence.

        Any of them may be a NumPy array or a series of pandas or Polars, of whole numbers, which
        may be stored as floats; then so is the answer. Lists of one length give a list. A single
        NumPy number counts as an int.

        Raises:
            RequestError: a quantity is not positive and whole, is not in this formula, or is past a
                limit; or the result of arrays of 64-bit integers could pass 2^63.
        """
        if type(context) is not int or not 0 < context <= MOST:
            return self._of_many(context, given)
        for name, value in given.items():
            if name not in self.variables:
                raise self._refused(name)
            if type(value) is not int or not 0 < value <= MOST:
                return self._of_many(context, given)
        if self.limits:
            self._refuse_past_limits(context, given)
        return self._function(context, **given)

    def _of_many(self, context: Any, given: Mapping[str, Any]) -> Any:
        """Evaluate for arrays, or refuse what is neither an array nor a positive int."""
        amounts = {"context": single(context)}
        amounts |= {name: single(value) for name, value in given.items()}
        for name, value in amounts.items():
            if name not in self.variables and name != "context":
                raise self._refused(name)
            if isinstance(value, list | tuple):
                return self._of_lists(amounts)
            if not hasattr(value, "__array__") and (type(value) is not int or value < 1):
                raise RequestError.of(name, value, "a positive int")
            if type(value) is int and value > MOST:
                raise RequestError.of(name, value, f"at most 10^{len(str(MOST)) - 1}")
        from kvcalc.formula.arrays import over

        arrays = {name: value for name, value in amounts.items() if hasattr(value, "__array__")}
        if not arrays:
            return self(**amounts)
        own = {name: value for name, value in amounts.items() if name not in arrays}
        return over(self.expression, {**self.variables, **own}, arrays, self.limits)

    def _of_lists(self, amounts: Mapping[str, Any]) -> list[int]:
        """Evaluate for the elements of lists, beside amounts that are the same for all."""
        lists = {name: value for name, value in amounts.items() if isinstance(value, list | tuple)}
        sizes = {name: len(value) for name, value in lists.items()}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{name} of {size:,}" for name, size in sizes.items())
            raise RequestError.about(
                "lists", f"found {told}", found=sizes, expected="lists of one length"
            )
        rows = zip(*(map(element, value) for value in lists.values()), strict=True)
        return [self(**{**amounts, **dict(zip(lists, row, strict=True))}) for row in rows]

    def polars(self, *, checked: bool = False, **names: str) -> Any:
        """Build a Polars expression: `names` maps variables to columns, the rest keep their values.

        The context's column is "context" by default. It is exact for positive ints while every
        part is below 2^63; past that, Polars wraps silently, as an expression cannot see its data,
        and 0, negatives, fractions and booleans are not refused. Rows past a limit are null.
        `checked` computes in Int128 instead, and refuses when it is evaluated what this formula
        refuses.

        Raises:
            MissingExtraError: polars is not installed.
            RequestError: a variable is not in this formula, or a value outside the columns is past
                a limit.
        """
        from kvcalc.formula.columns import polars_expression

        for name in names:
            if name not in self.variables and name != "context":
                raise self._refused(name)
            if not isinstance(names[name], str):
                raise RequestError.of(name, names[name], "a column's name")
        columns = {"context": "context", **names}
        values = {name: value for name, value in self.variables.items() if name not in columns}
        return polars_expression(self.expression, values, columns, self.limits, checked=checked)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Formula):
            return NotImplemented
        own, others = ((one.expression, one.variables, one.limits) for one in (self, other))
        return own == others

    def __hash__(self) -> int:
        return hash((self.expression, frozenset(self.variables.items())))

    def __repr__(self) -> str:
        return f"Formula({quote(str(self))})"

    def __str__(self) -> str:
        return render(self.expression, TEXT)

    def _refuse_past_limits(self, context: int, given: Mapping[str, int]) -> None:
        for limit, value in zip(self.limits, self._limited, strict=True):
            if value(context, **given) > limit.most:
                raise limit.refusal({**self.variables, **given, "context": context})

    def _walk_at_first_call(self, context: int, **given: int) -> int:
        # Most formulas are evaluated once or twice; compiling one takes as long as many walks.
        self._function = self._walk_at_second_call
        return self._walked(context, **given)

    def _walk_at_second_call(self, context: int, **given: int) -> int:
        self._function = self._compile_at_third_call
        return self._walked(context, **given)

    def _walked(self, context: int, **given: int) -> int:
        return evaluated(self.expression, {**self.variables, "context": context, **given})

    def _compile_at_third_call(self, context: int, **given: int) -> int:
        defaults = ", ".join(f"{name}={value}" for name, value in self.variables.items())
        # The text is made from our own nodes only; nothing from a file or a user is in it.
        self._function = eval(f"lambda context, {defaults}: {render(self.expression, PYTHON)}")
        return self._function(context, **given)

    def _refused(self, name: str) -> RequestError:
        known = ", ".join(["context", *self.variables])
        unknown = f"{quote(name)} is not in this formula; it has {known}"
        sentence = self._absent.get(name) or unknown
        return RequestError(sentence, field=name, found=name, expected=f"one of {known}")

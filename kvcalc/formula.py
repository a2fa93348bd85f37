"""The arithmetic: a small immutable expression over named variables, and its evaluation.

Values are plain ints, which fold at once, or expressions. Python's operators build the sum,
difference, product and floor division; `minimum`, `maximum`, `cdiv` and `ceil` the rest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias, overload

from kvcalc.errors import KvcalcError, shown
from kvcalc.rendering import PYTHON, TEXT, render

FOLD: dict[str, Callable[[int, int], int]] = {
    "floordiv": lambda a, b: a // b,
    "min": min,
    "max": max,
    "cdiv": lambda a, b: -(-a // b),
    "ceil": lambda a, b: -(-a // b) * b,
}
"""What a kind of node makes of two ints (sums and products fold by rules of their own)."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A node: its kind and its two operands, or of the kind "variable" its name."""

    kind: str
    operands: tuple[Any, ...]

    def __add__(self, other: "Value") -> "Value":
        return _add(self, other)

    __radd__ = __add__

    def __sub__(self, other: "Value") -> "Value":
        return _add(self, -other) if isinstance(other, int) else Expression("sub", (self, other))

    def __rsub__(self, other: int) -> "Value":
        return Expression("sub", (other, self))

    def __mul__(self, other: "Value") -> "Value":
        return _multiply(self, other)

    def __rmul__(self, other: int) -> "Value":
        return _multiply(other, self)

    def __floordiv__(self, other: "Value") -> "Value":
        return self if other == 1 else _fold("floordiv", self, other)

    def __rfloordiv__(self, other: int) -> "Value":
        return _fold("floordiv", other, self)

    def __str__(self) -> str:
        return render(self, TEXT)


Value: TypeAlias = int | Expression


def variable(name: str) -> Expression:
    """Name a quantity that is given when the formula is evaluated."""
    return Expression("variable", (name,))


def minimum(a: Value, b: Value) -> Value:
    """Take the smaller of two values."""
    return a if a == b else _fold("min", a, b)


def maximum(a: Value, b: Value) -> Value:
    """Take the larger of two values."""
    return a if a == b else _fold("max", a, b)


def cdiv(a: Value, b: Value) -> Value:
    """Divide `a` by `b`, rounding up."""
    return a if b == 1 else _fold("cdiv", a, b)


def ceil(a: Value, b: Value) -> Value:
    """Round `a` up to a multiple of `b`."""
    return a if b == 1 else _fold("ceil", a, b)


def substituted(value: Value, values: Mapping[str, "Value"]) -> Value:
    """Put values in the place of variables; what becomes plain ints folds."""
    if isinstance(value, int):
        return value
    if value.kind == "variable":
        return values.get(value.operands[0], value)
    return BUILD[value.kind](*(substituted(operand, values) for operand in value.operands))


BUILD: dict[str, Callable[[Any, Any], Value]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b,
    "min": minimum,
    "max": maximum,
    "cdiv": cdiv,
    "ceil": ceil,
}
"""What makes each kind of node of two operands."""


def variables_of(value: Value) -> set[str]:
    """The names of the variables in an expression."""
    if isinstance(value, int):
        return set()
    if value.kind == "variable":
        return {value.operands[0]}
    return set().union(*map(variables_of, value.operands))


def _fold(kind: str, a: Value, b: Value) -> Value:
    if isinstance(a, int) and isinstance(b, int):
        return FOLD[kind](a, b)
    return Expression(kind, (a, b))


def _add(a: Expression, b: Value) -> Value:
    """Add, with the ints of (x + 3) + 5 gathered at the right, as x + 8."""
    if isinstance(b, Expression):
        return Expression("add", (a, b))
    base: Value = a
    shift: int = b
    if a.kind in ("add", "sub") and isinstance(a.operands[1], int):
        base, inner = a.operands
        shift += inner if a.kind == "add" else -inner
    if shift == 0:
        return base
    return Expression("add", (base, shift)) if shift > 0 else Expression("sub", (base, -shift))


def _multiply(a: Value, b: Value) -> Value:
    """Multiply, with the ints of 12 * x * 4096 gathered where the first stood.

    An int stands before a name or a call and behind a sum: 12*context, (x + y) * 4096.
    """
    number, other = (a, b) if isinstance(a, int) else (b, a)
    if not isinstance(number, int) or isinstance(other, int):
        return Expression("mul", (a, b))
    if number in (0, 1):
        return other if number else 0
    if other.kind == "mul":
        left, right = other.operands
        if isinstance(left, int):
            return Expression("mul", (left * number, right))
        if isinstance(right, int):
            return Expression("mul", (left, right * number))
    if other.kind in ("add", "sub"):
        return Expression("mul", (other, number))
    return Expression("mul", (number, other))


class Formula:
    """An expression that can be evaluated: what is not given stays at its own value.

    `variables` are those that may be given besides the context, each with its own value;
    `absent` says of others, by name, why they cannot.
    """

    __slots__ = ("_absent", "_function", "expression", "variables")

    def __init__(
        self,
        expression: Value,
        variables: Mapping[str, int],
        absent: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.expression = expression
        self.variables = dict(variables)
        self._absent = dict(absent)
        self._function: Callable[..., int] = self._compile_at_first_call

    @overload
    def __call__(self, context: int, **given: int) -> int: ...

    @overload
    def __call__(self, context: Any, **given: Any) -> Any: ...

    def __call__(self, context: Any, **given: Any) -> Any:
        """Evaluate: all quantities are positive ints, `context` in tokens of one sequence.

        Any of them may be an array of NumPy or a series of pandas or Polars: so is the answer.
        A single number of NumPy's is taken for the int that it is.

        Raises:
            KvcalcError: a quantity is not positive and whole, or not in this formula; or arrays of
                64-bit integers whose result could pass 2^63.
        """
        if type(context) is not int or context < 1:
            return self._of_many(context, given)
        for name, value in given.items():
            if name not in self.variables:
                raise KvcalcError(self._absent.get(name) or self._unknown(name))
            if type(value) is not int or value < 1:
                return self._of_many(context, given)
        return self._function(context, **given)

    def _of_many(self, context: Any, given: Mapping[str, Any]) -> Any:
        """Evaluate for arrays, or refuse what is neither an array nor a positive int."""
        amounts = {"context": single(context)}
        amounts |= {name: single(value) for name, value in given.items()}
        for name, value in amounts.items():
            if name not in self.variables and name != "context":
                raise KvcalcError(self._absent.get(name) or self._unknown(name))
            if not hasattr(value, "__array__") and (type(value) is not int or value < 1):
                raise _not_positive(name, value)
        from kvcalc.vectors import over

        arrays = {name: value for name, value in amounts.items() if hasattr(value, "__array__")}
        if not arrays:
            return self._function(**amounts)
        own = {name: value for name, value in amounts.items() if name not in arrays}
        return over(self.expression, {**self.variables, **own}, arrays)

    def polars(self, *, checked: bool = False, **names: str) -> Any:
        """Build a Polars expression: `names` maps variables to columns, the rest keep their values.

        The context's column is "context" unless named. Exact while every part is below 2^63, past
        which Polars wraps silently: an expression cannot see its data. `checked` computes in
        Int128 instead.

        Raises:
            KvcalcError: polars is not installed, or a variable is not in this formula.
        """
        from kvcalc.vectors import polars_expression

        for name in names:
            if name not in self.variables and name != "context":
                raise KvcalcError(self._absent.get(name) or self._unknown(name))
            if not isinstance(names[name], str):
                raise KvcalcError(f"{name}: found {shown(names[name])}, expected a column's name")
        columns = {"context": "context", **names}
        return polars_expression(self.expression, self.variables, columns, checked=checked)

    def __str__(self) -> str:
        return render(self.expression, TEXT)

    def _compile_at_first_call(self, context: int, **given: int) -> int:
        defaults = ", ".join(f"{name}={value}" for name, value in self.variables.items())
        # Our own rendering of our own nodes: no text of a file or a user is in it.
        self._function = eval(f"lambda context, {defaults}: {render(self.expression, PYTHON)}")
        return self._function(context, **given)

    def _unknown(self, name: str) -> str:
        known = ", ".join(["context", *self.variables])
        return f"{shown(name)} is not in this formula; it has {known}"


def single(value: Any) -> Any:
    """Take a number of NumPy's, an array without dimensions, for Python's own."""
    return value.item() if getattr(value, "shape", None) == () else value


def _not_positive(name: str, value: object) -> KvcalcError:
    return KvcalcError(f"{name}: found {shown(value)}, expected a positive int")

"""The arithmetic: a small immutable expression over named variables.

Values are plain ints, which fold at once, or expressions. Python's operators build the sum,
difference, product and floor division; `minimum`, `maximum`, `cdiv` and `ceil` build the rest. An
expression with limits (`limits.limited`) is only written down, never built further.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, TypeAlias

from kvcalc.formula.target import TEXT, render
from kvcalc.records import Record

FOLD: dict[str, Callable[[int, int], int]] = {
    "floordiv": lambda a, b: a // b,
    "min": min,
    "max": max,
    "cdiv": lambda a, b: -(-a // b),
    "ceil": lambda a, b: -(-a // b) * b,
}
"""What a kind of node makes of two ints (sums and products fold by rules of their own)."""


class Expression(Record):
    """A node: its kind and its two operands, or of the kind "variable" its name."""

    kind: str
    operands: tuple[Any, ...]

    def __init__(self, kind: str, operands: tuple[Any, ...]) -> None:
        # The hash is kept, as sums may be deeper than Python's calls go.
        self.__dict__.update(kind=kind, operands=operands, _hash=hash((kind, operands)))

    @property
    def name(self) -> str:
        """A variable's name."""
        (name,) = self.operands
        return str(name)

    def __hash__(self) -> int:
        kept: int = self.__dict__["_hash"]
        return kept

    def __reduce__(self) -> tuple[Any, ...]:
        return Expression, (self.kind, self.operands)  # hashes of texts differ in another process

    def __eq__(self, other: object) -> bool:
        """Compare node by node, for the same reason."""
        if not isinstance(other, Expression):
            return NotImplemented
        if hash(self) != hash(other):
            return False
        pairs = [(self, other)]
        while pairs:
            one, two = pairs.pop()
            if one is two:
                continue
            if one.kind != two.kind:
                return False
            for a, b in zip(one.operands, two.operands, strict=True):
                if a is b:
                    continue
                if isinstance(a, Expression) and isinstance(b, Expression):
                    pairs.append((a, b))
                elif a != b:
                    return False
        return True

    def __add__(self, other: "Value") -> "Value":
        return _add(self, other)

    __radd__ = __add__

    def __sub__(self, other: "Value") -> "Value":
        return _add(self, -other) if isinstance(other, int) else _add(self, other, -1)

    def __rsub__(self, other: int) -> "Value":
        return _add(other, self, -1)

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

Numbers: TypeAlias = dict[Value, int]
"""The terms of a sum: the number of each, by the rest of it, which is 1 for a plain int."""


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
        return values.get(value.name, value)
    if _is_sum(value):
        return _substituted_sum(value, values)
    return BUILD[value.kind](*(substituted(operand, values) for operand in value.operands))


def _substituted_sum(value: Expression, values: Mapping[str, "Value"]) -> Value:
    """Put values into a sum from its first term on, as it was built."""
    later = []
    first: Value = value
    while isinstance(first, Expression) and _is_sum(first):
        later.append((1 if first.kind == "add" else -1, first.operands[1]))
        first = first.operands[0]
    others = ((sign, substituted(term, values)) for sign, term in reversed(later))
    return _chained(substituted(first, values), others)


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


def evaluated(value: Value, values: Mapping[str, int]) -> int:
    """Evaluate an expression whose variables all have a value."""
    if isinstance(value, int):
        return value
    if value.kind == "variable":
        return values[value.name]
    a, b = value.operands
    number = BUILD[value.kind](evaluated(a, values), evaluated(b, values))
    assert isinstance(number, int)
    return number


def variables_of(value: Value) -> set[str]:
    """The names of the variables in an expression."""
    found = set()
    pending: list[Any] = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, Expression):
            if one.kind == "variable":
                found.add(one.name)
            else:
                pending += one.operands
    return found


def _fold(kind: str, a: Value, b: Value) -> Value:
    if isinstance(a, int) and isinstance(b, int):
        return FOLD[kind](a, b)
    return Expression(kind, (a, b))


def added(values: Iterable[Value]) -> Value:
    """Add values up, as + does, and in the time of one walk over them."""
    return _chained(0, ((1, value) for value in values))


def _chained(total: Value, others: Iterable[tuple[int, Value]]) -> Value:
    """Add values to a first one, each by its sign, as + and - would one after another.

    A sum whose terms merged is made anew only where another is built on it.
    """
    numbers, made = _numbers(total), True
    for sign, value in others:
        if made and isinstance(total, int) and (isinstance(value, int) or sign > 0):
            total = value + total if sign > 0 else total - value
            numbers = _numbers(total)
            continue
        before = len(numbers)
        if _merge(numbers, value, sign):
            made = not _is_in_order(numbers)
            if made:
                total = _sum(numbers)
                numbers = _numbers(total)
        else:
            if not made:
                total = _sum(dict(islice(numbers.items(), before)))
            total, made = _beside(total, value, sign), True
    return total if made else _sum(numbers)


def _add(a: Value, b: Value, sign: int = 1) -> Value:
    """Add or subtract, with equal terms merged: 12*x + 36*x is 48*x, and (x + 3) + 5 is x + 8."""
    numbers = _numbers(a)
    return _sum(numbers) if _merge(numbers, b, sign) else _beside(a, b, sign)


def _beside(a: Value, b: Value, sign: int) -> Expression:
    """Join a sum and what has no term of it, which stays as it was built."""
    return Expression("add" if sign > 0 else "sub", (a, b))


def _merge(numbers: Numbers, value: Value, sign: int) -> bool:
    """Add the terms of a value to those of a sum, and say whether some are equal, or a plain int's.

    If none is, they stand behind the sum's.
    """
    merges = isinstance(value, int)
    pending = _terms(value, sign)[::-1]
    while pending:
        number, core = pending.pop()
        if core not in numbers:
            numbers[core] = number
            merges |= number == 0  # the 0 of 0 - x
            continue
        merges = True
        number += numbers[core]
        if _is_sum(core) and abs(number) == 1:  # no longer a multiple of the sum
            del numbers[core]
            pending += _terms(core, number)[::-1]
        else:
            numbers[core] = number
    return merges


def _is_in_order(numbers: Numbers) -> bool:
    """Whether these are the terms of the sum that is made of them, in its order."""
    first = next(iter(numbers.values()))
    return first > 0 and len(numbers) > 1 and 0 not in numbers.values()


def _is_sum(value: Value) -> bool:
    return isinstance(value, Expression) and value.kind in ("add", "sub")


def _numbers(value: Value) -> Numbers:
    found: Numbers = {}
    for number, core in _terms(value, 1):
        found[core] = found.get(core, 0) + number
    return found


def _terms(value: Value, sign: int) -> list[tuple[int, Value]]:
    """The terms of a sum, each as its number and the rest, which is 1 for a plain int."""
    found = []
    left = [(sign, value)]
    while left:
        sign, value = left.pop()
        if isinstance(value, Expression) and _is_sum(value):
            a, b = value.operands
            left += [(sign if value.kind == "add" else -sign, b), (sign, a)]
        else:
            found.append(_parted(value, sign))
    return found


def _parted(value: Value, times: int = 1) -> tuple[int, Value]:
    """Split a product, that many times, into its number and the rest: 12*x*y is 12 and x*y."""
    if isinstance(value, int):
        return times * value, 1
    if value.kind != "mul":
        return times, value
    left, right = value.operands
    if isinstance(left, int):
        return _parted(right, times * left)
    if isinstance(right, int):
        return _parted(left, times * right)
    (a, left), (b, right) = _parted(left), _parted(right)
    return times * a * b, Expression("mul", (left, right))


def _sum(numbers: Numbers) -> Value:
    """Join terms; the first that is not subtracted comes first, or else an int below 0."""
    left = [(number, core) for core, number in numbers.items() if number]
    first = next((term for term in left if term[0] > 0), None)
    if first is None:
        first = next((term for term in left if term[1] == 1), (0, 1))
    total = _scaled(*first)
    for term in left:
        if term is not first:
            number, core = term
            kind = "add" if number > 0 else "sub"
            total = Expression(kind, (total, _scaled(abs(number), core)))
    return total


def _scaled(number: int, core: Value) -> Value:
    """Put a number before the rest of a term, as products are built: 12*x, then * y."""
    if isinstance(core, Expression) and core.kind == "mul":
        left, right = core.operands
        return Expression("mul", (_scaled(number, left), right))
    return _multiply(number, core) if isinstance(core, Expression) else number


def _multiply(a: Value, b: Value) -> Value:
    """Multiply, with the ints of 12 * x * 4096 gathered where the first stood.

    An int stands before a name or a call and behind a sum: 12*context, (x + y) * 4096. A sum
    times -1 is a sum again, whose terms merge with others.
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
    if not _is_sum(other):
        return Expression("mul", (number, other))
    if number == -1:
        return _sum({core: -times for core, times in _numbers(other).items()})
    return Expression("mul", (other, number))

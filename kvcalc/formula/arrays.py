"""A formula over many amounts at once: NumPy's arrays, pandas' series, Polars' columns.

Integers of 64 bits wrap silently, so the bounds of the amounts are checked first; arrays of
Python's own ints (dtype object) never wrap.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kvcalc.errors import MissingExtraError, RequestError, reason
from kvcalc.formula.amounts import EXACT_FLOATS
from kvcalc.formula.bounds import Bounds, extent
from kvcalc.formula.expression import Value, variables_of
from kvcalc.formula.limits import Limit

LIMIT = 2**63
CHUNK = 2**15
"""Amounts per step: what the cache of a core holds, so that no step waits for memory."""


def over(
    expression: Value,
    own: Mapping[str, int],
    given: Mapping[str, Any],
    limits: Sequence[Limit] = (),
) -> Any:
    """Evaluate an expression for arrays of `given` amounts, the rest at their `own` values.

    The answer has the kind of the first array: a series gives a series.

    Raises:
        MissingExtraError: numpy is not installed.
        RequestError: an amount is not a positive whole number or is past a limit; the shapes or the
            indexes of series do not match; or a part of the expression could pass 2^63.
    """
    try:
        import numpy
    except ImportError:
        raise MissingExtraError.of("arrays need", "numpy") from None
    _refuse_other_index(given)
    arrays = {name: _array(numpy, name, amounts) for name, amounts in given.items()}
    if any(array.dtype == object for array in arrays.values()):
        # No 64-bit integers beside Python's ints: they would wrap before the two meet.
        arrays = {name: array.astype(object) for name, array in arrays.items()}
    else:
        for part in (expression, *(limit.value for limit in limits)):
            _refuse_overflow(part, own, arrays)
    try:
        shape = numpy.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        sizes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise RequestError.about(
            "arrays", f"found shapes that do not go together: {sizes}"
        ) from None
    for limit in limits:
        past = _evaluated(numpy, limit.value, own, arrays, shape) > limit.most
        if past.any():
            first = numpy.unravel_index(numpy.argmax(past), shape)
            there = {
                name: numpy.broadcast_to(array, shape)[first] for name, array in arrays.items()
            }
            raise limit.refusal({**own, **{name: int(amount) for name, amount in there.items()}})
    answer = _evaluated(numpy, expression, own, arrays, shape)
    return _as_given(next(iter(given.values())), answer)


def _refuse_other_index(given: Mapping[str, Any]) -> None:
    """Refuse pandas series with different indexes: arithmetic would go by place, not by index."""
    series = [(name, one.index) for name, one in given.items() if _kind(one) == "pandas"]
    for name, index in series[1:]:
        first, expected = series[0]
        if not index.equals(expected):
            raise RequestError.about(name, f"found another index than {first}", expected="the same")


def _array(numpy: Any, name: str, amounts: Any) -> Any:
    if numpy.ma.is_masked(amounts):
        raise RequestError.about(name, "found masked elements", expected="whole numbers")
    if str(getattr(amounts, "dtype", "")).endswith("Int128"):
        raise RequestError.about(
            name, "found 128-bit integers, which NumPy does not have: cast them"
        )
    try:
        array = numpy.asarray(amounts.to_numpy() if hasattr(amounts, "to_numpy") else amounts)
    except (
        Exception
    ) as error:  # each library has its own error: for a tensor on a GPU, for 128 bits
        found = f"{type(amounts).__name__} that NumPy cannot read"
        raise RequestError.about(name, f"found a {found}: {reason(error)}") from None
    if array.dtype == object:
        if any(type(amount) is not int or amount < 1 for amount in array.flat):
            raise RequestError.about(name, "found an array of objects", expected="positive ints")
        return array
    if array.dtype.kind == "f":
        array = _whole(numpy, name, array)
    if array.dtype.kind not in "iu":
        raise RequestError.about(name, f"found an array of {array.dtype}", expected="whole numbers")
    if array.size and int(array.min()) < 1:
        raise RequestError.of(name, int(array.min()), "positive ints")
    if array.size and int(array.max()) >= LIMIT:
        raise RequestError.of(name, int(array.max()), "less than 2^63")
    return array.astype(numpy.int64, copy=False)


def _whole(numpy: Any, name: str, array: Any) -> Any:
    """Take floats that are whole numbers as integers, as far as floats tell those apart."""
    refused = array[~((array == numpy.floor(array)) & (abs(array) <= EXACT_FLOATS))]
    if refused.size:
        first = refused.flat[0]
        where = f"found {first} in an array of {array.dtype}"
        raise RequestError.about(name, where, found=float(first), expected="whole numbers")
    return array.astype(numpy.int64)


def _refuse_overflow(expression: Value, own: Mapping[str, int], arrays: Mapping[str, Any]) -> None:
    bounds = {name: Bounds(value, value) for name, value in own.items()}
    for name, array in arrays.items():
        if array.size:
            bounds[name] = Bounds(int(array.min()), int(array.max()))
        else:
            bounds[name] = Bounds(1, 1)
    if extent(expression, bounds).magnitude >= LIMIT:
        raise RequestError.about(
            "arrays",
            "the result could pass 2^63, where 64-bit integers wrap; give arrays of "
            "Python's ints (dtype=object)",
        )


def _evaluated(
    numpy: Any,
    expression: Value,
    own: Mapping[str, int],
    arrays: Mapping[str, Any],
    shape: tuple[int, ...],
) -> Any:
    function = compiled(numpy, expression)
    constants = {name: own[name] for name in variables_of(expression) - set(arrays)}
    flat = {name: array for name, array in arrays.items() if name in variables_of(expression)}
    dtype = object if any(array.dtype == object for array in arrays.values()) else numpy.int64
    answer = numpy.empty(shape, dtype)
    if answer.ndim != 1 or answer.size <= CHUNK:
        answer[...] = function(**flat, **constants)
        return answer
    for start in range(0, answer.size, CHUNK):
        part = slice(start, start + CHUNK)
        pieces = {
            name: array[part] if array.shape == shape else array for name, array in flat.items()
        }
        answer[part] = function(**pieces, **constants)
    return answer


def compiled(numpy: Any, expression: Value) -> Callable[..., Any]:
    """Compile an expression over arrays."""
    from kvcalc.formula.languages.numpy import NUMPY
    from kvcalc.formula.target import render

    names = ", ".join(sorted(variables_of(expression)))
    # The text is made from our own nodes only; nothing from a file or a user is in it.
    function: Callable[..., Any] = eval(
        f"lambda {names}: {render(expression, NUMPY)}", {"numpy": numpy}
    )
    return function


def _as_given(like: Any, answer: Any) -> Any:
    """Give the answer the kind of the amounts: a series of pandas or Polars, else an array."""
    if _kind(like) == "pandas":
        return type(like)(answer, index=like.index)
    if _kind(like) == "polars":
        return type(like)("bytes", answer)
    return answer


def _kind(amounts: Any) -> str:
    """The library of a series, else "array" (also for a frame, whose answer has no columns)."""
    library = type(amounts).__module__.partition(".")[0]
    return library if type(amounts).__name__ == "Series" else "array"

"""The arguments of public functions, checked against their types before anything is worked out."""

from collections.abc import Callable, Mapping
from functools import cache, wraps
from inspect import signature
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from kvcalc.errors import RequestError
from kvcalc.units import MOST

WORDS = {
    "bool": "True or False",
    "int": f"an int from 0 to 10^{len(str(MOST)) - 1}",
    "str": "a text",
    "Model": "a Model; see kvcalc.load",
    "Settings": "an engine's settings, as VllmSettings()",
    "BinaryIO": "an open file of bytes",
}
"""What is expected, by the name of a type."""

UNIONS = (Union, UnionType)

_signature = cache(signature)


def checking(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function check its arguments against their types before it runs.

    A wrong argument is a RequestError with its name. A name that the function does not have stays
    Python's own TypeError; the settings of an engine are checked by the engine.
    """
    hints: dict[str, Any] = {}

    @wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        given = _signature(function).bind(*args, **kwargs).arguments
        if not hints:
            hints.update(get_type_hints(function))
        for name, value in given.items():
            if name == "given":
                for setting, own in value.items():
                    _refuse_huge(setting, own)
            elif not _fits(value, hints[name]):
                raise RequestError.of(name, value, _words(hints[name]))
        return function(*args, **kwargs)

    return checked


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type; what an iterator yields is not known before it is asked."""
    kind, parts = get_origin(hint), get_args(hint)
    if hint is Any or hint is object:
        return True
    if hint is int:
        return _is_int(value) and 0 <= value <= MOST
    if kind is None:
        return isinstance(value, hint) or (hint.__module__ == "typing" and hasattr(value, "read"))
    if kind in UNIONS:
        return any(_fits(value, part) for part in parts)
    if issubclass(kind, Mapping):
        return isinstance(value, Mapping) and all(
            _fits(one, part)
            for pair in value.items()
            for one, part in zip(pair, parts, strict=True)
        )
    if not isinstance(value, kind) or isinstance(value, str | bytes | Mapping):
        return False
    return not isinstance(value, list | tuple | set) or all(_fits(one, parts[0]) for one in value)


def _is_int(value: Any) -> bool:
    """Whether it counts as an int, as NumPy's single numbers do; True is no number."""
    single = hasattr(type(value), "__index__") and getattr(value, "shape", ()) == ()
    return single and not isinstance(value, bool)


def _refuse_huge(name: str, value: Any) -> None:
    if isinstance(value, int) and abs(value) > MOST:
        raise RequestError.of(name, value, f"at most 10^{len(str(MOST)) - 1}")


def _words(hint: Any) -> str:
    kind, parts = get_origin(hint), get_args(hint)
    if kind in UNIONS:
        return " or ".join(dict.fromkeys(_words(part) for part in parts if part is not NoneType))
    if kind is None:
        return WORDS.get(hint.__name__, f"a {hint.__name__}")
    return "a mapping" if issubclass(kind, Mapping) else f"several, each {_words(parts[0])}"

"""Names as people type them: in any case and with any dashes, by another name, or nearly so."""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from kvcalc.errors import RequestError, quote

MOST_CHARACTERS = 80
"""A name is compared with others up to here."""

NEAR = 0.66
"""How alike names must be to be taken for a slip, of difflib's 0 to 1."""


def spelled(
    name: str, known: Collection[str], aliases: Mapping[str, str] = MappingProxyType({})
) -> str | None:
    """Find a name among those known, without regard to case, dashes, dots or underscores.

    `aliases` maps other names to known ones. None where the name is neither.
    """
    if name in known:
        return name
    if name in aliases:
        return aliases[name]
    letters = _letters(name)
    named = [*((one, one) for one in known), *aliases.items()] if letters else ()
    return next((own for other, own in named if letters == _letters(other)), None)


def alike(name: str, other: str) -> bool:
    """Whether two names differ at most in case, dashes, dots and underscores."""
    return name == other or _letters(name) == _letters(other) != ""


def nearest(name: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """The known names that are nearest to one, best first; none where no name is near."""
    return [*_nearest(_letters(name[:MOST_CHARACTERS]), tuple(known), most)]


@lru_cache(maxsize=64)  # a page asks the same for each model on each engine
def _nearest(letters: str, known: tuple[str, ...], most: int) -> tuple[str, ...]:
    from difflib import get_close_matches

    by_letters = {_letters(one): one for one in reversed(known)}
    near = get_close_matches(letters, by_letters, n=most, cutoff=NEAR)
    return tuple(by_letters[one] for one in near)


def unknown(what: str, name: str, known: Collection[str], *, field: str) -> RequestError:
    """Say that a name is unknown, and which are nearest, or else which are known."""
    return not_among(known, name, f"{what} {quote(name)} is unknown", "known are", field=field)


def not_among(
    known: Collection[str], name: str, why: str, listed: str, *, field: str
) -> RequestError:
    """Say why a name is refused, and which are nearest, or else list those known behind a word."""
    near, names = nearest(name, known), ", ".join(known)
    hint = f"did you mean {', '.join(near)}" if near else f"{listed} {names}"
    return RequestError(f"{why}; {hint}", field=field, found=name, expected=f"one of {names}")


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))

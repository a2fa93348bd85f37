"""What a shell offers for a half-typed word."""

from collections.abc import Callable, Iterable


def among(choices: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Complete a half-typed word to one of the choices, which are looked up where it is asked."""
    return lambda incomplete: [name for name in choices() if name.startswith(incomplete.lower())]

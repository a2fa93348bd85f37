"""How long a request holds its cache where the trace does not say: rates of a service model."""

from fractions import Fraction
from typing import NamedTuple

from kvcalc.errors import KvcalcError, shown


class Service(NamedTuple):
    """Tokens a second that a server reads of a prompt, and writes of an answer."""

    prefill_rate: Fraction
    decode_rate: Fraction

    def terms(self) -> tuple[int, int, int]:
        """Three ints a, b, c: a request lives (input * a + output * b) / c microseconds."""
        prefill, decode = self.prefill_rate, self.decode_rate
        return (
            1_000_000 * prefill.denominator * decode.numerator,
            1_000_000 * decode.denominator * prefill.numerator,
            prefill.numerator * decode.numerator,
        )


def rate(value: object, option: str) -> Fraction:
    """Read a rate of tokens a second: a number, or a fraction as 1000/3.

    Raises:
        KvcalcError: it is none, or not above 0.
    """
    try:
        found = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        found = Fraction(0)
    if found <= 0 or found.numerator > 10**9 or found.denominator > 10**9:
        raise KvcalcError(f"{option}: found {shown(value)}, expected tokens a second, as 8000")
    return found

"""How long a request holds its cache where the trace does not say: rates of a service model."""

from fractions import Fraction
from math import lcm
from typing import NamedTuple

from kvcalc.errors import RequestError


class Service(NamedTuple):
    """Tokens a second that a server reads of a prompt, and writes of an answer."""

    prefill_rate: Fraction
    decode_rate: Fraction

    def terms(self) -> tuple[int, int, int]:
        """The least ints a, b, c: a request lives (input * a + output * b) / c microseconds."""
        read, wrote = 1_000_000 / self.prefill_rate, 1_000_000 / self.decode_rate
        c = lcm(read.denominator, wrote.denominator)
        return int(read * c), int(wrote * c), c


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
        raise RequestError.of(option, value, "tokens a second, as 8000")
    return found


def number(rate: Fraction) -> int | float:
    """A rate for people and programs that have no fractions."""
    return rate.numerator if rate.denominator == 1 else float(rate)

"""How long a request holds its cache if the trace does not say: the rates of a service model."""

from fractions import Fraction
from math import lcm
from typing import NamedTuple

from kvcalc.errors import RequestError
from kvcalc.units import MOST, parse_number


class Service(NamedTuple):
    """A server's rates, in tokens per second: of prompts read and of answers written."""

    prefill_rate: Fraction
    decode_rate: Fraction

    def terms(self) -> tuple[int, int, int]:
        """The smallest ints a, b, c by which a request lives (input * a + output * b) / c us."""
        read, wrote = 1_000_000 / self.prefill_rate, 1_000_000 / self.decode_rate
        c = lcm(read.denominator, wrote.denominator)
        return int(read * c), int(wrote * c), c

    def parts(self, prompt: int, output: int) -> int:
        """How many microseconds a request lives, each of the two parts rounded down."""
        return int(prompt * 1_000_000 / self.prefill_rate) + int(
            output * 1_000_000 / self.decode_rate
        )


def service(prefill_rate: object, decode_rate: object) -> Service | None:
    """Read the two rates; None where neither is given.

    Raises:
        RequestError: one is missing beside the other, or is not a rate.
    """
    if prefill_rate is None and decode_rate is None:
        return None
    if prefill_rate is None or decode_rate is None:
        missing = "prefill_rate" if prefill_rate is None else "decode_rate"
        raise RequestError.about(missing, "missing beside the other rate")
    return Service(rate(prefill_rate, "prefill_rate"), rate(decode_rate, "decode_rate"))


def rate(value: object, option: str) -> Fraction:
    """Read a rate in tokens per second: a number, or a fraction such as 1000/3.

    Raises:
        RequestError: it is not a number, or not above 0.
    """
    numeric = isinstance(value, str | float | Fraction) or (
        isinstance(value, int) and 0 < value < MOST
    )
    text = str(value) if numeric else ""
    found = parse_number(text) or Fraction(0)
    if found <= 0 or found.numerator > 10**9 or found.denominator > 10**9:
        raise RequestError.of(option, value, "tokens per second, as 8000")
    return found


def number(rate: Fraction) -> int | float:
    """A rate as a float, for output."""
    return rate.numerator if rate.denominator == 1 else float(rate)

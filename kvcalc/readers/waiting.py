"""Waiting for an answer of the network, in all no longer than is said."""

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class NotInTimeError(Exception):
    """An answer is not there in time."""


def waited(ask: Callable[[], T], seconds: float) -> T:
    """Ask in a thread of its own, which is left behind where the answer is not there in time.

    A limit of a socket is between two bytes: headers that come one at a time, redirects and tries
    again are without end by it.

    Raises:
        NotInTimeError: it is not there.
        Exception: what asking raises.
    """
    found: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(ask())
        except BaseException as error:
            raised.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not found:
        raise NotInTimeError(f"not complete after {seconds:g} seconds")
    return found[0]

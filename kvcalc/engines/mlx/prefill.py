"""What MLX-LM's cache classes hold after a call of the model (0.32.2, models/cache.py).

A prompt is read in calls of `prefill_step_size` tokens until one is left; that one, and each token
generated, is a call of its own (generate.py, generate_step). Tensors grow by 256 tokens at least,
and what a sliding layer holds depends on the size of the last call: so there are three moments to
know, after the calls of a whole step, after the shorter call that ends them, and after calls of 1.
"""

from math import gcd
from typing import NamedTuple, Protocol

from kvcalc.costs import CONTEXT
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import Value, cdiv, ceil, maximum, minimum

GROWTH = 256
"""Tokens: `step` of KVCache, QuantizedKVCache, RotatingKVCache and ChunkedKVCache."""


class CallEnd(Protocol):
    """The end of a call that took the sequence from `start` to `end` tokens."""

    @property
    def start(self) -> Value:
        """Tokens of the sequence before the call."""

    @property
    def end(self) -> Value:
        """Tokens of the sequence so far."""

    def full(self) -> Value:
        """Tokens that KVCache and QuantizedKVCache have room for."""

    def sliding(self, window: Value) -> Value:
        """Tokens that RotatingKVCache has room for."""

    def chunked(self, chunk: int) -> Value:
        """Tokens that ChunkedKVCache has room for."""


class AfterSteps(NamedTuple):
    """After `calls` calls of `step` tokens."""

    step: int
    calls: Value

    @property
    def end(self) -> Value:
        """Tokens of the sequence so far."""
        return self.calls * self.step

    @property
    def start(self) -> Value:
        """Tokens before the call."""
        return maximum(self.calls, 1) * self.step - self.step

    def full(self) -> Value:
        """The tokens, and the room that the last growth left."""
        return ceil(self.end, GROWTH) if even(self.step) else self.end + self.room()

    def room(self) -> Value:
        """Tokens of free room.

        A call that starts at a multiple of 256 adds to the room that was left, any other call
        replaces it; twice the room may take a whole call, which then needs none.
        """
        left = -self.step % GROWTH
        before = maximum(self.calls, 1) - 1
        room = left * minimum(self.calls, 1) + left * _is_multiple(before, self.turn)
        if 2 * left >= self.step:
            after = maximum(before, 1) - 1
            room += (left - self.step) * _is_multiple(after, self.turn)
        return room

    @property
    def turn(self) -> int:
        """Calls between two that start at a multiple of 256 tokens."""
        return GROWTH // gcd(self.step, GROWTH)

    def sliding(self, window: Value) -> Value:
        """Before a call all but window - 1 tokens are dropped; the call's are put behind them."""
        return minimum(self.end, window + (self.step - 1))

    def chunked(self, chunk: int) -> Value:
        """Before a call all but the chunk is dropped."""
        return _chunked(self.full(), self.step, chunk, self.start, ceil(self.step, GROWTH))


class AfterRest(NamedTuple):
    """After the call of fewer tokens than a step that ends the prompt but for its last token.

    `end` is tokens of the prompt but the last, `before` one less (at least 0). Where that call has
    no token or one, this is less than another moment holds.
    """

    steps: AfterSteps
    end: Value
    before: Value

    @property
    def start(self) -> Value:
        """Tokens before the call."""
        return self.steps.end

    @property
    def rest(self) -> Value:
        """Tokens of the call."""
        return self.end - self.steps.end

    def full(self) -> Value:
        """As after whole steps, grown where the rest does not fit the room."""
        if even(self.steps.step):
            return ceil(self.end, GROWTH)
        room, calls, turn = self.steps.room(), self.steps.calls, self.steps.turn
        grows = minimum(1, maximum(self.rest - room, 0))
        replaces = minimum(1, calls - calls // turn * turn)
        return self.steps.full() + grows * (ceil(self.rest, GROWTH) - replaces * room)

    def sliding(self, window: Value) -> Value:
        """Before the call all but window - 1 tokens are dropped."""
        return minimum(self.end, window - 1 + self.rest)

    def chunked(self, chunk: int) -> Value:
        """Before the call all but the chunk is dropped."""
        step = self.steps.step
        return _chunked(self.full(), step, chunk, self.start, ceil(self.rest, GROWTH))


class AfterSingles(NamedTuple):
    """After calls of 1 token: the prompt's last, and those generated, up to `end` tokens."""

    prompt: AfterRest
    end: Value

    @property
    def start(self) -> Value:
        """Tokens before the call."""
        return self.end - 1

    def full(self) -> Value:
        """Each call fits, or adds room for 256."""
        if even(self.prompt.steps.step):
            return ceil(self.end, GROWTH)
        room = self.prompt.full()
        return room + ceil(maximum(self.end - room, 0), GROWTH)

    def sliding(self, window: Value) -> Value:
        """Each call fits or adds room for 256, at most the window in all."""
        step, read = self.prompt.steps.step, self.prompt.end
        # A rest of one token is itself a call of 1: one less was read in calls of several.
        read -= cdiv(read, step) - cdiv(self.prompt.before, step)
        return minimum(window, read + ceil(self.end - read, GROWTH))

    def chunked(self, chunk: int) -> Value:
        """Before each call all but the chunk is dropped."""
        return _chunked(self.full(), self.prompt.steps.step, chunk, self.start, GROWTH)


def after_prompt(step: int, singles: int) -> AfterRest:
    """Split a context but its last `singles` tokens, at least 0, into calls of `step` tokens.

    Raises:
        UnsupportedError: a step whose calls fill the room of 256 tokens in no simple order.
    """
    if not even(step) and step < GROWTH // 2:
        raise UnsupportedError.of(
            "prefill_step_size", f"found {step}, expected a power of 2 or at least {GROWTH // 2}"
        )
    if step == 1:  # all calls are calls of 1
        return AfterRest(AfterSteps(1, 0), 0, 0)
    read = maximum(CONTEXT - singles, 0)
    return AfterRest(AfterSteps(step, read // step), read, maximum(CONTEXT - (singles + 1), 0))


def even(step: int) -> bool:
    """Tell whether calls of `step` tokens leave no odd room: 256 divides it, or it 256."""
    return step % GROWTH == 0 or GROWTH % step == 0


def _is_multiple(number: Value, of: int) -> Value:
    """1 where a number is a positive multiple, else 0."""
    return number // of - (maximum(number, 1) - 1) // of


def _chunked(full: Value, step: int, chunk: int, start: Value, grown: Value) -> Value:
    """The chunk and what the call grew by, once it starts past the chunk; else as a full layer."""
    if even(step) and chunk % GROWTH == 0:
        return minimum(full, grown + chunk)
    past = minimum(1, maximum(start - chunk, 0))
    return full * (1 - past) + past * (grown + chunk)

"""Kinds of errors with their facts, and values in their sentences: quoted, short, harmless."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcalc.errors import (
    KvcalcError,
    RequestError,
    SourceError,
    TooLittleMemoryError,
    UnsupportedError,
    printable,
    quote,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("abc", "'abc'"),
        ("", "''"),
        (0, "0"),
        (None, "None"),
        ("\x1b[31m", "'\\x1b[31m'"),
        ("a\nb", "'a\\nb'"),
        ("가", "'\\uac00'"),
        (1 << 400, "an integer of 401 bits"),
    ],
)
def test_a_value_is_quoted(value: object, text: str) -> None:
    assert quote(value) == text


@given(st.text() | st.integers() | st.lists(st.text()))
def test_a_quoted_value_is_short_printable_ascii(value: object) -> None:
    text = quote(value)
    assert len(text) <= 60
    assert text.isascii()
    assert text.isprintable()


@given(st.text())
def test_text_for_a_terminal_holds_nothing_that_it_obeys(text: str) -> None:
    assert printable(text).isprintable()
    assert not text.isprintable() or printable(text) == text


KINDS = (
    RequestError.of("gpus", 0, "at least 1"),
    UnsupportedError("vllm does not support x layers", engine="vllm", what="x layers"),
    TooLittleMemoryError("memory: found 1 byte", needed_bytes=2, available_bytes=1),
    SourceError.of("a\x1b.json", "not JSON"),
)


@pytest.mark.parametrize("error", KINDS, ids=lambda error: type(error).__name__)
def test_an_error_keeps_its_facts_when_it_is_pickled(error: KvcalcError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_usual_sentences_are_written_from_the_facts() -> None:
    request, source = KINDS[0], KINDS[3]
    assert str(request) == "gpus: found 0, expected at least 1"
    assert vars(request) == {"field": "gpus", "found": 0, "expected": "at least 1"}
    assert str(source) == "'a\\x1b.json': not JSON"
    assert vars(source) == {"source": "a\x1b.json"}

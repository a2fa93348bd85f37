"""Values in error sentences: quoted, short, and without power over a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcalc.errors import printable, quote


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

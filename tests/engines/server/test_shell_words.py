"""Pieces of shell as people paste them: commands, words, variables."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcalc.engines.server.arithmetic import worked_out
from kvcalc.engines.server.shell_words import OpenQuoteError, commands
from tests.each import each


def split(text: str) -> list[list[str]]:
    return [words for _, words in commands(text)]


@each(
    ("text", "expected"),
    [
        ("a b  c", [["a", "b", "c"]]),
        ("a 'b c' \"d e\" f\\ g", [["a", "b c", "d e", "f g"]]),
        ("""a '{"k": "v"}'""", [["a", '{"k": "v"}']]),
        (r'a "{\"k\": 1}"', [["a", '{"k": 1}']]),
        ("a ''", [["a", ""]]),
        ("a \\\n  b \\  \n c", [["a", "b", "c"]]),
        ("a ^\n  b ^\r\n c", [["a", "b", "c"]]),
        ("a `\n  b", [["a", "b"]]),
        ("$ a b", [["a", "b"]]),
        ("$ a % b", [["a", "%", "b"]]),
        ("> a b", [["a", "b"]]),
        ("> a b\n> c d", [["b"], ["d"]]),
        ("a > b c", [["a", "c"]]),
        ("# a b", [["a", "b"]]),
        ("# a comment\na b # another", [["a", "b"]]),
        ("a b#c", [["a", "b#c"]]),
        ("a; b && c || d & e | f", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]),
        ("a > log.txt 2>&1 &", [["a"]]),
        ("a 2>/dev/null b", [["a", "b"]]),
        ("a &> log b", [["a", "b"]]),
        ("a 2>&1 b", [["a", "b"]]),
        ("a 2>&1", [["a"]]),
        ("a >&2 b 2>&- c", [["a", "b", "c"]]),
        ("a < in b 2> 1 c", [["a", "b", "c"]]),
        ("a 12> log b", [["a", "b"]]),
        ("a >>log;b", [["a"], ["b"]]),
        ("a <MODEL> b", [["a", "<MODEL>", "b"]]),
        ("A=1 a b", [["A=1", "a", "b"]]),
        ("export A=1; a $A ${A} ${B:-2} $C", [["a", "1", "1", "2", "$C"]]),
        ("A='x y'; a $A \"$A\"", [["a", "x", "y", "x y"]]),
        ("N=4; a $((64 * 1024)) $((N * 2)) $(($N + 1))", [["a", "65536", "8", "5"]]),
        ("a $(cat x) '$B'", [["a", "$(cat x)", "$B"]]),
        (r"C:\x\a.exe -m C:\m\b.gguf", [[r"C:\x\a.exe", "-m", r"C:\m\b.gguf"]]),
        ('$env:A = "1"\na $A', [["a", "1"]]),
        ("", []),
    ],
)
def test_a_text_falls_into_commands_and_words(text: str, expected: list[list[str]]) -> None:
    assert split(text) == expected


def test_variables_that_were_set_stand_before_a_command() -> None:
    assert list(commands("export A=1 B=2; C=3; a")) == [({"A": "1", "B": "2", "C": "3"}, ["a"])]


@each("text", ["a 'b", 'a "b', "a \\"])
def test_an_open_quote_is_an_error(text: str) -> None:
    with pytest.raises(OpenQuoteError):
        split(text)


@given(st.text(alphabet="ab1 '\"\\$(){}<>|&;#=\n`^*", max_size=40))
def test_any_text_is_split_or_refused(text: str) -> None:
    with contextlib.suppress(OpenQuoteError):
        assert all(all(isinstance(word, str) for word in words) for words in split(text))


@each(
    ("text", "value"),
    [
        ("64 * 1024", 65_536),
        ("(2 + 3) * 4 - 7 / 2", 17),
        ("2 ** 99", None),
        ("9999999999 * 9999999999", None),
        ("1 / 0", None),
        ("a + 1", None),
        ("True + 1", None),
        ("1.5 * 2", None),
        ("__import__('os')", None),
        ("1 +", None),
        ("(" * 5000, None),
    ],
)
def test_sums_are_worked_out_and_nothing_else(text: str, value: int | None) -> None:
    assert worked_out(text) == value

"""The members of a large JSON object, read in pieces, are those that Python's reader finds."""

import json
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcalc.readers import json_members
from kvcalc.readers.json_members import members
from tests.texts import TEXTS

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=3)
)
OBJECTS = st.dictionaries(TEXTS, VALUES | st.dictionaries(TEXTS, VALUES), max_size=6)


@given(OBJECTS, st.integers(1, 9), st.sampled_from([None, 1]), st.booleans())
def test_they_are_the_readers_whatever_the_pieces(
    table: dict[str, Any], piece: int, indent: int | None, plain: bool
) -> None:
    content = json.dumps(table, indent=indent, ensure_ascii=plain).encode(errors="surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_members, "PIECE", piece)
        try:
            expected = json.loads(content)
        except UnicodeDecodeError:
            with pytest.raises(UnicodeDecodeError):
                list(members(BytesIO(content), len(content)))
            return
        assert list(members(BytesIO(content), len(content))) == [
            ((key,), value) for key, value in expected.items()
        ]
        inner = {key: value for key, value in expected.items() if isinstance(value, dict)}
        deep = list(members(BytesIO(content), len(content), inner))
    assert [one for one in deep if len(one[0]) == 2] == [
        ((key, own), value) for key, under in inner.items() for own, value in under.items()
    ]


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{", "{}x", "{1: 2}", '{"a"}', '{"a": }', '{"a": 1,}', '{"a": 1 "b": 2}'),
        *('{"a": 1, "a": 2}', '{"a": "', '{"a": 1', "\ud800", f'{{"a": "{"x" * 99}"}}'),
    ],
)
def test_what_is_no_such_object_is_an_error(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_members, "PIECE", 4)
    monkeypatch.setattr(json_members, "MAX_VALUE", 40)
    data = content.encode(errors="surrogatepass")
    with pytest.raises(ValueError):  # noqa: PT011
        list(members(BytesIO(data), len(data)))


def test_what_stands_after_the_bytes_is_not_read() -> None:
    assert list(members(BytesIO(b'{"a": 1}xyz'), 8)) == [(("a",), 1)]

"""Tokens of a text by a model's own tokenizer, and of a count in a predecessor's."""

import json
import sys
from pathlib import Path

import pytest

from kvcalc.errors import KvcalcError
from kvcalc.readers import tokens
from kvcalc.readers.tokens import converted, count_tokens
from tests.each import each

WORDS = json.dumps(
    {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"one": 0, "two": 1, "?": 2}, "unk_token": "?"},
    }
)
"""A tokenizer of whole words."""

K_EXAONE = "k-exaone-236b-a23b"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tokenizer.json").write_text(WORDS)
    (tmp_path / "report.txt").write_text("one two three two")
    return tmp_path


def test_a_text_is_counted_by_the_folders_tokenizer(folder: Path) -> None:
    assert count_tokens(folder / "report.txt", str(folder)) == 4
    (folder / "config.json").write_text("{}")
    assert count_tokens(folder / "report.txt", str(folder / "config.json")) == 4


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "found no text"), (b"\xff\xfe", "expected UTF-8 text"), (b"  \n", "found no text")],
)
def test_a_text_that_cannot_be_counted_is_refused(
    folder: Path, content: bytes, sentence: str
) -> None:
    (folder / "report.txt").write_bytes(content)
    with pytest.raises(KvcalcError, match=sentence):
        count_tokens(folder / "report.txt", str(folder))


def test_a_text_is_counted_whole_and_without_padding(folder: Path) -> None:
    table = json.loads(WORDS)
    table["truncation"] = {
        "direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0,
    }  # fmt: skip
    table["padding"] = {
        "strategy": {"Fixed": 512}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 2, "pad_type_id": 0, "pad_token": "?",
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(table))
    assert count_tokens(folder / "report.txt", str(folder)) == 4


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("model", {"type": "WordLevel", "vocab": {"one": 0}, "unk_token": "?"}),
        ("normalizer", {"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
    ],
    ids=["an error while it counts", "a panic of the library"],
)
def test_a_tokenizer_that_fails_is_refused(folder: Path, part: str, value: object) -> None:
    (folder / "tokenizer.json").write_text(json.dumps({**json.loads(WORDS), part: value}))
    with pytest.raises(KvcalcError, match=r"tokenizer\.json.*: no tokenizer"):
        count_tokens(folder / "report.txt", str(folder))


def test_a_tokenizer_and_a_text_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = WORDS.count(",") + WORDS.count("{") + WORDS.count("[")
    monkeypatch.setattr(tokens, "MAX_PARTS", parts)
    assert count_tokens(folder / "report.txt", str(folder)) == 4
    monkeypatch.setattr(tokens, "MAX_PARTS", parts - 1)
    with pytest.raises(KvcalcError, match=f"found {parts} members, expected at most {parts - 1}"):
        count_tokens(folder / "report.txt", str(folder))
    for bound in ("MAX_TOKENIZER_BYTES", "MAX_TEXT_BYTES"):
        monkeypatch.setattr(tokens, bound, 10)
        with pytest.raises(KvcalcError, match="larger than the 10 bytes expected of such a file"):
            count_tokens(folder / "report.txt", str(folder))


def test_a_text_is_checked_in_pieces_that_cut_its_characters(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "PIECE", 1)
    (folder / "report.txt").write_text("one \U0001f600")
    assert count_tokens(folder / "report.txt", str(folder)) == 2
    (folder / "report.txt").write_bytes("one \U0001f600".encode()[:-1])
    with pytest.raises(KvcalcError, match="expected UTF-8 text"):
        count_tokens(folder / "report.txt", str(folder))


def test_a_missing_text_or_tokenizer_is_refused(folder: Path) -> None:
    with pytest.raises(KvcalcError, match="found nothing, expected a file"):
        count_tokens(folder / "no.txt", str(folder))
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(KvcalcError, match=r"tokenizer\.json.*: no tokenizer"):
        count_tokens(folder / "report.txt", str(folder))
    with pytest.raises(KvcalcError, match="give the model's folder or its Hub id"):
        count_tokens(folder / "report.txt", None)


def test_without_the_library_the_extra_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(KvcalcError, match=r"pip install 'kvcalc\[tokenizers\]'"):
        count_tokens(folder / "report.txt", str(folder))


@each(
    ("language", "tokens", "own"),
    [
        ("korean", 262_144, 203_213),  # 262,144 * 100 / 129 = 203,212.4
        ("english", 262_144, 219_184),  # / 1.196 = 219,183.9
        ("multilingual", 1498, 1000),
        ("stem", 1201, 1000),
        ("code", 1268, 1001),
        ("korean", 1, 1),
    ],
)
def test_a_predecessors_tokens_become_a_models_own(language: str, tokens: int, own: int) -> None:
    assert converted(tokens, K_EXAONE, "exaone-4.0-32b", language) == own
    assert converted(tokens, K_EXAONE, "LGAI-EXAONE/EXAONE-4.0-32B", language) == own


@each(
    ("source", "predecessor", "language", "sentence"),
    [
        (K_EXAONE, "llama-3.1-8b", "korean", "those known are exaone-4.0-32b"),
        ("llama-3.1-8b", "exaone-4.0-32b", "korean", "no gain of it is published"),
        (None, "exaone-4.0-32b", "korean", "no gain of it is published"),
        (K_EXAONE, "exaone-4.0-32b", "klingon", "expected one of english, korean"),
        (K_EXAONE, "exaone-4.0-32b", None, "--language: found None, expected one of english"),
    ],
)
def test_a_gain_that_is_not_published_is_refused(
    source: str | None, predecessor: str, language: str | None, sentence: str
) -> None:
    with pytest.raises(KvcalcError, match=sentence):
        converted(1000, source, predecessor, language)

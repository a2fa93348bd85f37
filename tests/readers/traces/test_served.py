"""A server's requests as a trace: token ids, and texts by a tokenizer that is made here."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing

import kvcalc
from tests.conftest import Cli

LLAMA = kvcalc.load("llama-3.1-8b")
"""Blocks of 16 tokens, in one group."""

BEGIN = 1_000
"""The id of the token that a sequence begins with."""


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    vocabulary = {**{f"w{number}": number for number in range(BEGIN)}, "<s>": BEGIN}
    made = Tokenizer(WordLevel(vocabulary, unk_token="w0"))
    made.pre_tokenizer = WhitespaceSplit()
    made.post_processor = TemplateProcessing("<s> $A", special_tokens=[("<s>", BEGIN)])
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def words(start: int, end: int) -> str:
    return " ".join(f"w{number}" for number in range(start, end))


Replay = Callable[..., list[int]]


@pytest.fixture
def hits(tmp_path: Path, tokenizer: Path) -> Replay:
    def found(*lines: object, **given: Any) -> list[int]:
        file = tmp_path / "trace.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        answer = kvcalc.replay(LLAMA, file, tokenizer=tokenizer, **given)
        return [one.hit_tokens for one in answer.each]

    return found


SAME: dict[str, dict[str, Any]] = {
    "a text, begun by a token of its own": {"prompt": words(1, 40), "echo": False, "n": 1},
    "a text as it is": {"prompt": f"<s> {words(1, 40)}", "add_special_tokens": False},
    "ids": {"prompt_token_ids": [BEGIN, *range(1, 40)]},
    "ids as OpenAI's prompt": {"prompt": [BEGIN, *range(1, 40)]},
    "a line of a batch": {"custom_id": "a", "body": {"prompt": words(1, 40)}},
    "a request and its answer": {"request": {"prompt": words(1, 40)}, "response": {"choices": []}},
    "a chat that the server answered with ids": {
        "request": {"messages": [{"role": "user", "content": [{"type": "text", "text": "w1"}]}]},
        "response": {
            "prompt_token_ids": [BEGIN, *range(1, 40)],
            "choices": [{"message": {"content": "w40"}, "token_ids": [40, 41]}],
        },
    },
    "a completion that the server answered with ids": {
        "prompt": "w1",
        "choices": [{"prompt_token_ids": [BEGIN, *range(1, 40)], "text": "w40"}],
    },
    "an output of vLLM": {
        "prompt_token_ids": [BEGIN, *range(1, 40)],
        "outputs": [{"text": "w40", "token_ids": [40]}],
    },
}


@pytest.mark.parametrize("line", SAME.values(), ids=SAME)
def test_each_form_has_the_same_tokens(line: dict[str, Any], hits: Replay) -> None:
    whole = {"prompt_token_ids": [BEGIN, *range(1, 40), 7, 8, 9]}
    assert hits(whole, line, whole) == [0, 32, 32]


ANSWERED: dict[str, tuple[dict[str, Any], int]] = {
    # 31 tokens of the prompt and 17 of the answer are stored: three blocks
    "its text, and an end": ({"output": words(31, 48)}, 48),
    "the text of a choice": ({"choices": [{"text": words(31, 48), "finish_reason": "stop"}]}, 48),
    "a batch's": (
        {"response": {"body": {"choices": [{"text": words(31, 48)}]}}},
        48,
    ),
    # of an answer that was cut the last token is sampled and not stored
    "cut": ({"choices": [{"text": words(31, 48), "finish_reason": "length"}]}, 32),
    "its ids": ({"token_ids": [*range(31, 48)]}, 32),
    "its ids, and an end": ({"token_ids": [*range(31, 48), 999]}, 48),
    "not there": ({}, 16),
    "a chat's message, which parsers changed": (
        {"choices": [{"message": {"content": words(31, 48)}}]},
        16,
    ),
}


@pytest.mark.parametrize(("answer", "tokens"), ANSWERED.values(), ids=ANSWERED)
def test_an_answer_is_found_by_the_next_turn(
    answer: dict[str, Any], tokens: int, hits: Replay
) -> None:
    first = {"prompt": words(1, 31), **answer}
    assert hits(first, {"prompt": words(1, 60)}) == [0, tokens]
    assert hits(first, {"prompt": words(1, 60)}, prompts_only=True) == [0, 16]


def test_prompts_that_fork_anywhere_share_what_is_before_the_fork(hits: Replay) -> None:
    trunk = [*range(100, 200)]
    forks = [[*trunk[:at], 5, *trunk[at:]] for at in (50, 17, 99, 33, 0)]
    lines = [{"prompt_token_ids": ids} for ids in (trunk, *forks, trunk, forks[1], [*trunk, 6])]
    assert hits(*lines) == [0, 48, 16, 96, 32, 0, 96, 96, 96]


@pytest.mark.parametrize(
    "times",
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5+00:00", "2026-01-01T01:01:00+01:00"),
        (1_000, 1_000.5, 1_060),
    ],
    ids=["dates", "seconds"],
)
def test_requests_come_when_they_did(times: tuple[Any, ...], hits: Replay) -> None:
    # For its half minute the first holds four of five blocks, and the second, of two, waits.
    prompts = (words(1, 60), words(100, 130), words(1, 60))
    lines = [
        {"prompt": prompt, "output": words(60, 90), "timestamp": time}
        for prompt, time in zip(prompts, times, strict=True)
    ]
    rates = {"prefill_rate": 1_000, "decode_rate": 1}
    assert hits(*lines, **rates, blocks=6) == [0, 0, 48]
    # A log that is written when an answer ends has them in another order.
    assert hits(*lines[::-1], **rates, blocks=6) == [48, 0, 0]
    assert hits(*lines[::-1], blocks=20) == [0, 0, 48]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a chat": ({"messages": [{"role": "user", "content": "w1"}]}, "messages: found a chat"),
    "a picture": (
        {
            "messages": [{"role": "user", "content": [{"type": "image_url"}]}],
            "prompt_token_ids": [1],
        },
        "messages: found 'image_url', expected texts alone",
    ),
    "several prompts": ({"prompt": ["w1", "w2"]}, "prompt: found ['w1', 'w2'], expected a list of"),
    "several answers": ({"prompt": "w1", "n": 2}, "n: found 2, expected one answer"),
    "several choices": ({"prompt": "w1", "choices": [{}, {}]}, "expected one answer"),
    "a salt": ({"prompt": "w1", "cache_salt": "x"}, "cache_salt: found 'x', which keeps its"),
    "a cut prompt": ({"prompt": "w1", "truncate_prompt_tokens": 5}, "truncate_prompt_tokens: "),
    "no tokens but embeddings": (
        {"prompt": "w1", "prompt_embeds": "AA=="},
        "prompt_embeds: found 'AA==', whose blocks are not told by tokens",
    ),
    "media of vLLM's own": (
        {"prompt": "w1", "multi_modal_data": {"image": "x"}},
        "whose blocks are not told by tokens alone",
    ),
    "an echo": ({"prompt": "w1", "echo": True}, "echo: found True, by which the answer's text has"),
    "beams": ({"prompt": "w1", "use_beam_search": True}, "use_beam_search: found True, expected"),
    "what is not looked up": ({"prompt": "w1", "prompt_logprobs": 0}, "a server looks nothing up"),
    "no tokens": ({"prompt": "", "add_special_tokens": False}, "prompt: found no tokens"),
    "half of a character": ({"prompt": "\ud83d"}, "prompt: found half of a character"),
    "no word of special tokens": ({"prompt": "w1", "add_special_tokens": 1}, "true or false"),
    "no prompt": ({"prompt_token_ids": None}, "prompt: found None, expected a list of token ids"),
    "no id": ({"prompt_token_ids": [1, "w1"]}, "prompt_token_ids: found [1, 'w1']"),
    "an id below 0": ({"prompt": [-1]}, "prompt: found a token id outside 0 to"),
    "no date": ({"prompt": "w1", "timestamp": "now"}, "timestamp: found 'now', expected seconds"),
    "no time": ({"prompt": "w1", "timestamp": True}, "timestamp: found True, expected a time"),
}


@pytest.mark.parametrize(("line", "why"), REFUSED.values(), ids=REFUSED)
def test_what_tokens_alone_do_not_tell_is_refused(
    line: dict[str, Any], why: str, hits: Replay
) -> None:
    with pytest.raises(kvcalc.SourceError) as caught:
        hits({"prompt": "w1"}, line)
    assert "line 2: " in str(caught.value)
    assert why in str(caught.value)


def test_lines_of_several_models_or_forms_share_no_cache(hits: Replay) -> None:
    with pytest.raises(kvcalc.SourceError, match="model: found 'b' after 'a'"):
        hits({"prompt": "w1", "model": "a"}, {"prompt": "w1"}, {"prompt": "w1", "model": "b"})
    runs = {"t": 0, "prompt": [[1, 40]], "output": []}
    with pytest.raises(kvcalc.SourceError, match="line 2: found runs of tokens, expected tokens"):
        hits({"prompt": "w1"}, runs)


def test_people_are_told_whose_tokens_they_are(tmp_path: Path, tokenizer: Path, cli: Cli) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(2 * (json.dumps({"prompt": words(1, 40)}) + "\n"))
    asked = ("replay", "llama-3.1-8b", str(file), "--blocks", "100")
    found = cli(*asked, "--tokenizer", str(tokenizer))
    assert "over 2 requests, 80 prompt tokens" in found.out
    assert f"texts: in tokens of {tokenizer}" in found.out
    assert cli(*asked, "--tokenizer", str(tmp_path)).out == found.out
    ids = tmp_path / "ids.jsonl"
    ids.write_text(json.dumps({"prompt_token_ids": [1]}))
    assert "texts: " not in cli("replay", "llama-3.1-8b", str(ids), "--blocks", "100").out


def test_a_text_needs_a_tokenizer_and_the_extra(
    tmp_path: Path, tokenizer: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(json.dumps({"prompt": "w1"}))
    shape = ("replay", "tests/oracles/configs/LGAI-EXAONE--K-EXAONE-236B-A23B.json", str(file))
    found = cli(*shape)
    assert (found.code, found.out) == (2, "")
    assert "tokenizer.json" in found.err
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    found = cli(*shape, "--tokenizer", str(tokenizer))
    assert (found.code, found.out) == (2, "")
    assert found.err == (
        "kvcalc: a text's tokens need the extra kvcalc[tokenizers]: pip install "
        "'kvcalc[tokenizers]'\n"
    )

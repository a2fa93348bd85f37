"""Requests as a server got them, and its answers: token ids, or texts by the model's tokenizer.

The forms are those of OpenAI's completions, alone (`prompt`, or vLLM's `prompt_token_ids`), or with
the answer beside (`response`), as a line of its batches has them in `body`. vLLM puts a prompt's
special tokens before it unless `add_special_tokens` is false, and answers with the ids where
`return_token_ids` is true (vllm/entrypoints/openai, completion/protocol.py and
chat_completion/protocol.py).
"""

from datetime import UTC, datetime
from typing import Any

from kvcalc.engines.chains import Run
from kvcalc.engines.replay import Request
from kvcalc.errors import quote
from kvcalc.readers.tokens import Tokenizing
from kvcalc.readers.traces.line import Line, UnreadError, start, token_ids
from kvcalc.readers.traces.prefixes import Prefixes

KEYS = ("prompt_token_ids", "prompt", "messages")
"""What a prompt stands under."""

WITHIN = ("request", "body")
"""What a log puts a request in."""

ANSWERS = ("output", "completion", "response")
"""What an answer's text stands under in a line."""

APART = {
    "cache_salt": "which keeps its blocks apart from others', and was not replayed",
    "truncate_prompt_tokens": "which cuts the prompt, and was not replayed",
    "prompt_embeds": "whose blocks are not told by tokens",
    "multi_modal_data": "whose blocks are not told by tokens alone",
    "prompt_logprobs": "for which a server looks nothing up",
    "echo": "by which the answer's text has the prompt, too",
    "use_beam_search": "expected one answer",
}
"""Fields of a request by which its blocks are others, where they are given and not false."""

CHAT = (
    "found a chat, whose tokens are its template's; give prompt_token_ids (vllm answers with them "
    "where return_token_ids is true), or the text that the template makes as prompt, with "
    "add_special_tokens false"
)

END = -1
"""The token that ends an answer, of which its text has nothing; as the last it is never stored."""

TIMES = {"t": "ms", "timestamp": "s", "created": "s"}
"""When a request came, by key, and the unit; without one it is the time of all others."""


def is_served(found: Line) -> bool:
    """Whether a line has a request, alone or within what a log puts it in."""
    return any(key in part for part in _requests(found) for key in KEYS)


def _requests(found: Line) -> list[Line]:
    """Where a request may stand, the innermost first."""
    parts = [found]
    for part in parts:
        parts += [part[key] for key in WITHIN if isinstance(part.get(key), dict)]
    return parts[::-1]


class Served:
    """The requests of a trace as they are read: what they share, and whose tokenizer reads them."""

    def __init__(self, tokenizing: Tokenizing) -> None:
        self._tokenizing = tokenizing
        self._prefixes = Prefixes()
        self._model: object = None

    def read(self, found: Line) -> Request:
        """Read a request, and its answer if the line has one.

        Raises:
            UnreadError: the line is no request, or not one that the engine told by tokens alone.
            KvcalcError: a text cannot be read by the model's tokenizer.
        """
        asked = next(part for part in _requests(found) if any(key in part for key in KEYS))
        answer = _answer(found)
        self._refuse(asked)
        choice = _choice(answer)
        prompt = self._prompt(asked, answer, choice)
        if not prompt:
            raise UnreadError("prompt: found no tokens")
        tokens = [*prompt, *self._output(found, choice)]
        runs = self._prefixes.runs(tokens)
        return Request(_time(found, asked, answer), *_parted(runs, len(prompt)))

    def _refuse(self, asked: Line) -> None:
        for key, why in APART.items():
            if asked.get(key) is not None and asked[key] is not False:
                raise UnreadError(f"{key}: found {quote(asked[key])}, {why}")
        for key in ("n", "best_of"):
            if asked.get(key) not in (None, 1):
                raise UnreadError(f"{key}: found {quote(asked[key])}, expected one answer")
        model = asked.get("model")
        if None not in (model, self._model) and model != self._model:
            raise UnreadError(
                f"model: found {quote(model)} after {quote(self._model)}, expected the requests of "
                "one model, which share its cache"
            )
        self._model = model if self._model is None else self._model

    def _prompt(self, asked: Line, answer: Line, choice: Line) -> list[int]:
        for part in (asked, answer, choice):
            if part.get("prompt_token_ids") is not None:
                _refuse_media(asked.get("messages"))
                return token_ids(part["prompt_token_ids"], "prompt_token_ids")
        prompt = asked.get("prompt")
        if prompt is None and "messages" in asked:
            raise UnreadError(f"messages: {CHAT}")
        if not isinstance(prompt, str):
            return token_ids(prompt, "prompt")
        special = asked.get("add_special_tokens", True)
        if type(special) is not bool:
            raise UnreadError(f"add_special_tokens: found {quote(special)}, expected true or false")
        return self._read(prompt, "prompt", special=special)

    def _output(self, found: Line, choice: Line) -> list[int]:
        """An answer's tokens; what only a chat's message has is left out: parsers changed it."""
        for part in (choice, found):
            if part.get("token_ids") is not None:
                return token_ids(part["token_ids"], "token_ids")
        told = {"text": choice.get("text")} | {key: found.get(key) for key in ANSWERS}
        for key, text in told.items():
            if isinstance(text, list):
                return token_ids(text, key)
            if isinstance(text, str):
                end = [] if choice.get("finish_reason") == "length" else [END]
                return self._read(text, key, special=False) + end
        return []

    def _read(self, text: str, key: str, *, special: bool) -> list[int]:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UnreadError(f"{key}: found half of a character, expected text") from None
        return self._tokenizing.ids(text, special=special)


def _answer(found: Line) -> Line:
    """The answer of a server, within the line or the line itself."""
    inner = found.get("response")
    while isinstance(inner, dict):
        found, inner = inner, inner.get("body")
    return found


def _choice(answer: Line) -> Line:
    choices = answer.get("choices") or answer.get("outputs")
    match choices:
        case None | [] | {}:
            return {}
        case [dict(only)]:
            return only
    raise UnreadError(f"choices: found {quote(choices)}, expected one answer")


def _refuse_media(messages: Any) -> None:
    """Refuse pictures and the like: their blocks are told by them, too, not by tokens alone."""
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            kind = part.get("type") if isinstance(part, dict) else "text"
            if kind not in ("text", "refusal"):
                raise UnreadError(f"messages: found {quote(kind)}, expected texts alone")


def _time(*parts: Line) -> int:
    for part in parts:
        for key, unit in TIMES.items():
            value = part.get(key)
            if isinstance(value, str):
                return _date(value, key)
            if value is not None:
                return start(value, key, unit)
    return 0


def _date(text: str, key: str) -> int:
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        date = None
    if date is None or date.year < 1970:
        raise UnreadError(f"{key}: found {quote(text)}, expected seconds or a date since 1970")
    zoned = date if date.tzinfo else date.replace(tzinfo=UTC)
    since = zoned - datetime(1970, 1, 1, tzinfo=UTC)
    return max(0, (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds)


def _parted(runs: list[Run], length: int) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """The runs of so many tokens, and those after them."""
    before: list[Run] = []
    for place, (first, count) in enumerate(runs):
        if count > length:
            cut = [(first, length)] if length else []
            return (*before, *cut), ((first + length, count - length), *runs[place + 1 :])
        before.append((first, count))
        length -= count
    return tuple(before), ()

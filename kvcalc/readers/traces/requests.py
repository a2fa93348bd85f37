"""Requests with their tokens, for a prefix cache: from files with a line of JSON per request.

Tokens are known by what they share: ids of blocks that stand for all tokens up to them (Mooncake,
Bailian), runs of token ids that count up, or a server's requests, in token ids or texts.
"""

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import sub
from pathlib import Path
from typing import IO

from kvcalc.engines.chains import Run
from kvcalc.engines.replay import Request
from kvcalc.errors import SourceError, quote
from kvcalc.readers.tokens import Tokenizing
from kvcalc.readers.traces.formats import FORMATS
from kvcalc.readers.traces.line import MAX_ID, Line, UnreadError, start, token_runs, whole
from kvcalc.readers.traces.served import Served, is_served
from kvcalc.readers.traces.table import paths

MAX_LINE = 8 * 2**20
"""The most characters of a line: a million token ids one by one."""

MAX_LISTS = 2**19
"""The most lists and objects in a line, as each takes many times the memory of its text."""


def requests(files: Iterable[str | Path], tokenizing: Tokenizing) -> Iterator[Request]:
    """Read the requests of files in their order; an answer that is only counted is like no other.

    Raises:
        SourceError: a file cannot be read, or a line is no request; the sentence names the line.
        KvcalcError: a text cannot be read by the model's tokenizer.
    """
    reader = _Reader(tokenizing)
    for path in paths(files):
        for number, line in enumerate(_lines(path), 1):
            if not line.strip():
                continue
            try:
                yield reader.read(line)
            except UnreadError as error:
                raise SourceError.of(path, f"line {number:,}: {error}") from None


def _lines(path: Path) -> Iterator[str]:
    try:
        with _opened(path) as file:
            while line := file.readline(MAX_LINE):
                if not line.endswith("\n") and len(line) == MAX_LINE:
                    raise SourceError.of(path, f"found a line of over {MAX_LINE:,} characters")
                yield line
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise SourceError.of(path, f"cannot be read ({quote(str(error))})") from None


def _opened(path: Path) -> IO[str]:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


class _Reader:
    """Reads the lines of a trace, which are all of one form: others would share by chance alone."""

    def __init__(self, tokenizing: Tokenizing) -> None:
        self._served = Served(tokenizing)
        self._form: str | None = None
        self._new = 0

    def read(self, line: str) -> Request:
        """Read a line.

        Raises:
            UnreadError: it is no request, or of another form than those before.
        """
        found = _object(line)
        form = next((name for name, fits in FORMS.items() if fits(found)), None)
        if form is None:
            raise UnreadError(
                f"found the keys {quote(list(found)[:20], 200)}, expected {' or '.join(WANTED)}"
            )
        self._form = self._form or form
        if form != self._form:
            raise UnreadError(f"found {form}, expected {self._form}, as in the lines before")
        if form == SERVED:
            return self._served.read(found)
        if form == RUNS:
            return _of_runs(found)
        request = _of_blocks(found, self._new)
        self._new += request.prompt_tokens + request.output_tokens
        return request


def _object(line: str) -> Line:
    if (lists := line.count("[") + line.count("{")) > MAX_LISTS:
        raise UnreadError(f"found {lists:,} lists and objects, expected at most {MAX_LISTS:,}")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise UnreadError(f"found {quote(line.strip())}, expected a JSON object") from None
    if not isinstance(found, dict):
        raise UnreadError(f"found {quote(found)}, expected a JSON object")
    return found


def _of_blocks(found: Line, new: int) -> Request:
    """Mooncake's and Bailian's lines: ids of the prompt's blocks, and counts of tokens."""
    form = FORMATS["Bailian" if "chat_id" in found else "Mooncake"]
    block = form.block_tokens
    prompt = whole(found, "input_length", least=1)
    output = whole(found, "output_length")
    ids = found["hash_ids"]
    if not isinstance(ids, list) or not {*map(type, ids)} <= {int}:
        raise UnreadError(f"hash_ids: found {quote(ids)}, expected a list of whole numbers")
    if len(ids) not in (prompt // block, -(-prompt // block)):
        raise UnreadError(
            f"hash_ids: found {len(ids):,} ids, expected {-(-prompt // block):,}, blocks of "
            f"{block} of {prompt:,} tokens"
        )
    if ids and not 0 <= min(ids) <= max(ids) <= MAX_ID // block:
        raise UnreadError(f"hash_ids: found an id outside 0 to {MAX_ID // block:,}")
    runs = [(first * block, length * block) for first, length in _counting_up(ids)]
    rest = prompt - block * len(ids)
    if rest < 0:
        runs[-1] = runs[-1][0], runs[-1][1] + rest
    elif rest:  # tokens after the last whole block, which nothing names
        runs.append(_unlike(new, rest))
    came = start(found["timestamp"], "timestamp", form.unit or "s")
    answer = (_unlike(new + prompt, output),) if output else ()
    return Request(came, tuple(runs), answer)


def _counting_up(ids: Sequence[int]) -> Iterator[Run]:
    """Runs of ids, each one more than the one before."""
    at = 0
    for first, alike in groupby(map(sub, ids, range(len(ids)))):
        length = len(list(alike))
        yield first + at, length
        at += length


def _unlike(new: int, length: int) -> Run:
    """Tokens that no file has: ids below 0, further down than those of what was read before."""
    return -new - length, length


def _of_runs(found: Line) -> Request:
    """Lines of `t` in milliseconds, prompt and output in runs of token ids, or ids one by one."""
    prompt, output = (tuple(token_runs(found[key], key)) for key in ("prompt", "output"))
    if not prompt:
        raise UnreadError("prompt: found no tokens")
    return Request(start(found["t"], "t", "ms"), prompt, output)


BLOCKS = {"hash_ids", "input_length", "output_length", "timestamp"}
RUNS, SERVED = "runs of tokens", "tokens or texts of a server's requests"
FORMS: Mapping[str, Callable[[Line], bool]] = {
    "ids of blocks of 16 tokens": lambda found: found.keys() >= {*BLOCKS, "chat_id"},
    "ids of blocks of 512 tokens": lambda found: found.keys() >= BLOCKS,
    RUNS: lambda found: (
        found.keys() >= {"t", "prompt", "output"} and not isinstance(found["prompt"], str)
    ),
    SERVED: is_served,
}
"""The forms of a line by the keys that it has."""

WANTED = (
    "hash_ids, input_length, output_length, timestamp",
    "t, prompt, output",
    "prompt_token_ids",
    "prompt",
)

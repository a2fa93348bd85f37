"""Requests with their tokens, for a prefix cache: from files with a line of JSON per request.

Tokens are known by what they share: ids of blocks that stand for all tokens up to them (Mooncake,
Bailian), runs of token ids that count up, or token ids one by one.
"""

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import sub
from pathlib import Path
from typing import IO, Any

from kvcalc.engines.chains import Run, merged
from kvcalc.engines.replay import Request
from kvcalc.errors import SourceError, quote
from kvcalc.readers.traces.formats import FORMATS, UNITS_US
from kvcalc.readers.traces.rows import MAX_TOKENS
from kvcalc.readers.traces.table import paths

MAX_LINE = 8 * 2**20
"""The most characters of a line: a million token ids one by one."""

MAX_LISTS = 2**19
"""The most lists and objects in a line, as each takes many times the memory of its text."""

MAX_ID = 2**62
"""The largest token id, or id of a block."""

MAX_START = 2**62
"""The latest start, in microseconds."""


class _UnreadError(Exception):
    """What a line has instead of a request."""


def requests(files: Iterable[str | Path]) -> Iterator[Request]:
    """Read the requests of files in their order; what an answer holds is like no other's.

    Raises:
        SourceError: a file cannot be read, or a line is no request; the sentence names the line.
    """
    new = 0
    for path in paths(files):
        for number, line in enumerate(_lines(path), 1):
            if not line.strip():
                continue
            try:
                request = _request(line, new)
            except _UnreadError as error:
                raise SourceError.of(path, f"line {number:,}: {error}") from None
            new += request.prompt_tokens + request.output_tokens
            yield request


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


def _request(line: str, new: int) -> Request:
    if (lists := line.count("[") + line.count("{")) > MAX_LISTS:
        raise _UnreadError(f"found {lists:,} lists and objects, expected at most {MAX_LISTS:,}")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise _UnreadError(f"found {quote(line.strip())}, expected a JSON object") from None
    if not isinstance(found, dict):
        raise _UnreadError(f"found {quote(found)}, expected a JSON object")
    for keys, read in FORMS.items():
        if found.keys() >= set(keys):
            return read(found, new)
    wanted = " or ".join(", ".join(keys) for keys in FORMS)
    raise _UnreadError(f"found the keys {quote(list(found)[:20], 200)}, expected {wanted}")


def _of_blocks(found: Mapping[str, Any], new: int) -> Request:
    """Mooncake's and Bailian's lines: ids of the prompt's blocks, and counts of tokens."""
    form = FORMATS["Bailian" if "chat_id" in found else "Mooncake"]
    block = form.block_tokens
    prompt = _whole(found, "input_length", least=1)
    output = _whole(found, "output_length")
    ids = found["hash_ids"]
    if not isinstance(ids, list) or not {*map(type, ids)} <= {int}:
        raise _UnreadError(f"hash_ids: found {quote(ids)}, expected a list of whole numbers")
    if len(ids) not in (prompt // block, -(-prompt // block)):
        raise _UnreadError(
            f"hash_ids: found {len(ids):,} ids, expected {-(-prompt // block):,}, blocks of "
            f"{block} of {prompt:,} tokens"
        )
    if ids and not 0 <= min(ids) <= max(ids) <= MAX_ID // block:
        raise _UnreadError(f"hash_ids: found an id outside 0 to {MAX_ID // block:,}")
    runs = [(first * block, length * block) for first, length in _counting_up(ids)]
    rest = prompt - block * len(ids)
    if rest < 0:
        runs[-1] = runs[-1][0], runs[-1][1] + rest
    elif rest:  # tokens after the last whole block, which nothing names
        runs.append(_unlike(new, rest))
    start = _start(found["timestamp"], "timestamp", form.unit or "s")
    answer = (_unlike(new + prompt, output),) if output else ()
    return Request(start, tuple(runs), answer)


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


def _of_runs(found: Mapping[str, Any], new: int) -> Request:
    """Lines of `t` in milliseconds, prompt and output in runs of token ids, or ids one by one."""
    prompt, output = (tuple(_runs(found, key)) for key in ("prompt", "output"))
    if not prompt:
        raise _UnreadError("prompt: found no tokens")
    return Request(_start(found["t"], "t", "ms"), prompt, output)


def _of_ids(found: Mapping[str, Any], new: int) -> Request:
    """Lines of token ids, by vLLM's names; without times all come at once."""
    prompt = tuple(_runs(found, "prompt_token_ids"))
    output = tuple(_runs({"token_ids": (), **found}, "token_ids"))
    if not prompt:
        raise _UnreadError("prompt_token_ids: found no tokens")
    start = _start(found["timestamp"], "timestamp", "s") if "timestamp" in found else 0
    return Request(start, prompt, output)


def _runs(found: Mapping[str, Any], key: str) -> list[Run]:
    listed = found[key]
    if not isinstance(listed, list | tuple):
        raise _UnreadError(f"{key}: found {quote(listed)}, expected a list of tokens")
    runs = [(one, 1) if type(one) is int else _run(one, key) for one in listed]
    if any(not 0 <= first <= MAX_ID for first, _ in runs):
        raise _UnreadError(f"{key}: found a token id outside 0 to {MAX_ID:,}")
    if sum(count for _, count in runs) > MAX_TOKENS:
        raise _UnreadError(f"{key}: found more than {MAX_TOKENS:,} tokens")
    return merged(runs)


def _run(one: Any, key: str) -> Run:
    match one:
        case [int(first), int(count)] if type(first) is type(count) is int and count >= 0:
            return first, count
    raise _UnreadError(
        f"{key}: found {quote(one)}, expected a token id, or [first token id, how many]"
    )


def _whole(found: Mapping[str, Any], key: str, least: int = 0) -> int:
    value = found[key]
    if type(value) is not int or not least <= value <= MAX_TOKENS:
        raise _UnreadError(
            f"{key}: found {quote(value)}, expected a count of {least} to {MAX_TOKENS:,}"
        )
    return value


def _start(value: Any, key: str, unit: str) -> int:
    if type(value) not in (int, float) or not 0 <= value * UNITS_US[unit] <= MAX_START:
        raise _UnreadError(f"{key}: found {quote(value)}, expected a time in {unit}")
    return int(value * UNITS_US[unit])


FORMS: Mapping[tuple[str, ...], Callable[[Mapping[str, Any], int], Request]] = {
    ("hash_ids", "input_length", "output_length", "timestamp"): _of_blocks,
    ("t", "prompt", "output"): _of_runs,
    ("prompt_token_ids",): _of_ids,
}
"""The forms of a line by the keys that it has."""

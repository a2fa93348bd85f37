"""Calls in Python that start an engine, as the words of command lines; nothing is run.

vLLM 0.33.0, entrypoints/llm.py and engine/arg_utils.py; SGLang 0.5.23, srt/entrypoints/engine.py
and srt/server_args.py: the arguments of each are those of its command line, with underscores.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator
from typing import Any

PROGRAMS = {
    "LLM": ("vllm", "bench", "latency"),
    "AsyncEngineArgs": ("vllm.entrypoints.api_server",),
    "EngineArgs": ("vllm.entrypoints.api_server",),
    "sgl.Engine": ("sglang.launch_server",),
    "sglang.Engine": ("sglang.launch_server",),
    "ServerArgs": ("sglang.launch_server",),
}
"""By the name of a call, words that start the same engine in the same way."""

CALL = re.compile(rf"(?<![\w.])(?<!class )(?:vllm\.)?({'|'.join(map(re.escape, PROGRAMS))})\(")

MOST_ENDS = 100
"""How many closing brackets of a text are tried as the end of a call, of all calls together."""

MOST_CHARACTERS = 20_000
"""The longest call."""


def calls(text: str) -> Iterator[list[str]]:
    """Write each call in a text that starts an engine as words, but none inside another."""
    tries = iter(range(MOST_ENDS))
    end = 0
    for match in CALL.finditer(text):
        if match.start() >= end and (found := _call(text, match.start(), tries)) is not None:
            call, end = found
            program = PROGRAMS[match[1]]
            yield [*program, *_arguments(call, says_no=program[0].startswith("vllm"))]


def _call(text: str, start: int, tries: Iterator[int]) -> tuple[ast.Call, int] | None:
    """Parse the call that begins at a place, to the first bracket that makes it whole; its end."""
    end = start
    for _ in tries:
        end = text.find(")", end, start + MOST_CHARACTERS) + 1
        if not end:
            return None
        try:
            with warnings.catch_warnings(action="ignore"):  # of a backslash in a path
                parsed = ast.parse(text[start:end], mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        return (parsed, end) if isinstance(parsed, ast.Call) else None
    return None


def _arguments(call: ast.Call, *, says_no: bool) -> Iterator[str]:
    """Write a call's arguments; one that is false is said where flags may begin with --no."""
    for value in call.args[:1]:
        yield from ("--model", _text(_value(value)))
    for keyword in call.keywords:
        value = _value(keyword.value)
        if keyword.arg is None:
            yield "$kwargs"
        elif value is True:
            yield _flag(keyword.arg)
        elif value is False and says_no:
            yield f"--no-{_flag(keyword.arg)[2:]}"
        elif value is not False and value is not None:
            yield from (_flag(keyword.arg), _text(value))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _value(node: ast.AST) -> Any:
    """What an expression says by itself; a variable stands for what the text does not say."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return "$" + (node.id if isinstance(node, ast.Name) else "value")
    return "..." if value is ... else value


def _text(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)

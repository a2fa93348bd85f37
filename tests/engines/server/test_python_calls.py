"""Calls in Python that start an engine, read as the lines that start the same."""

import ast
from unittest.mock import patch

import pytest

from kvcalc.engines.server.python_calls import MOST_ENDS, PROGRAMS, calls
from kvcalc.engines.server.reader import read
from kvcalc.errors import KvcalcError
from tests.each import each


@each(
    ("text", "engine", "model", "settings", "notes"),
    [
        (
            'llm = LLM(model="org/m", tensor_parallel_size=2, kv_cache_dtype="fp8",\n'
            "    enable_prefix_caching=False, enforce_eager=True, seed=None)",
            "vllm",
            "org/m",
            {
                "usage_context": "LLM_CLASS",
                "tensor_parallel_size": "2",
                "kv_cache_dtype": "fp8",
                "enable_prefix_caching": False,
                "enforce_eager": True,
            },
            [],
        ),
        (
            "from vllm import LLM; LLM('org/m', speculative_config={'method': 'mtp'})",
            "vllm",
            "org/m",
            {"usage_context": "LLM_CLASS", "speculative_method": "mtp"},
            [],
        ),
        (
            "vllm.LLM(model=args.model, tensor_parallel_size=ranks, **more)",
            "vllm",
            None,
            {"usage_context": "LLM_CLASS"},
            [
                "--tensor-parallel-size: '$ranks' stands for a value, and is not taken",
                "'$kwargs': what it stands for is not read, and may be flags",
            ],
        ),
        (
            "class LLM(Base): pass\nargs = EngineArgs('org/m'); LLM(**f(LLM('x')))",
            "vllm",
            "org/m",
            {"usage_context": "API_SERVER"},
            ["the text starts 2 servers; the first is read"],
        ),
        ("llm = LLM(...)", "vllm", None, {"usage_context": "LLM_CLASS"}, []),
        (
            "AsyncEngineArgs(model='(org)/m')",
            "vllm",
            "(org)/m",
            {"usage_context": "API_SERVER"},
            [],
        ),
        (r"EngineArgs('C:\models\m')", "vllm", r"C:\models\m", {"usage_context": "API_SERVER"}, []),
        (
            "engine = sgl.Engine(model_path='org/m', tp_size=2, disable_radix_cache=False)",
            "sglang",
            "org/m",
            {"tensor_parallel_size": "2"},
            [],
        ),
        (
            "server_args=ServerArgs(model_path='org/m', page_size=64, disable_radix_cache=True)",
            "sglang",
            "org/m",
            {"page_size": "64", "disable_radix_cache": True},
            [],
        ),
    ],
)
def test_a_call_is_read_as_its_line(
    text: str, engine: str, model: str | None, settings: dict[str, object], notes: list[str]
) -> None:
    found, asked = read(text)
    assert (found, asked.model, asked.settings) == (engine, model, settings)
    assert asked.notes == notes


@each("call", PROGRAMS)
def test_each_call_starts_its_engine(call: str) -> None:
    assert read(f"x = {call}()")[0] == PROGRAMS[call][0].split(".")[0]


@each(
    "text",
    ["LLM(model='m'", "MyLLM('m')", "x.LLM('m')", "LLM(" * 9_000 + ")" * 9_000, "Engine('m')"],
)
def test_what_is_no_whole_call_starts_nothing(text: str) -> None:
    assert list(calls(text)) == []
    with pytest.raises(KvcalcError):
        read(text)


def test_few_ends_of_calls_are_tried() -> None:
    with patch.object(ast, "parse", side_effect=SyntaxError) as parse:
        assert list(calls("LLM((a), (b), " * MOST_ENDS)) == []
    assert parse.call_count == MOST_ENDS

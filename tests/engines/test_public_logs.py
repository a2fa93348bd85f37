"""Logs that users posted in public, by engine, and what is said of their lines.

Each figure is the engine's own, as posted; what names a person, a path or a host is left out.
"""

from itertools import product

import pytest

from kvcalc.errors import RequestError
from tests.each import each
from tests.engines.log_lines import checked, load
from tests.engines.public_logs import llama_cpp, sglang, tensorrt_llm, vllm
from tests.engines.public_logs.report import Report

ENGINES = (llama_cpp, vllm, sglang, tensorrt_llm)


@each(("name", "report"), [row for engine in ENGINES for row in engine.REPORTS.items()])
def test_what_is_said_of_a_posted_log(name: str, report: Report) -> None:
    model = load(report.model) if isinstance(report.model, str) else report.model
    rows = checked(report.lines.splitlines(), model, report.settings)
    assert {(row.line, row.figure): row.verdict for row in rows} == report.verdicts, rows
    assert report.why in " ".join(row.why for row in rows), rows


@each("setting", ["kv_cache_dtype", "block_size"])
def test_a_setting_that_the_user_gives_wrong_is_refused(setting: str) -> None:
    with pytest.raises(RequestError, match="q4_fork"):
        checked(
            vllm.DRAFTED.format("ngram").splitlines(), load("qwen3.5-27b"), {setting: "q4_fork"}
        )


@each(
    ("free", "flags"),
    [
        ("67.24/79.25", "0.84"),
        ("67.38/79.25", "0.85"),
        ("67.37/79.25", "0.84"),
        ("0.79/79.25", None),
    ],
)
def test_the_largest_share_that_is_free_is_named(free: str, flags: str | None) -> None:
    """.85 of 79.255 GiB, which 79.25 may be, are 67.367: 67.37 may be 67.365, and 67.38 is more."""
    (row,) = checked([vllm.NOT_FREE.format(free, "0.9, 71.33")])
    named = [] if flags is None else [f"--gpu-memory-utilization {flags}"]
    assert [remedy.flags for remedy in row.remedies] == named


@each(("setting", "value"), product(["hicache_ratio", "hicache_size"], ["twice", "1e3", "9" * 10]))
def test_what_sizes_a_copy_is_a_number(setting: str, value: str) -> None:
    expected = f"{setting}: found '{value}', expected a number of up to 9 digits"
    with pytest.raises(RequestError, match=expected):
        checked([sglang.OF_A_CACHE.format("40.00")], load("llama-3.1-8b"), {setting: value})

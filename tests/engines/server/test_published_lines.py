"""Command lines as the vLLM project publishes them: each is read, and no memory flag is lost."""

import json
import re
from pathlib import Path

import pytest

from kvcalc.engines.server.reader import read
from kvcalc.errors import KvcalcError
from tests.each import each

CASES = json.loads((Path(__file__).parents[2] / "oracles" / "command_lines.json").read_text())
LINES: list[str] = [line for case in CASES["cases"] for line in case["lines"]]

REFUSED = {
    '--entrypoint "/bin/bash"': "found 'bash', expected one of vllm",
    "--entrypoint bash": "found 'bash', expected one of vllm",
    "--hf-overrides '{\"num_nextn_predict_layers\": 1}'": "may change what the model caches",
}
"""What starts no engine, or changes the model's own file, and why it is refused."""

MEMORY = {
    r"(?:-tp|--tensor[-_]parallel[-_]size)": "tensor_parallel_size",
    r"(?:-pp|--pipeline-parallel-size)": "pipeline_parallel_size",
    r"(?:-dp|--data-parallel-size)": "data_parallel_size",
    r"(?:-dcp|--decode-context-parallel-size)": "decode_context_parallel_size",
    "--max-model-len": "context",
    "--max-num-seqs": "sequences",
    "--max-num-batched-tokens": "max_num_batched_tokens",
    "--block-size": "block_size",
    "--kv-cache-dtype": "kv_cache_dtype",
    "--attention-backend": "attention_backend",
    r"--attention[-_]config\.backend": "attention_backend",
    r"--attention[-_]config\.indexer_kv_dtype": "indexer_kv_dtype",
    "--kv-transfer-config": "kv_connector",
    "--mamba-ssm-cache-dtype": "mamba_ssm_cache_dtype",
    r"--speculative[-_]config(?:\.method)?": "speculative_method",
    "--gpu-memory-utilization": "share",
}
"""Flags that decide how much is held, as they are spelled, and what each gives."""


def refusal(line: str) -> str | None:
    return next((why for part, why in REFUSED.items() if part in line), None)


def test_nearly_all_lines_are_read() -> None:
    refused = [line for line in LINES if refusal(line)]
    assert (len(LINES), len(refused)) == (347, 3)


@each("line", LINES, ids=lambda line: line[:60])
def test_a_line_is_read_with_all_its_memory_flags_or_refused_by_name(line: str) -> None:
    if (why := refusal(line)) is not None:
        with pytest.raises(KvcalcError, match=why):
            read(line)
        return
    engine, asked = read(line)
    assert engine == "vllm"
    given = {**asked.settings, **{name: getattr(asked, name) for name in ("context", "share")}}
    given["sequences"] = asked.sequences
    said = " ".join(asked.notes)
    for flag, name in MEMORY.items():
        for found in re.findall(rf"(?:^|\s)({flag})[ =]+(\S+)", line):
            spelled, value = found
            if value.strip("'\"") == "auto" or f"{spelled}: " in said:
                continue
            assert given.get(name) is not None, (spelled, value)
            if name not in ("kv_connector", "speculative_method"):
                assert str(given[name]) == value.strip("'\""), spelled


@each("line", [line for line in LINES if "vllm/vllm-openai:v" in line])
def test_an_images_tag_is_the_release(line: str) -> None:
    tag = re.search(r"vllm/vllm-openai:v([0-9.]+)", line)
    assert tag is not None
    assert read(line)[1].settings["release"] == tag[1]

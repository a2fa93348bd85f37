"""Names as they are typed first: in any case, by other names, and with the nearest if unknown."""

from pathlib import Path

import pytest

from tests.conftest import Cli

MODEL = "llama-3.1-8b"


@pytest.mark.parametrize(
    ("typed", "exact"),
    [
        ("-e vLLM -d FP8", "-e vllm -d fp8"),
        ("-e VLLM@0.25.1", "-e vllm@0.25.1"),
        ("-e LlamaCpp -d Q8_0", "-e llama.cpp -d q8_0"),
        ("-e hf", "-e transformers"),
        ("-e EXL3", "-e exllamav3"),
        ("-e sglang -d BF16", "-e sglang -d bf16"),
        (
            "-e vllm --set Attention_Backend=flashinfer --set performance-mode=Balanced",
            "-e vllm --set attention_backend=FLASHINFER --set performance_mode=balanced",
        ),
        ("-f CSV", "-f csv"),
    ],
)
def test_case_and_other_names_do_not_matter(cli: Cli, typed: str, exact: str) -> None:
    asked = ("estimate", MODEL, "-c", "8K")
    outcome = cli(*asked, *typed.split())
    assert outcome.code == 0
    assert outcome == cli(*asked, *exact.split())


def test_languages_and_dialects_are_found_alike(cli: Cli) -> None:
    typed = cli("formula", MODEL, "--as", "SQL", "--dialect", "DuckDB")
    assert typed == cli("formula", MODEL, "--as", "sql", "--dialect", "duckdb")


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("estimate llama-3.1-8b -e vlm", "engine 'vlm' is unknown; did you mean vllm"),
        ("estimate llama-3.1-8b -d fb8", "element type 'fb8' is unknown; did you mean fp8"),
        ("estimate llama-3.1-8b -e llama.cpp -d q8_1", "did you mean q8_0"),
        ("estimate llama-3.1-8b -f jsno", "-f: the format 'jsno' is unknown; did you mean json"),
        ("estimate llama-3.1-8b -e vllm --set blok_size=8", "did you mean block_size"),
        ("compare llama-3.1-8b --set blok_size=8", "did you mean block_size"),
        ("formula llama-3.1-8b --as exel", "target 'exel' is unknown; did you mean excel"),
        ("formula llama-3.1-8b --as sql --dialect duckbd", "did you mean duckdb"),
        ("fit llama-3.1-8b --gpu h101", "GPU 'h101' is unknown; did you mean h100"),
        ("fit llama-3.1-8b --gpu h100 --weights-dtype mxfp5", "did you mean mxfp4"),
        ("estimate llama-3.1-8b --ctx 8K", "No such option: --ctx; did you mean --context"),
        ("sweep llama-3.1-8b --seq-len 8K", "No such option: --seq-len; did you mean --context"),
        ("estimate llama-3.1-8b --batch=8", "--batch; did you mean --sequences"),
        ("compare llama-3.1-8b --users 8", "--users; did you mean --sequences"),
        ("explain llama-3.1-8b --concurrency 8", "--concurrency; did you mean --sequences"),
        ("estimate llama-3.1-8b --bits 4", "--bits; did you mean --kv-cache-dtype"),
        ("fit llama-3.1-8b --vram 24GB", "--vram; did you mean --gpu, --gpu-memory"),
        ("estimate llama-3.1-8b --quant fp8", "--quant; did you mean --kv-cache-dtype"),
        ("fit llama-3.1-8b --quant fp8", "did you mean --kv-cache-dtype, --weights-dtype"),
        (
            "estimate llama-3.1-8b --gpu H100-80GB",
            "--gpu: found beside -e ideal, whose bytes are the same on every GPU, expected one of "
            "vllm, sglang; what fits on a GPU is answered by kvcalc fit",
        ),
    ],
)
def test_a_slip_is_answered_with_the_nearest_name(cli: Cli, typed: str, near: str) -> None:
    outcome = cli(*typed.split())
    assert (outcome.code, outcome.out) == (2, "")
    assert near in outcome.err


def test_a_plans_headers_are_read_in_any_case(cli: Cli, tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text("Model,CONTEXT,KV-cache dtype,Engine\nllama-3.1-8b,8K,FP8,vLLM\n")
    outcome = cli("fill", str(plan))
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[1].split(",")[4:6] == ["536870912", "536870912"]

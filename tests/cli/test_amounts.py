"""Amounts as they are typed first: read, with one note where they can be read two ways."""

from pathlib import Path

import pytest

from tests.conftest import Cli

ESTIMATE = ("estimate", "llama-3.1-8b", "-f", "csv")


@pytest.mark.parametrize(
    ("typed", "exact", "note"),
    [
        ("-c 128k", "-c 128K", "--context: '128k' is read as 128K (131,072)"),
        ("-c 128,000", "-c 128000", None),
        ("-c 128_000", "-c 128000", None),
        ("-c 8,192", "-c 8192", "--context: 8,192 is read as 8192; to be exact write 8192, or"),
        ("-c 8k -n 1k", "-c 8192 -n 1024", "--sequences: '1k' is read as 1K (1,024)"),
        (
            "-c 8K -e vllm --set max_num_batched_tokens=4k",
            "-c 8K -e vllm --set max_num_batched_tokens=4096",
            "max_num_batched_tokens: '4k' is read as 4K (4,096)",
        ),
        (
            "-c 8K -e vllm --set kv_cache_memory_bytes=20g",
            "-c 8K -e vllm --set kv_cache_memory_bytes=20000000000",
            "kv_cache_memory_bytes: '20g' is read as 20GB (20,000,000,000 bytes)",
        ),
    ],
)
def test_an_amount_is_read_with_one_note(
    cli: Cli, typed: str, exact: str, note: str | None
) -> None:
    plain = cli(*ESTIMATE, *exact.split())
    outcome = cli(*ESTIMATE, *typed.split())
    assert (outcome.code, outcome.out) == (0, plain.out)
    assert outcome.err.count("note: ") == (note is not None)
    assert outcome.err.startswith(f"kvcalc: note: {note}" if note else "")


def test_a_list_of_small_windows_or_sequences_is_no_thousands(cli: Cli) -> None:
    swept = cli("sweep", "k-exaone-236b-a23b", "-c", "8K", "-w", "512,128", "-f", "csv")
    assert swept.out.count("\n") == 3
    assert swept.err == ""


def test_vllm_reads_its_own_line_with_thousands(cli: Cli) -> None:
    line = "vllm serve llama-3.1-8b --max-model-len 128k"
    outcome = cli("estimate", "--from", line, "-f", "csv")
    assert (outcome.out[outcome.out.index(",128000,") :][:8], outcome.err) == (",128000,", "")


def test_a_plans_cells_are_read_alike_with_one_note_for_all(cli: Cli, tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text('model,context\nllama-3.1-8b,32k\nllama-3.1-8b,64k\nllama-3.1-8b,"128,000"\n')
    outcome = cli("fill", str(plan))
    assert outcome.code == 0
    answers = [int(row.split(",")[-3]) for row in outcome.out.splitlines()[1:]]
    assert answers == [131_072 * tokens for tokens in (32_768, 65_536, 128_000)]
    assert outcome.err == (
        "kvcalc: note: context: '32k' is read as 32K (32,768); to be exact write 32K, or 32000\n"
    )


def test_a_bare_letter_of_memory_is_thousands(cli: Cli) -> None:
    asked = ("fit", "llama-3.1-8b", "-c", "8K", "--gpus", "1", "-f", "csv", "--weights")
    given = [cli(*asked, weights, "--gpu-memory", "24GB") for weights in ("16g", "16GB")]
    assert given[0].out == given[1].out
    assert "note: --weights: '16g' is read as 16GB (16,000,000,000 bytes)" in given[0].err

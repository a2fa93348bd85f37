"""`kvcalc diff`: forms, exit codes and refusals, as people see them."""

import json

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.conftest import Cli

EXAONE = "k-exaone-236b-a23b"
GEMMA = "tests/oracles/configs/google--gemma-4-31B.json"
UPGRADE = (EXAONE, "vllm@0.19.0", "vllm@0.33.0", "-c", "128K", "--gpu", "h200", "--gpus", "4")
QUESTIONS = {
    "an upgrade": UPGRADE,
    "vllm 49878": (
        *(GEMMA, "vllm@0.25.1", "vllm@0.26.0", "-c", "262144", "--memory", "49GiB"),
        *("--set", "max_num_batched_tokens=32768"),
    ),
    "two engines": (EXAONE, "vllm", "sglang", "-c", "128K", "-n", "4", "-w", "4096"),
    "two models": (EXAONE, "qwen3-8b", "-e", "vllm@0.25.1", "-c", "32K", "--tp", "4"),
    "a refusal": (EXAONE, "vllm@0.13.0", "vllm@0.14.0", "-c", "32K"),
}


@pytest.mark.parametrize("form", ["table", "csv", "md", "json"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_what_people_see(cli: Cli, snapshot: SnapshotAssertion, question: str, form: str) -> None:
    outcome = cli("diff", *QUESTIONS[question], "-f", form)
    assert (outcome.code, outcome.err) == (1, "")
    assert outcome.out == snapshot


def test_equal_sides_exit_0_and_a_changed_label_is_told(cli: Cli) -> None:
    outcome = cli("diff", "llama-3.1-8b", "vllm@0.20.0", "vllm@0.20.1", "-c", "32K")
    assert (outcome.code, outcome.err) == (0, "")
    assert '0.20.1: "GPU KV cache size" is concurrency times max_model_len (it was: ' in outcome.out
    assert "no byte differs" in outcome.out


def test_json_has_both_sides_and_the_causes(cli: Cli) -> None:
    found = json.loads(cli("diff", *UPGRADE, "--json").out)
    assert (found["old"]["engine_version"], found["new"]["engine_version"]) == ("0.19.0", "0.33.0")
    assert [cause["rule"] for cause in found["causes"]] == [
        *("batches_in_flight", "memory_share", "v2_runner", "sampling", "graphs", "label"),
        *("graphs", "sampling", "cublas_is_charged"),
    ]


LINE = f"vllm serve {EXAONE} -tp 8 --max-model-len 8192 --gpu-memory-utilization 0.8"
IMAGE = f"docker run vllm/vllm-openai:v0.25.1 --model {EXAONE} -tp 8 --max-model-len 8192"
ON_H200 = ("--gpu", "h200", "--gpus", "8")


@pytest.mark.parametrize(
    ("typed", "exact"),
    [
        (
            ("--from", LINE, "vllm@0.20.0", "vllm", *ON_H200),
            (
                *(EXAONE, "vllm@0.20.0", "vllm", "-c", "8K", "--tp", "8", *ON_H200),
                *("--set", "gpu_memory_utilization=0.8"),
            ),
        ),
        (("--from", IMAGE, "vllm"), (EXAONE, "vllm@0.25.1", "vllm", "-c", "8K", "--tp", "8")),
        (
            ("--from", LINE, "qwen3-8b", "-e", "vllm"),
            (EXAONE, "qwen3-8b", "-e", "vllm", "-c", "8K", "--tp", "8"),
        ),
        (
            (EXAONE, "vllm@0.25.1", "vllm", *ON_H200, "--gpu-memory-utilization", "0.8"),
            (EXAONE, "vllm@0.25.1", "vllm", *ON_H200, "--set", "gpu_memory_utilization=0.8"),
        ),
    ],
)
def test_a_line_gives_what_is_left_out(
    cli: Cli, typed: tuple[str, ...], exact: tuple[str, ...]
) -> None:
    outcome, expected = cli("diff", *typed, "--json"), cli("diff", *exact, "--json")
    assert expected.code in (0, 1)
    assert (outcome.code, outcome.out) == (expected.code, expected.out)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((EXAONE,), "diff: found 1 word, expected MODEL OLD NEW, or MODEL MODEL -e ENGINE"),
        ((EXAONE, "vllm"), "found 2 words, expected MODEL OLD NEW"),
        (("--from", "vllm serve MODEL", "vllm"), "MODEL: missing; the --from line names none"),
        ((EXAONE, "vllm", "sglang", "-e", "mlx"), "found 3 words and -e mlx, expected MODEL"),
        ((EXAONE, "vlm", "vllm"), "engine 'vlm' is unknown"),
        ((EXAONE, "vllm@x", "vllm"), "release: found 'x', expected a version, as 0.25.1"),
        ((EXAONE, "vllm", "vllm", "--gpus", "4"), "gpus: found without a gpu"),
        ((EXAONE, "vllm", "vllm", "--memory", "49"), "--memory: found '49', expected a size"),
        ((EXAONE, "vllm", "vllm", "--set", "context=3"), "found context, expected a setting"),
    ],
)
def test_bad_input(cli: Cli, words: tuple[str, ...], sentence: str) -> None:
    outcome = cli("diff", *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err

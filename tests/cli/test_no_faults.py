"""Inputs that once ended in a fault of kvcalc, exit 70: each is an answer or a sentence."""

import io
import json
import os
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

import kvcalc
from tests.cli.test_hostile_names import AZURE, CONFIG, TRACE
from tests.conftest import Cli

LOGS = {
    "0 tokens per request": "# GPU blocks: 5\nMaximum concurrency for 0 tokens per request: 3.5x\n",
    "0 tokens per block": 'vllm:cache_config_info{block_size="0",num_gpu_blocks="5"} 1.0\n',
    "0 blocks": "# GPU blocks: 0, # CPU blocks: 0\nGPU KV cache size: 0 tokens\n",
    "a share of none": "sglang:max_total_num_tokens 0\nsglang:token_usage nan\n",
    "no memory before the weights": (
        "Load weight begin. avail mem=0.00 GB\n"
        "Load weight end. type=A, avail mem=0.00 GB, mem usage=0.00 GB.\n"
        "leave no GPU memory for the KV cache under --mem-fraction-static=0.9; available/pre = 1.0"
    ),
    "a buffer of no sequences": (
        "llama_context: n_seq_max = 0\nllama_context: n_ctx = 4096\n"
        "failed to allocate CUDA0 buffer of size 536870912\n"
        "llama_memory_breakdown_print: | memory breakdown [MiB] | total   free     self\n"
        "llama_memory_breakdown_print: |   - CUDA0 (A) | 9 =  1 + (9 = 9 +    512 +     1) + 5 |"
    ),
    "digits": f"GPU KV cache size: {'9' * 4_301} tokens\nAvailable KV cache memory: 1 GiB\n",
    "exponents": "Available KV cache memory: 1e999999999 GiB\nGPU KV cache size: 1 tokens\n",
}


@pytest.mark.parametrize("name", LOGS)
def test_a_log_is_checked_or_refused(name: str) -> None:
    for model in (None, kvcalc.load("llama-3.1-8b")):
        with suppress(kvcalc.KvcalcError):
            assert kvcalc.check(io.BytesIO(LOGS[name].encode()), model)


NUMBERS = ("1e999999999", "-1e999999999", "1e-999999999", "9" * 4_301, "nan", "inf", "\u0661", "1_")
QUESTIONS: tuple[tuple[str, ...], ...] = (
    ("estimate", "llama-3.1-8b", "-c"),
    ("estimate", "llama-3.1-8b", "-c", "8K", "-n"),
    ("sweep", "llama-3.1-8b", "-w"),
    ("fit", "llama-3.1-8b", "--gpu", "h200", "--weights"),
    ("fit", "llama-3.1-8b", "--gpu", "h200", "--reserve"),
    ("fit", "llama-3.1-8b", "--gpu", "h200", "--set", "gpu_memory_utilization"),
    ("trace", "llama-3.1-8b", "a.csv", *TRACE, "--since"),
    ("trace", "llama-3.1-8b", "a.csv", "--decode-rate", "30", "--prefill-rate"),
    ("replay", "llama-3.1-8b", "a.csv", "--blocks"),
)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda words: f"{words[0]} {words[-1]}")
def test_no_number_is_too_large_to_refuse(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, question: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(AZURE)
    for number in NUMBERS:
        words = [*question, number] if question[-1][:1] == "-" else []
        outcome = cli(*(words or [*question[:-1], f"{question[-1]}={number}"]))
        assert outcome.code == 2, (number, outcome)
        assert outcome.err.startswith("kvcalc: ")
        assert len(outcome.err) < 1_000


@pytest.mark.parametrize(
    "key", ["hidden_size", "layer_types", "num_key_value_heads", "torch_dtype"]
)
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_values_however_deep_are_a_sentence(tmp_path: Path, key: str, brackets: str) -> None:
    """Those that Python reads and cannot write again, which is hundreds deep in its stack."""
    left, right, path = brackets[0], brackets[1], tmp_path / "config.json"
    left += '"a":' if left == "{" else ""
    for deep in range(700, 1_000, 20):
        value = f"{left * deep}{'1' if right == '}' else ''}{right * deep}"
        path.write_text(f"{json.dumps(CONFIG | {key: 0})[:-1]}, {json.dumps(key)}: {value}}}")
        with pytest.raises(kvcalc.KvcalcError):
            kvcalc.cost(kvcalc.load(str(path)), "vllm")(8_192)


@pytest.mark.skipif(os.name == "nt", reason="every name is Unicode there")
@pytest.mark.parametrize(
    "words",
    [
        ("sheet", "-o", "a.xlsx"),
        ("sheet", "--csv", "sheets"),
        ("fit", "--gpu", "h200,b200", "-c", "8K", "-o", "a.xlsx"),
        *(("show", "-o", f"a.{form}") for form in ("csv", "html", "json", "md", "toml")),
    ],
    ids=" ".join,
)
def test_a_name_that_is_not_utf_8_stands_in_every_file(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(b"a\xff\xfe")
    Path(name).mkdir()
    Path(name, "config.json").write_text(json.dumps(CONFIG))
    assert cli(words[0], name, *words[1:]).code == 0
    for path in (*tmp_path.glob("a.*"), *tmp_path.glob("sheets/*")):
        if path.suffix != ".xlsx":
            path.read_text(encoding="utf-8")


def test_a_workbook_whose_directory_is_damaged_is_a_sentence(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    whole = path.read_bytes()
    directory = whole.index(b"PK\x01\x02")
    for place in range(directory, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        outcome = cli("fill", str(path))
        assert (outcome.code, outcome.err.count("\n")) == (2, 1), (place, outcome)

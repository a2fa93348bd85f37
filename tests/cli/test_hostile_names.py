"""A name that would move a terminal's cursor, turn its text around or begin a line: on every way.

Files, folders, columns, models, options and their values have it, and nothing prints it as it is.
"""

import json
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.readers.test_tokens import WORDS

NAME = "a\x1b[31m\nb\u202ec\x07d\r\x85e\u2028"

CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_size": 32,
    "vocab_size": 100,
    "intermediate_size": 64,
    "max_position_embeddings": 100_000,
    "torch_dtype": "bfloat16",
}
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.97,2,3\n"
FILES = {
    f"{NAME}/config.json": json.dumps(CONFIG),
    f"{NAME}/tokenizer.json": WORDS,
    f"{NAME}.csv": AZURE,
    f"{NAME}.other.csv": f'"{NAME}",b\n1,2\n',
    f"{NAME}.plan.csv": f'model,context\n"{NAME}",8K\n',
    f"{NAME}.log": f"GPU KV cache size: 918,519 tokens, model={NAME}\n",
    f"{NAME}.yaml": "a: [",
    f"{NAME}.toml": "a = [",
    f"{NAME}.gguf": "GGUF----",
    f"{NAME}.sh": f"vllm serve '{NAME}' --max-model-len 8192 --{NAME} x\n",
    f"{NAME}.txt": "one two",
}
LLAMA = "llama-3.1-8b"
FIT = ("fit", NAME, "--gpu", "h200", "-c", "8K")
TRACE = ("--prefill-rate", "5000", "--decode-rate", "30")

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("estimate", NAME, "-c", "8K"),
    ("estimate", NAME, "-c", "8K", "-f", "csv"),
    ("estimate", NAME, "-c", f"@{NAME}.txt"),
    ("estimate", NAME, "-c", NAME),
    ("estimate", NAME, "-c", "8K", "-e", NAME),
    ("estimate", NAME, "-c", "8K", "-d", NAME),
    ("estimate", NAME, "-c", "8K", "-f", NAME),
    ("estimate", NAME, "-c", "8K", "-e", "vllm", "--set", f"{NAME}=1"),
    ("estimate", NAME, "-c", "8K", "-e", "vllm", "--set", f"block_size={NAME}"),
    ("estimate", NAME, "-c", "8K", "-o", f"{NAME}.log"),
    ("estimate", NAME, "-c", "8K", "-o", f"{NAME}.{NAME}"),
    ("estimate", NAME, "-c", "8K", "-o", f"{NAME}/{NAME}/a.txt"),
    ("estimate", NAME, f"--{NAME}"),
    *(("estimate", f"{NAME}{ending}") for ending in (".toml", ".gguf", ".no.gguf", ".yaml")),
    ("estimate", "--from", f"@{NAME}.sh"),
    ("estimate", "--from", f"{NAME}.yaml"),
    (
        "estimate",
        "--from",
        f"vllm serve {LLAMA} --served-model-name '{NAME}' --block-size '{NAME}'",
    ),
    ("show", NAME),
    ("show", NAME, "-f", "md"),
    ("sweep", NAME),
    ("compare", NAME, "-c", "8K"),
    ("explain", NAME, "-c", "8K", "-e", "vllm"),
    ("formula", NAME, "--as", NAME),
    ("formula", NAME, "--as", "sql", "--name", f"context={NAME}"),
    ("diff", NAME, LLAMA, "-e", "vllm", "-c", "8K"),
    *((*FIT, "-e", engine) for engine in ("vllm", "sglang", "llama.cpp")),
    (*FIT, "-e", "vllm", "--weights", NAME),
    ("fit", NAME, "--gpu", NAME),
    ("trace", NAME, f"{NAME}.csv", *TRACE),
    ("trace", LLAMA, f"{NAME}.other.csv", *TRACE),
    ("trace", LLAMA, f"{NAME}.csv", *TRACE, "--column", f"start={NAME}"),
    ("trace", LLAMA, f"{NAME}.csv", *TRACE, "--timeline", f"{NAME}.log"),
    ("replay", LLAMA, f"{NAME}.csv"),
    ("fill", f"{NAME}.plan.csv", "--strict", "-o", "a.csv"),
    ("fill", f"{NAME}.no.csv"),
    ("check", f"{NAME}.log"),
    ("check", f"{NAME}.log", NAME),
    ("check", NAME),
    *((command, NAME) for command in ("gpus", "engines", "models", "schema")),
    (NAME,),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / NAME).mkdir()
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, newline="")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_no_name_is_printed_as_it_is(cli: Cli) -> None:
    for command in COMMANDS:
        outcome = cli(*command)
        assert outcome.code in (0, 1, 2), (command, outcome)
        for text in (outcome.out.replace("\r\n", "\n"), outcome.err):
            assert all(map(str.isprintable, text.split("\n"))), (command, text)
            assert "\nb\\u202e" not in text, (command, text)

"""`--from` with a file: a script, a compose file, a Kubernetes manifest."""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from kvcalc.engines.server.reader import read as read_line
from kvcalc.errors import KvcalcError
from kvcalc.readers.line_files import names_a_file, read
from tests.conftest import Cli
from tests.each import each

COMPOSE = """
services:
  web: {image: nginx}
  llm:
    image: vllm/vllm-openai:v0.25.1
    environment: [VLLM_KV_CACHE_LAYOUT=HND]
    command: >
      --model m --max-model-len ${LEN:-8192}
      --speculative-config '{"method": "mtp", "num_speculative_tokens": 2}'
"""
LISTED = """
services:
  llm:
    image: me/x
    entrypoint: ["vllm", "serve"]
    environment: {VLLM_KV_CACHE_LAYOUT: HND, HF_TOKEN: null}
    command: ["m", "--max-model-len=8192", --speculative-config.method, mtp,
      --speculative-config, '{"method": "mtp", "num_speculative_tokens": 2}']
"""
DEPLOYMENT = """
kind: Service
---
kind: Deployment
spec:
  template:
    spec:
      containers:
      - name: llm
        image: vllm/vllm-openai:v0.25.1
        command: ["/bin/sh", "-c"]
        args:
        - |
          export LEN=8192
          exec vllm serve m --max-model-len $LEN \\
            --speculative-config '{"method":"mtp","num_speculative_tokens":2}'
        env:
        - {name: VLLM_KV_CACHE_LAYOUT, value: HND}
        - {name: HF_TOKEN, valueFrom: {secretKeyRef: {name: a, key: b}}}
"""


@pytest.mark.parametrize(
    ("content", "release"), [(COMPOSE, "0.25.1"), (LISTED, None), (DEPLOYMENT, "0.25.1")]
)
def test_a_container_is_read_as_its_docker_run(
    tmp_path: Path, content: str, release: str | None
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(content)
    engine, asked = read_line(read(str(file)))
    assert (engine, asked.model, asked.context) == ("vllm", "m", 8192)
    assert asked.settings == {
        "kv_cache_layout": "HND",
        "speculative_method": "mtp",
        **({"release": release} if release else {}),
        **({"num_speculative_tokens": 2} if content is not LISTED else {}),
    }


CONTINUED = r"""-c 8192 \
      -np 2 \
      -ctk q8_0
"""


@each(
    "content",
    [
        f"services:\n  a:\n    image: me/llama\n    command: |\n      llama-server {CONTINUED}",
        f"models:\n  a:\n    cmd: |\n      llama-server {CONTINUED}",
    ],
)
def test_lines_of_a_command_go_on_behind_a_backslash(content: str) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "a.yaml"
        file.write_text(content)
        _, asked = read_line(read(str(file)))
    assert (asked.context, asked.sequences) == (4096, 2)
    assert asked.settings == {"cache_type_k": "q8_0"}
    assert not any("ignored" in note for note in asked.notes)


def test_a_script_is_read_as_it_stands(tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "start"
    file.write_text("#!/bin/sh\nset -e\nMODEL=qwen3-8b\nvllm serve $MODEL \\\n  -tp 2\n")
    answer = json.loads(cli("estimate", "--from", f"@{file}", "-c", "8K", "--json").out)
    assert (answer["model"], answer["settings"]) == ("Qwen3-8B", {"tensor_parallel_size": 2})


@each(
    ("text", "file"),
    [
        ("a.yaml", True),
        ("b/compose.yml", True),
        ("start.sh", True),
        ("@any", True),
        ("vllm serve m --config a.yaml", False),
        ("vllm", False),
    ],
)
def test_a_file_is_told_by_its_name(text: str, file: bool) -> None:
    assert names_a_file(text) == file


ALIASES = f"a: &a [{', '.join('x' * 200)}]\nb: &b [{', '.join(['*a'] * 200)}]\n"
"""A list of 200 lists of 200, the lists by an alias."""


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a:\n  [", "not YAML from line 2 on"),
        ("a: 1", "found no container with an image or a command"),
        ("x" * (2**18 + 1), "found more than 262,144 bytes"),
        ("a: " * 500 + "[" * 2000, "not YAML"),
        ("\x01", "not YAML"),
        ("a: &a [*a]", "not YAML"),
        (f"{ALIASES}c: *b\n", "found 80,607 keys and values, expected at most 50,000"),
        (ALIASES, "found no container with an image or a command"),
    ],
)
def test_a_file_without_a_container_is_one_sentence(
    tmp_path: Path, content: str, sentence: str
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(content)
    with pytest.raises(KvcalcError) as caught:
        read(str(file))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_sentence() -> None:
    with pytest.raises(KvcalcError, match=r"'none\.yaml': No such file or directory"):
        read("none.yaml")


def test_without_the_extra_yaml_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    file = tmp_path / "a.yaml"
    file.write_text(COMPOSE)
    with pytest.raises(KvcalcError, match=r"reading YAML needs the extra kvcalc\[yaml\]"):
        read(str(file))


def test_the_release_of_e_wins_over_the_images(tmp_path: Path, cli: Cli) -> None:
    line = "docker run vllm/vllm-openai:v0.25.1 qwen3-8b --max-model-len 8192"
    assert "vllm 0.25.1" in cli("estimate", "--from", line).out
    assert "vllm 0.20.0" in cli("estimate", "--from", line, "-e", "vllm@0.20.0").out


@each(
    ("engine", "content", "settings"),
    [
        (
            "vllm",
            "model: org/m\nport: 6379\ntensor-parallel-size: 4\nkv-cache-dtype: fp8\n"
            "enable-prefix-caching: false\nspeculative-config: {method: mtp, "
            "num_speculative_tokens: 2}\nallowed-origins: []\n",
            {
                "tensor_parallel_size": "4",
                "kv_cache_dtype": "fp8",
                "enable_prefix_caching": False,
                "speculative_method": "mtp",
                "num_speculative_tokens": 2,
            },
        ),
        (
            "sglang",
            "model-path: org/m\ntp-size: 2\ndisable-radix-cache: true\npage-size: 64\n",
            {"tensor_parallel_size": "2", "disable_radix_cache": True, "page_size": "64"},
        ),
    ],
)
def test_a_servers_own_settings_are_its_arguments(
    engine: str, content: str, settings: dict[str, object]
) -> None:
    """The files that vLLM and SGLang take by --config."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "serve.yaml"
        file.write_text(content)
        found, asked = read_line(read(str(file)), engine)
    assert (found, asked.model, asked.notes) == (engine, "org/m", [])
    assert asked.settings == settings


SWAPPED = """
macros:
  "latest-llama": >
    /opt/llama-server --port ${PORT}
  "ctx": 4096
  "common": "--ctx-size ${ctx}"
models:
  first:
    macros: {"ctx": 16384, "slots": 2}
    cmd: |
      ${latest-llama}
      # a comment of --ctx-size 1
      --model /m/gpt-oss-20b.gguf --ctx-size ${ctx} -np ${slots}
    env: ["LLAMA_ARG_CACHE_TYPE_K=q8_0"]
    ttl: 60
  second:
    cmd: ${latest-llama} -m /m/qwen3-8b.gguf ${common} -np 1
"""


def test_models_of_llama_swap_are_lines_with_macros_and_variables(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(SWAPPED)
    first, second = read(str(path)).splitlines()
    name, asked = read_line(first)
    assert (name, asked.model, asked.context) == ("llama.cpp", "/m/gpt-oss-20b.gguf", 8192)
    assert (asked.sequences, asked.settings) == (2, {"cache_type_k": "q8_0"})
    _, asked = read_line(second)  # a macro that was written before a model's own has the common one
    assert (asked.model, asked.context, asked.sequences) == ("/m/qwen3-8b.gguf", 4096, 1)
    _, asked = read_line(f"{first}\n{second}")
    assert "the text starts 2 servers; the first is read" in asked.notes


def test_macros_that_double_a_text_again_and_again_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    doubled = "".join(f"  m{n + 1}: ${{m{n}}}${{m{n}}}\n" for n in range(40))
    path.write_text(f"macros:\n  m0: {'x' * 99}\n{doubled}models:\n  a: {{cmd: '${{m40}}'}}\n")
    with pytest.raises(KvcalcError, match=r"found a text of [0-9,]+ characters with its macros"):
        read(str(path))

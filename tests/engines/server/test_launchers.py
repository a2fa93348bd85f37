"""What people paste before and around a server's own words."""

import shlex
from typing import Any

import pytest

from kvcalc.engines.server.reader import read
from kvcalc.errors import KvcalcError
from tests.each import each
from tests.shapes import full, model

ARGS = "m --max-model-len 8192"
MICRO_BATCH_1024 = {"batch_size": 1024, "ubatch_size": 1024}


@each(
    "line",
    [
        f"nohup vllm serve {ARGS} > log 2>&1 &",
        f"sudo -u me env -u A B=1 vllm serve {ARGS}",
        f"exec vllm serve {ARGS}",
        f"time nice -n 5 vllm serve {ARGS}",
        f"timeout 60s vllm serve {ARGS}",
        f"taskset -c 0-3 vllm serve {ARGS}",
        f"numactl --cpunodebind=0 -m 0 vllm serve {ARGS}",
        f"uv run --with vllm --python 3.12 vllm serve {ARGS}",
        f"uvx vllm serve {ARGS}",
        f"conda run -n x vllm serve {ARGS}",
        f"poetry run python -m vllm.entrypoints.openai.api_server --model {ARGS}",
        f"python -m vllm.entrypoints.api_server --model {ARGS}",
        f"bash -lc 'vllm serve {ARGS}'",
        f"cd /x && pip install vllm; vllm serve {ARGS}",
        f"# start it\nexport X=1\nvllm serve {ARGS}",
        f"$ vllm serve {ARGS}",
        f"/opt/bin/vllm serve {ARGS}",
        f"vllm bench throughput --model {ARGS}",
        f"python -m dynamo.vllm --model {ARGS}",
        f"docker run --gpus all -itd -p 8000:8000 -v a:b vllm/vllm-openai {ARGS}",
        f"docker run -e A=b --rm vllm/vllm-openai:latest --model {ARGS}",
        f"podman run --device nvidia.com/gpu=all -p8000:8000 vllm/vllm-openai:nightly {ARGS}",
        f"docker run --entrypoint python me/x -m vllm.entrypoints.openai.api_server --model {ARGS}",
        f"docker run me/x:1 vllm serve {ARGS}",
        f"docker run me/x:1 bash -c 'vllm serve {ARGS}'",
        f"docker exec -it name vllm serve {ARGS}",
        f'docker run --entrypoint="" "$IMAGE" vllm serve {ARGS}',
        "MODEL=m; LEN=$((8 * 1024)); vllm serve $MODEL --max-model-len ${LEN}",
        "vllm serve m --max-model 8192",
        "vllm serve m --max_model_len=8K",
    ],
)
def test_what_stands_around_the_program_is_taken_off(line: str) -> None:
    engine, asked = read(line)
    assert (engine, asked.model, asked.context) == ("vllm", "m", 8192)
    assert asked.notes == []


@each(
    ("line", "engine", "model", "settings"),
    [
        (
            "docker run lmsysorg/sglang python3 -m sglang.launch_server --model-path m --tp 2",
            "sglang",
            "m",
            {"tensor_parallel_size": "2"},
        ),
        ("python -m dynamo.sglang --model-path m", "sglang", "m", {}),
        (
            "docker run ghcr.io/ggml-org/llama.cpp:server-cuda -m m.gguf -np 1 -c 8192",
            "llama.cpp",
            "m.gguf",
            {},
        ),
        ("docker run x/llama.cpp:full --server -m m.gguf -np 1 -c 1", "llama.cpp", "m.gguf", {}),
        ("llama-cli -m m.gguf -c 8192 -fa", "llama.cpp", "m.gguf", {"flash_attn": "on"}),
        ("llama serve -m m.gguf -np 1 -c 1", "llama.cpp", "m.gguf", {}),
        ("mlx_lm.chat --model m", "mlx", "m", {}),
        ("python -m mlx_lm server --model m", "mlx", "m", {}),
        (
            "vllm serve m --speculative-config.method mtp "
            "--speculative_config.num_speculative_tokens=3 --attention_config.indexer_kv_dtype fp8",
            "vllm",
            "m",
            {
                "speculative_method": "mtp",
                "num_speculative_tokens": 3,
                "indexer_kv_dtype": "fp8",
            },
        ),
        ("vllm serve m --tensor_parallel 4", "vllm", "m", {"tensor_parallel_size": "4"}),
        (
            "vllm serve m --max-num-batched-token 16384 -O3 --disable-prefix-caching",
            "vllm",
            "m",
            {"max_num_batched_tokens": "16384", "enable_prefix_caching": False},
        ),
        (
            "docker run -e VLLM_KV_CACHE_LAYOUT=HND vllm/vllm-openai:v0.25.1-cu130 m",
            "vllm",
            "m",
            {"kv_cache_layout": "HND", "release": "0.25.1"},
        ),
        (
            "docker run rocm/vllm:rocm6.4_vllm_0.25.1 vllm serve m",
            "vllm",
            "m",
            {"release": "0.25.1"},
        ),
        ("docker run vllm/vllm-openai:v0.26.0rc1 m", "vllm", "m", {"release": "0.26.0"}),
    ],
)
def test_programs_images_and_flags_as_they_are_spelled(
    line: str, engine: str, model: str, settings: dict[str, Any]
) -> None:
    name, asked = read(line)
    assert (name, asked.model) == (engine, model)
    assert asked.settings == settings


@each(
    ("line", "note"),
    [
        ("docker run vllm/vllm-openai:gemma4 m", "the image's tag 'gemma4' names no release"),
        ("docker run vllm/vllm-openai-cpu:latest m", "runs on CPUs: the figures are those of"),
        (
            "docker run --env-file x vllm/vllm-openai m",
            "--env-file: what stands in 'x' is not read",
        ),
        ("vllm serve m --max-model-len <n>", "--max-model-len: '<n>' stands for a value"),
        ("vllm serve m -tp $TP", "-tp: '$TP' stands for a value"),
        ("vllm serve m & vllm serve n", "the text starts 2 servers; the first is read"),
        ("vllm serve m --attention_config.other 1", "know them: '--attention-config.other'"),
        ("vllm serve m --other.key 1", "know them: '--other'"),
    ],
)
def test_what_is_not_followed_is_said(line: str, note: str) -> None:
    _, asked = read(line)
    assert asked.model == "m"
    assert any(note in one for one in asked.notes)


@each(
    ("release", "notes"),
    [("0.32.2", []), ("0.30.0", ["the image's mlx is '0.30.0'; the figures are 0.32.2's"])],
)
def test_a_release_that_is_not_ours_is_said_where_an_engine_has_one_alone(
    release: str, notes: list[str]
) -> None:
    assert read("mlx_lm.generate --model m", release=release)[1].notes == notes


@each("model", ["<MODEL>", "$MODEL", "${MODEL}", "...", "MODEL"])
def test_a_placeholder_is_no_model(model: str) -> None:
    assert read(f"vllm serve {model} -tp 2")[1].model is None
    assert read(f"vllm serve --model {model} -tp 2")[1].model is None


@each(
    ("file", "model"),
    [
        ("$HOME/models/m.gguf", "$HOME/models/m.gguf"),
        ("${MODELS}/m.gguf", "${MODELS}/m.gguf"),
        ("$HOME/$NAME.gguf", None),
        ("$HOME/$NAME/m.gguf", None),
        ("$HOME/models/", None),
        ("$M.gguf", None),
    ],
)
def test_a_file_whose_name_is_said_is_a_model_in_whatever_folder(
    file: str, model: str | None
) -> None:
    assert read(f'llama-server -m "{file}" -c 4096')[1].model == model


@each(
    ("line", "sentence"),
    [
        ("docker run nginx", "found 'nginx', expected one of vllm"),
        ("docker run", "found '', expected one of vllm"),
        ("vllm bench serve --model m", "found 'vllm bench serve', which starts no server"),
        ("ollama pull m", "found 'ollama pull m', which starts no server"),
        ("ollama", "found 'ollama', which starts no server; ollama serve, ollama run do"),
        ("--model m", "found arguments alone ('--model' ...), expected a program, or -e"),
        (
            "trtllm-serve m",
            "which runs tensorrt-llm: not measured, so no number; kvcalc check reads",
        ),
        (
            "koboldcpp --model m.gguf",
            "expected no --from, but -e llama.cpp with --set for each setting",
        ),
        ("python koboldcpp.py m.gguf", "found 'koboldcpp.py', which runs llama.cpp"),
        ("python3 -m llama_cpp.server --model m", "found 'llama_cpp.server', which runs llama.cpp"),
        ("./llamafile -m m.gguf", "found 'llamafile', which runs llama.cpp"),
        ("llama-bench -m m -p 512", "found 'llama-bench', which runs llama.cpp"),
        ("llama-batched-bench -m m", "found 'llama-batched-bench', which runs llama.cpp"),
        ("lmdeploy chat m", "which starts no server; lmdeploy serve api_server does"),
        ("mistral-rs m", "main.py, start.py, start.sh, start.bat, llama, mlx_lm, ollama"),
    ],
)
def test_what_starts_no_engine_is_named(line: str, sentence: str) -> None:
    with pytest.raises(KvcalcError) as caught:
        read(line)
    assert sentence in str(caught.value)


@each("deep", range(5))
def test_a_shell_in_a_shell_is_read_three_deep(deep: int) -> None:
    line = "vllm serve m"
    for _ in range(deep):
        line = f"bash -c {shlex.quote(line)}"
    if deep <= 3:
        assert read(line)[1].model == "m"
        return
    with pytest.raises(KvcalcError, match="found 'bash', expected one of"):
        read(line)


@each(
    "words",
    [
        *("--enable-prefix-caching m", "--trust-remote-code m", "--swap-space 4 m"),
        # Of a flag that is not known one word is taken for its value.
        *("--not-known 4 m", "--not-known=4 m", "m --not-known 4 5", "m --not-known"),
        *("--served-model-name a b -tp 2 m", "m --served-model-name a b"),
    ],
)
def test_the_model_is_the_first_word_that_is_no_flags_value(words: str) -> None:
    assert read(f"vllm serve {words}")[1].model == "m"


@each("sequences", ["", "-np -1", "-np 0", "-np 1"])
def test_programs_of_one_sequence_run_one(sequences: str) -> None:
    assert read(f"llama-cli -m m.gguf -c 8192 {sequences}")[1].sequences == 1


def test_fewer_sequences_than_none_are_refused() -> None:
    with pytest.raises(KvcalcError, match="-np: found -2, expected at least 1 slot"):
        read("llama-cli -m m.gguf -c 8192 -np -2")


def test_arguments_alone_are_those_of_an_engine_that_is_given() -> None:
    assert read("--model m -tp 2", "vllm")[1].settings == {"tensor_parallel_size": "2"}
    assert read("docker run me/x --model m -tp 2", "vllm")[1].model == "m"


@each(
    ("line", "context", "sequences", "settings", "note"),
    [
        (
            "OLLAMA_CONTEXT_LENGTH=8192 OLLAMA_NUM_PARALLEL=2 OLLAMA_KV_CACHE_TYPE=q8_0 "
            "ollama serve",
            8192,
            2,
            {"kv_cache_dtype": "q8_0", **MICRO_BATCH_1024},
            "-c 16,384 counts all slots, so each of 2 gets 8,192 tokens",
        ),
        (
            "ollama run hf.co/o/m-GGUF:Q4_0",
            4096,
            1,
            {},
            "without OLLAMA_CONTEXT_LENGTH it takes 4,096",
        ),
        (
            "OLLAMA_FLASH_ATTENTION=0 OLLAMA_KV_CACHE_TYPE=q8_0 OLLAMA_CONTEXT_LENGTH=1 "
            "ollama serve",
            1,
            1,
            {"flash_attn": False, "kv_cache_dtype": "q8_0"},
            "before 0.30 it kept f16 without flash attention",
        ),
        (  # what Go cannot read as false is true
            "OLLAMA_FLASH_ATTENTION=no OLLAMA_KV_CACHE_TYPE=Q8_0 OLLAMA_CONTEXT_LENGTH=1 "
            "LLAMA_ARG_CACHE_TYPE_K=q4_0 ollama serve",
            1,
            1,
            {"kv_cache_dtype": "q8_0"},
            "main memory holds on top",
        ),
        (
            "docker run -e OLLAMA_NUM_PARALLEL=3 ollama/ollama:0.12.3",
            4096,
            3,
            MICRO_BATCH_1024,
            "without OLLAMA",
        ),
        (
            "OLLAMA_CONTEXT_LENGTH=32768 ollama serve",
            32_768,
            1,
            MICRO_BATCH_1024,
            "for 32,768 tokens of all requests it takes a micro-batch of 1,024, less where",
        ),
        (
            "OLLAMA_FLASH_ATTENTION=0 OLLAMA_CONTEXT_LENGTH=65536 ollama serve",
            65_536,
            1,
            {"flash_attn": False},
            "512 tokens on CUDA, 256 where 8 GiB or less are free there, and 2,048 on other GPUs",
        ),
        (
            "OLLAMA_CONTEXT_LENGTH=32769 LLAMA_ARG_SWA_FULL=1 LLAMA_ARG_UBATCH=64 ollama serve",
            32_769,
            1,
            {"batch_size": 2048, "ubatch_size": 2048, "swa_full": "1"},
            "LLAMA_ARG_UBATCH: Ollama gives llama-server the flag of it, which wins",
        ),
        ("OLLAMA_OTHER=1 OLLAMA_CONTEXT_LENGTH=1 ollama serve", 1, 1, {}, "'OLLAMA_OTHER'"),
        ("LLAMA_ARG_OTHER=1 OLLAMA_CONTEXT_LENGTH=1 ollama serve", 1, 1, {}, "'LLAMA_ARG_OTHER'"),
    ],
)
def test_ollama_by_its_variables(
    line: str, context: int, sequences: int, settings: dict[str, Any], note: str
) -> None:
    name, asked = read(line)
    assert (name, asked.context, asked.sequences) == ("llama.cpp", context, sequences)
    assert asked.settings == settings
    assert any(note in one for one in asked.notes)


@each(
    ("words", "model"),
    [("", None), ("serve", None), ("run hf.co/o/m-GGUF", "o/m-GGUF")],
)
def test_ollamas_image_takes_its_words(words: str, model: str | None) -> None:
    """Dockerfile of Ollama: ENTRYPOINT /bin/ollama, CMD serve."""
    _, asked = read(f"docker run -d ollama/ollama:latest {words}")
    assert asked.model == model
    assert not any("say no shape" in note for note in asked.notes)
    with pytest.raises(KvcalcError, match="'ollama pull m', which starts no server"):
        read("docker run ollama/ollama pull m")


@each("off", ["0", "f", "F", "false", "False", "FALSE"])
def test_ollamas_flash_attention_is_off_by_what_go_reads_as_false(off: str) -> None:
    assert read(f"OLLAMA_FLASH_ATTENTION={off} ollama serve")[1].settings == {"flash_attn": False}


@each(
    ("architecture", "alone"),
    [
        *((name, True) for name in ("lfm2", "lfm2moe", "nemotron_h", "nemotron_h_moe")),
        *((name, True) for name in ("qwen35", "qwen35moe", "qwen3next", "qwen3vl", "qwen3vlmoe")),
        *((name, False) for name in ("qwen3", "gemma3", "gpt-oss", "granitehybrid")),
    ],
)
def test_ollama_runs_one_request_of_these(architecture: str, alone: bool) -> None:
    said = read("OLLAMA_NUM_PARALLEL=4 ollama serve")[1].alone
    assert said is not None
    assert said(model(full(), model_type=architecture)) == alone
    assert read("llama-server -m m.gguf -np 4")[1].alone is None


def test_ollamas_names_of_models() -> None:
    assert read("ollama run hf.co/o/m-GGUF:Q4_0")[1].model == "o/m-GGUF:Q4_0"
    _, asked = read("ollama run llama3.2:3b")
    assert asked.model is None
    assert "ollama: its own names say no shape; name the model beside the line" in asked.notes

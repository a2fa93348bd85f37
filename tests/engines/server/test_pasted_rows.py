"""What people paste, row by row: containers, wrappers, programs, variables, bundles and names."""

from dataclasses import replace

import pytest

import kvcalc
from kvcalc.engines.llama_cpp import ignored_flags as llama_flags
from kvcalc.engines.llama_cpp.server import PRESETS
from kvcalc.engines.server.containers import CONTAINERS, ELSEWHERE, ENVIRONMENT, LETTERS, NO_VALUE
from kvcalc.engines.server.launchers import PYTHON_SWITCHES, SHELLS, WRAPPED, WRAPPERS
from kvcalc.engines.server.programs import ALSO, BEGUN
from kvcalc.engines.server.reader import read
from kvcalc.engines.sglang import variables as sglang_variables
from kvcalc.engines.vllm import formats, kernels
from kvcalc.engines.vllm import ignored_flags as vllm_flags
from kvcalc.errors import KvcalcError, UnsupportedError
from kvcalc.readers.line_files import SCRIPTS, names_a_file
from tests.each import each

IMAGE = "vllm/vllm-openai:v0.25.1 --model org/x --max-model-len 8192"
KEXAONE = kvcalc.load("k-exaone-236b-a23b")
DEEPSEEK = kvcalc.load("deepseek-v3")


@each("program", sorted(CONTAINERS))
def test_each_container_program_starts_what_its_image_does(program: str) -> None:
    engine, asked = read(f"{program} run --rm {IMAGE}")
    assert (engine, asked.model, asked.context) == ("vllm", "org/x", 8192)


@each("option", sorted(NO_VALUE))
def test_an_option_of_a_container_without_a_value_takes_no_word(option: str) -> None:
    assert read(f"docker run {option} {IMAGE}")[1].model == "org/x"


@each("letters", [*sorted(LETTERS), "it", "".join(sorted(LETTERS))])
def test_letters_of_a_container_stand_together_and_take_no_word(letters: str) -> None:
    assert read(f"docker run -{letters} {IMAGE}")[1].model == "org/x"


@each("option", ["-p 8000:8000", "-p8000:8000", "--publish=8000:8000", "--publish 1"])
def test_another_option_of_a_container_takes_its_value_with_it(option: str) -> None:
    engine, asked = read(f"docker run {option} {IMAGE}")
    assert (engine, asked.model, asked.context) == ("vllm", "org/x", 8192)


@each("option", ["-e ", "-e", "-e=", "-ite ", "-ite", "--env ", "--env=", "-dP -e ", "-p80:80 -qe"])
def test_a_variable_of_a_container_is_taken_however_it_is_spelled(option: str) -> None:
    _, asked = read(f"docker run {option}VLLM_KV_CACHE_LAYOUT=HND {IMAGE}")
    assert (asked.model, asked.settings["kv_cache_layout"]) == ("org/x", "HND")


@each("switch", ["", *sorted(PYTHON_SWITCHES), "-u -O"])
def test_pythons_own_switches_stand_before_the_module(switch: str) -> None:
    for python in ("python", "python3", "python3.12", "/usr/bin/python3"):
        line = f"{python} {switch} -m vllm.entrypoints.openai.api_server --model org/x"
        assert read(line)[1].model == "org/x"


@each("wrapper", WRAPPERS)
def test_each_wrapper_is_looked_through_with_its_options(wrapper: str) -> None:
    alone = "5" if wrapper == "timeout" else ""
    for option in ["", *WRAPPERS[wrapper].split()]:
        line = f"{wrapper} {option and f'{option} 1'} {alone} vllm serve org/x"
        assert read(line)[1].model == "org/x"


@each("program", sorted(BEGUN))
def test_a_program_of_several_uses_starts_nothing_by_another_word(program: str) -> None:
    for line in (f"{program} x", f"{program} x --model org/x"):
        with pytest.raises(KvcalcError, match=f"found '{program} x.*', which starts no server"):
            read(line)


@each("words", ALSO)
def test_each_program_starts_its_engine(words: str) -> None:
    assert read(f"{words} --model org/x")[0] == ALSO[words].engine


@each(
    ("variable", "line"),
    [
        *((name, "vllm serve org/x") for name in sorted(vllm_flags.HARMLESS_VARIABLES)),
        *((name, "sglang serve org/x") for name in sorted(sglang_variables.HARMLESS_VARIABLES)),
        *(
            (name, "llama-server -m x.gguf -c 8192")
            for name in sorted(llama_flags.HARMLESS_VARIABLES)
        ),
    ],
)
def test_a_variable_that_leaves_the_cache_alone_changes_nothing(variable: str, line: str) -> None:
    asked, plain = read(f"{variable}=1 {line}")[1], read(line)[1]
    assert asked.passed == {variable: "1"}
    assert replace(asked, passed={}) == plain


@each("flag", PRESETS)
def test_a_bundle_of_llama_cpp_names_its_model(flag: str) -> None:
    assert read(f"llama-server {flag}")[1].model == PRESETS[flag]["model"]


@each("name", formats.UNREAD)
def test_a_format_that_is_not_counted_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(UnsupportedError) as refused:
        kvcalc.cost(KEXAONE, engine="vllm", kv_cache_dtype=name)
    assert formats.UNREAD[name] in str(refused.value)


@each("name", kernels.READ)
def test_a_backend_is_known_in_any_case_and_answers_or_says_what_it_lacks(name: str) -> None:
    upper, lower = (
        [_bytes_or_reason(model, spelled) for model in (KEXAONE, DEEPSEEK)]
        for spelled in (name, name.lower())
    )
    assert upper == lower
    assert all(isinstance(one, int) or name in one for one in upper)


def _bytes_or_reason(model: kvcalc.Model, backend: str) -> int | str:
    try:
        return kvcalc.cost(model, engine="vllm", attention_backend=backend)(8192)
    except UnsupportedError as refused:
        return str(refused)


@each("name", sorted(kernels.UNREAD))
def test_a_backend_whose_blocks_are_not_known_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnsupportedError, match=name):
        kvcalc.cost(KEXAONE, engine="vllm", attention_backend=name)


@pytest.mark.parametrize("name", sorted(kernels.KERNELS_ALONE))
def test_a_name_of_kernels_alone_leaves_the_backend_open(name: str) -> None:
    named = kvcalc.cost(KEXAONE, engine="vllm", attention_backend=name)
    assert named(8192) == kvcalc.cost(KEXAONE, engine="vllm")(8192)


@each("shell", sorted(SHELLS))
def test_a_shells_script_is_read(shell: str) -> None:
    assert read(f"{shell} -lc 'vllm serve org/x'")[1].model == "org/x"


@pytest.mark.parametrize("word", sorted(WRAPPED))
def test_a_word_of_a_wrapper_before_the_program_is_looked_over(word: str) -> None:
    assert read(f"uv {word} vllm serve org/x")[1].model == "org/x"


@each(
    ("image", "words", "engine"),
    [
        ("vllm/vllm-omni:latest", "vllm serve org/x", "vllm"),
        ("vllm/vllm-openai:latest", "--model org/x", "vllm"),
        ("ghcr.io/ggml-org/llama.cpp:server-cuda", "-m org/x", "llama.cpp"),
        ("ghcr.io/ggml-org/llama.cpp:light", "-m org/x", "llama.cpp"),
        ("ghcr.io/ggml-org/llama.cpp:full", "llama-server -m org/x", "llama.cpp"),
    ],
)
def test_an_image_says_what_it_starts(image: str, words: str, engine: str) -> None:
    for option in ENVIRONMENT:
        found, asked = read(f"docker run {option} A=b {image} {words}")
        assert (found, asked.model) == (engine, "org/x")


@each(("end", "where"), ELSEWHERE.items())
def test_an_image_for_other_devices_is_said_so(end: str, where: str) -> None:
    _, asked = read(f"docker run vllm/vllm-{end}:v0.25.1 vllm serve org/x")
    assert any(where in note for note in asked.notes)


@each("ending", SCRIPTS)
def test_a_script_is_a_file_of_commands(ending: str) -> None:
    assert names_a_file(f"start{ending}")
    assert not names_a_file(f"vllm serve x{ending}")


def test_ultraquant_leaves_the_layers_at_a_models_ends_unquantised() -> None:
    """28 of Llama's 32 layers take 8 heads of 136 bytes a token, the others 4,096 bytes."""
    cost = kvcalc.cost(kvcalc.load("llama-3.1-8b"), "vllm", kv_cache_dtype="ultraquant_4bit")
    assert cost(8192) == 8192 * (28 * 8 * 136 + 4 * 4_096)


@each(
    ("program", "context"),
    [
        ("vllm serve", None),
        ("vllm run-batch", "OPENAI_BATCH_RUNNER"),
        ("vllm bench latency", "LLM_CLASS"),
        ("vllm bench throughput", "LLM_CLASS"),
        ("python -m vllm.entrypoints.api_server", "API_SERVER"),
        ("python -m vllm.entrypoints.openai.api_server", None),
    ],
)
def test_what_is_no_server_of_openais_is_told(program: str, context: str | None) -> None:
    """vLLM gives each batches of its own (engine/arg_utils.py, get_batch_defaults)."""
    assert read(f"{program} --model org/x")[1].settings.get("usage_context") == context

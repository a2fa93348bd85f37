"""What a line asks for beside the cache is said, flag by flag and variable by variable."""

from typing import Any

import pytest

import kvcalc
from kvcalc.engines.llama_cpp.ignored_flags import SAID_VARIABLES as OF_LLAMA_CPP
from kvcalc.engines.llama_cpp.ollama import OLLAMA
from kvcalc.engines.server.loading import BESIDE_ANOTHER, OTHER_TYPE, Loading
from kvcalc.engines.server.reader import read
from kvcalc.engines.sglang.variables import OWN_VALUES
from kvcalc.engines.sglang.variables import SAID_VARIABLES as OF_SGLANG
from kvcalc.engines.vllm.ignored_flags import SAID_VARIABLES as OF_VLLM
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.weights import weigh
from kvcalc.errors import KvcalcError
from tests.each import each
from tests.engines.test_option_names import server

VLLM = "vllm serve m"
SGLANG = "python -m sglang.launch_server --model-path m"
LINES = {
    "vllm": VLLM,
    "sglang": SGLANG,
    "llama.cpp": "llama-server -m m.gguf -c 4096",
    "lmdeploy": "lmdeploy serve api_server m --backend pytorch",
    "exllamav3": "python main.py --model-name m",
    "mlx": "mlx_lm.server --model m",
}


@each("engine", LINES)
def test_each_flag_that_is_said_is_said(engine: str) -> None:
    ours = server(engine)
    for flag, reason in ours.remarks.items():
        values = " ".join(["{}"] * abs(ours.ignored[flag]))
        assert f"{flag}: {reason}" in read(f"{LINES[engine]} {flag} '{values}'")[1].notes, flag


@each(
    ("line", "variables"),
    [
        (VLLM, OF_VLLM),
        ("sglang serve m", OF_SGLANG),
        ("llama-server -m m.gguf -c 4096", OF_LLAMA_CPP),
        ("ollama serve", OLLAMA.said_variables),
    ],
)
def test_each_variable_that_is_said_is_said(line: str, variables: dict[str, str]) -> None:
    for reason, names in variables.items():
        for name in names.split():
            assert f"{name}: {reason}" in read(f"{name}=1 {line}")[1].notes, name


@each(
    ("variable", "setting"),
    [
        ("LLAMA_ARG_N_CPU_MOE=7", {"n_cpu_moe": "7"}),
        ("LLAMA_ARG_CPU_MOE=1", {"n_cpu_moe": 2**20}),
        ("LLAMA_ARG_OVERRIDE_TENSOR='exps=CPU'", {"override_tensor": "exps=CPU"}),
    ],
)
def test_a_variable_is_the_flag_of_the_same(variable: str, setting: dict[str, str]) -> None:
    asked = read(f"{variable} llama-server -m m.gguf -c 4096")[1]
    assert setting.items() <= asked.settings.items()


@each(
    ("flags", "sequences", "settings"),
    [
        ("--max-num-active-seqs 4", 4, {}),
        ("--max-num-seqs 64 --max-num-active-seqs 4", 4, {"max_num_seqs": 64}),
        *(
            (f"--task {task}", None, {"runner": "pooling"})
            for task in ("embedding", "embed", "classify", "score", "reward")
        ),
        ("--task generate", None, {}),
        (
            """--speculative-config '{"method": "suffix"}'""",
            None,
            {"num_speculative_tokens": 24, "async_scheduling": False},
        ),
        (
            """--speculative-config '{"method": "suffix", "suffix_decoding_max_tree_depth": 8}'""",
            None,
            {"num_speculative_tokens": 8, "async_scheduling": False},
        ),
    ],
)
def test_vllm_runs_so_many_at_once(flags: str, sequences: Any, settings: dict[str, Any]) -> None:
    """v1/core/sched/scheduler.py; config/model.py (TaskOption); config/speculative.py."""
    asked = read(f"{VLLM} {flags}")[1]
    assert (asked.sequences, asked.settings) == (sequences, settings)
    said = "vllm: 4 sequences run at once; fit counts as many as --max-num-seqs"
    assert (said in asked.notes) == (sequences == 4)


def test_no_more_run_at_once_than_there_is_room_for() -> None:
    """config/scheduler.py, verify_max_model_len."""
    assert read(f"{VLLM} --max-num-seqs 4 --max-num-active-seqs 4")[1].sequences == 4
    with pytest.raises(KvcalcError, match="found '64', expected at most --max-num-seqs, 4"):
        read(f"{VLLM} --max-num-seqs 4 --max-num-active-seqs 64")


@each("name", ["LMCacheConnectorV1", "MooncakeStoreConnector", "FlexKVConnectorV1"])
def test_connectors_that_keep_copies_are_said(name: str) -> None:
    table = f'{{"kv_connector": "{name}", "kv_role": "kv_both"}}'
    said = f"{name}: its copies in main memory come on top"
    assert said in read(f"{VLLM} --kv-transfer-config '{table}'")[1].notes


@each(("where", "said"), [("cpu", 1), ("cuda", 0)])
def test_what_nixl_stages_in_main_memory_is_said(where: str, said: int) -> None:
    table = f'{{"kv_connector": "NixlConnector", "kv_buffer_device": "{where}"}}'
    notes = read(f"{VLLM} --kv-transfer-config '{table}'")[1].notes
    assert len([note for note in notes if "copies in main memory" in note]) == said


@each(
    ("line", "loading"),
    [
        *(
            (line, [Loading("--dtype", "float32", OTHER_TYPE)])
            for line in (
                f"{VLLM} --dtype float",
                f"{VLLM} --dtype float32",
                f"{SGLANG} --dtype float32",
            )
        ),
        (f"{SGLANG} --dtype float", [Loading("--dtype", "float", OTHER_TYPE)]),
        # A cache of another type does not tell the rules, so that the weights have to be given.
        *(
            (f"{line} --dtype float32", [Loading("--dtype", "float32", BESIDE_ANOTHER)])
            for line in (f"{VLLM} --kv-cache-dtype fp8", f"{SGLANG} --kv-cache-dtype fp8_e4m3")
        ),
        (f"{VLLM} --dtype half", []),
        (f"{SGLANG} --dtype bfloat16", []),
    ],
)
def test_weights_are_loaded_in_float32_where_the_line_says_so(
    line: str, loading: list[Loading]
) -> None:
    asked = read(line)[1]
    assert asked.loading == loading
    said = "--dtype float32: beside a cache of another type fit counts 16-bit activations"
    assert (said in asked.notes) == any(one.reason == BESIDE_ANOTHER for one in loading)


@each("engine", ["vllm", "sglang"])
def test_a_checkpoint_in_float32_is_run_in_16_bits(engine: str) -> None:
    """vLLM's config/model.py (_resolve_auto_dtype), SGLang's srt/configs/model_config.py."""
    narrow = kvcalc.load("llama-3.1-8b")
    wide = narrow.model_copy(update={"dtype": "float32"})
    assert (
        kvcalc.estimate(wide, engine=engine).bytes == kvcalc.estimate(narrow, engine=engine).bytes
    )


@each(("asked", "times"), [(None, 1), ("fp8", 1), ("float32", 2)])
def test_a_model_that_runs_in_float32_holds_all_in_it(asked: Any, times: int) -> None:
    model = kvcalc.load("llama-3.1-8b")
    wide = model.model_copy(update={"dtype": "float32"})
    plain = weigh(model, VllmSettings())
    assert plain is not None
    for one in (model, wide):
        found = weigh(one, VllmSettings(kv_cache_dtype=asked))
        assert found is not None
        assert found.stages[0]["mlp"] == times * plain.stages[0]["mlp"]


def test_weights_of_another_type_are_counted_or_asked_for() -> None:
    asked = Loading("--dtype", "float32", OTHER_TYPE)
    model = kvcalc.load("llama-3.1-8b")
    unknown = model.model_copy(update={"sizes": None})
    asked.require_counted(model, None, None)
    asked.require_counted(unknown, "20GB", None)
    asked.require_counted(unknown, None, "float32")
    with pytest.raises(KvcalcError, match=r"another element type .* give .* or --weights-dtype"):
        asked.require_counted(unknown, None, None)
    beside = Loading("--dtype", "float32", BESIDE_ANOTHER)
    beside.require_counted(model, None, "float32")
    with pytest.raises(KvcalcError, match=r"beside a cache of another.* or --weights-dtype"):
        beside.require_counted(model, None, None)


def test_drafts_without_layers_are_declined_too() -> None:
    drafts: dict[str, Any] = {"num_speculative_tokens": 4}
    with pytest.raises(KvcalcError, match="a draft takes at the start"):
        kvcalc.fit(
            kvcalc.load("llama-3.1-8b"), engine="vllm", gpu="h200", gpus=1, context=4096, **drafts
        )


@each(
    ("line", "said"),
    [
        ("llama-server -hf org/m-GGUF:Q4_K_M -c 4096", True),
        ("LLAMA_ARG_HF_REPO=org/m-GGUF llama-server -c 4096", True),
        ("llama-server --fim-qwen-7b-default", True),
        *((f"llama-server {flag} -c 4096", False) for flag in ("-m m", "--model m")),
        *((f"llama-server {flag} https://m", False) for flag in ("-mu", "--model-url")),
        *(
            (f"{variable} llama-server -hf org/m-GGUF -c 4096", said)
            for variable, said in (
                ("LLAMA_ARG_MMPROJ_AUTO=0", False),
                ("LLAMA_ARG_MMPROJ_AUTO=on", True),
                ("LLAMA_ARG_MMPROJ=p.gguf", False),
                ("LLAMA_ARG_MMPROJ_URL=https://example.org/p.gguf", False),
            )
        ),
        ("llama-server -m m.gguf -c 4096", False),
        ("LLAMA_ARG_MODEL=m llama-server -c 4096", False),
        ("LLAMA_ARG_MODEL_URL=https://m llama-server -c 4096", False),
        *(
            (f"llama-server -hf org/m-GGUF -c 4096 {flag}", False)
            for flag in (
                *("--no-mmproj", "--no-mmproj-auto", "--mmproj p.gguf", "-mm p.gguf"),
                *("--mmproj-url https://example.org/p.gguf", "-mmu https://example.org/p.gguf"),
            )
        ),
        ("llama-cli -hf org/m-GGUF -c 4096", False),
    ],
)
def test_a_repositorys_own_projector_is_said(line: str, said: bool) -> None:
    """common/arg.cpp, --mmproj-auto: it is loaded where the repository has one."""
    notes = read(line)[1].notes
    assert any(note.startswith("llama-server: if the repository") for note in notes) == said


@each(
    ("line", "said"),
    [
        ("llama-server", True),
        ("LLAMA_ARG_CTX_SIZE=4096 llama-server", True),
        ("LLAMA_ARG_CPU_MOE=0 llama-server", True),
        ("llama-server --cache-ram 0", False),
        ("llama-server --swa-checkpoints 4", False),
        ("LLAMA_ARG_CACHE_RAM=0 llama-server", False),
        ("LLAMA_ARG_CTX_CHECKPOINTS=4 llama-server", False),
    ],
)
def test_what_main_memory_holds_is_said_once(line: str, said: bool) -> None:
    asked = read(f"{line} -m m.gguf")[1]
    assert any("8,192 MiB unless --cache-ram" in note for note in asked.notes) == said
    assert "n_cpu_moe" not in asked.settings


def test_models_that_are_not_loaded_take_nothing() -> None:
    """tools/server/README.md: the other models are loaded when they are asked for, or not."""
    for line in (
        "llama-server -m m.gguf --no-models-autoload",
        "LLAMA_ARG_MODELS_AUTOLOAD=0 llama-server -m m.gguf",
    ):
        notes = read(line)[1].notes
        assert not any("other models" in note or "does not know" in note for note in notes)


@each("variable", OWN_VALUES)
def test_a_variable_with_its_own_value_changes_nothing(variable: str) -> None:
    for value in OWN_VALUES[variable]:
        _, asked = read(f"{variable}={value} sglang serve m")
        assert (asked.settings, asked.notes) == ({}, [])
    with pytest.raises(KvcalcError, match=f"'{variable}' is not known, and may say how much is"):
        read(f"{variable}=other sglang serve m")

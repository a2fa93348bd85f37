"""`--from`: an engine's own command line, split and never run, and `--gpu`."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcalc import engines
from kvcalc.cli.options import EngineOptions, ModelOptions
from kvcalc.cli.server_line import ServerOptions
from kvcalc.engines.server.reader import read
from kvcalc.errors import KvcalcError
from tests.conftest import Cli
from tests.each import each
from tests.texts import CHARACTERS

SERVE = "vllm serve LGAI-EXAONE/K-EXAONE-236B-A23B"


@pytest.mark.parametrize(
    ("line", "engine", "model", "context", "settings"),
    [
        (
            f"{SERVE} --tensor-parallel-size 4 --max-model-len 262144 --kv-cache-dtype fp8",
            "vllm",
            "LGAI-EXAONE/K-EXAONE-236B-A23B",
            262_144,
            {"tensor_parallel_size": "4", "kv_cache_dtype": "fp8"},
        ),
        ("vllm serve --model m -tp=8", "vllm", "m", None, {"tensor_parallel_size": "8"}),
        ("vllm serve m --max_model_len 32k", "vllm", "m", 32_000, {}),
        ("vllm serve m --max-model-len 32K", "vllm", "m", 32_768, {}),
        ("vllm serve m --max-model-len auto", "vllm", "m", None, {}),
        ("vllm serve m --no-enable-chunked-prefill --max-model-len 65536", "vllm", "m", 65_536,
         {"enable_chunked_prefill": False}),
        ("vllm serve m --dtype half", "vllm", "m", None, {"kv_cache_dtype": "float16"}),
        ("vllm serve m --dtype half --kv-cache-dtype fp8", "vllm", "m", None,
         {"kv_cache_dtype": "fp8"}),
        ("/usr/bin/vllm serve m \\\n  --no-async-scheduling", "vllm", "m", None,
         {"async_scheduling": False}),
        ("python3 -m vllm.entrypoints.openai.api_server --model m --host 0.0.0.0", "vllm", "m",
         None, {}),
        *(
            (f"python {switch} -m vllm.entrypoints.openai.api_server --model m", "vllm", "m", None,
             {})
            for switch in ("-B", "-E", "-I", "-O", "-s", "-u", "-I -B")
        ),
        ("VLLM_KV_CACHE_LAYOUT=BLHNC vllm serve m", "vllm", "m", None,
         {"kv_cache_layout": "BLHNC"}),
        ("vllm serve m --max-num-batched-tokens 8k", "vllm", "m", None,
         {"max_num_batched_tokens": 8_000}),
        ("vllm serve m --kv-cache-dtype-skip-layers 0 1 --served-model-name a b", "vllm", "m",
         None, {"kv_cache_dtype_skip_layers": "0,1"}),
        ("vllm serve m --trust-remote-code --no-enable-prefix-caching", "vllm", "m", None,
         {"enable_prefix_caching": False}),
        ("vllm serve m --kv-transfer-config '{\"kv_connector\": \"NixlConnector\"}'", "vllm",
         "m", None, {"kv_connector": "NixlConnector"}),
        ("""vllm serve m --speculative-config '{"method":"mtp","num_speculative_tokens":2}'""",
         "vllm", "m", None, {"speculative_method": "mtp", "num_speculative_tokens": 2}),
    ],
)  # fmt: skip
def test_a_line_says_engine_model_context_and_settings(
    line: str, engine: str, model: str, context: int | None, settings: dict[str, Any]
) -> None:
    name, asked = read(line)
    assert (name, asked.model, asked.context, asked.settings) == (engine, model, context, settings)
    assert asked.notes == []


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("vllm serve org/name --revision v2", "org/name@v2"),
        ("python -m sglang.launch_server --model org/name --revision v2", "org/name@v2"),
        ("lmdeploy serve api_server org/name --revision v2", "org/name@v2"),
        ("vllm serve org/name --revision main", "org/name"),
        ("vllm serve org/name", "org/name"),
        ("vllm serve tests/oracles --revision v2", "tests/oracles"),
        ("vllm serve qwen3-8b --revision v2", "qwen3-8b"),
    ],
)
def test_a_revision_is_the_models(line: str, source: str) -> None:
    wanted = ServerOptions(from_line=line).request(ModelOptions(), EngineOptions())
    assert wanted.model.model == source


def test_unknown_flags_are_named_and_ignored_with_their_value() -> None:
    _, asked = read("vllm serve m --frobnicate 3 --omni -tp 2")
    assert asked.settings == {"tensor_parallel_size": "2"}
    assert asked.notes == ["ignored, for kvcalc does not know them: '--frobnicate', '--omni'"]


@each(
    ("words", "named"),
    [
        ("$MODEL -tp 2", None),
        ("$MODEL $EXTRA_ARGS -tp 2", "'$EXTRA_ARGS'"),
        ('m "${KV_ARGS[@]}" $@ -tp 2', "'${KV_ARGS[@]}', '$@'"),
        ("m $$@ $${SPEC_ARGS[@]} $$@ -tp 2", "'$$@', '$${SPEC_ARGS[@]}'"),
        ("m ... -tp 2", "'...'"),
        ("<model> <more_flags> -tp 2", "'<more_flags>'"),
        ("$ARGS -tp 2 --model m", "'$ARGS'"),
        ("--model $MODEL $ARGS -tp 2", "'$ARGS'"),
    ],
)
def test_what_may_stand_for_flags_is_named(words: str, named: str | None) -> None:
    _, asked = read(f"vllm serve {words}")
    assert asked.settings == {"tensor_parallel_size": "2"}
    said = f"{named}: what it stands for is not read, and may be flags"
    assert asked.notes == ([] if named is None else [said])


def test_variables_of_the_engines_own_are_taken_or_named() -> None:
    line = "CUDA_VISIBLE_DEVICES=0 LLAMA_ARG_CTX_SIZE=5 LLAMA_ARG_X=1 llama-server -m m -np 1"
    _, asked = read(line)
    assert asked.context == 5
    assert asked.notes[0] == "ignored, for kvcalc does not know them: 'LLAMA_ARG_X'"
    assert read("LLAMA_ARG_CTX_SIZE=5 llama-server -m m -np 1 -c 8192")[1].context == 8192
    _, asked = read("SGLANG_SWA_EVICTION_INTERVAL=64 sglang serve m")
    assert (asked.settings, asked.notes) == ({"swa_eviction_interval": "64"}, [])


def test_argparse_takes_the_beginning_of_a_flag_that_no_other_has() -> None:
    _, asked = read("python -m sglang.launch_server --model m --disable-radix --trust-remote")
    assert (asked.settings, asked.notes) == ({"disable_radix_cache": True}, [])
    _, asked = read("python -m sglang.launch_server --model m --context-len 8192 --disable 1")
    assert asked.context == 8192
    assert asked.notes == ["ignored, for kvcalc does not know them: '--disable'"]
    _, asked = read("vllm serve m --max-model 8192 --max-num 1")
    assert asked.context == 8192
    assert asked.notes == ["ignored, for kvcalc does not know them: '--max-num'"]
    with pytest.raises(KvcalcError, match="'--ctx-siz' is not known, and may say how much is held"):
        read("llama-server -m m -np 1 --ctx-siz 8192")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "vllm serve m --disable-hybrid-kv-cache-manager=false",
            "'--disable-hybrid-kv-cache-manager': found 'false', expected no value",
        ),
        ("vllm serve 'm", "cannot be split into words (no closing quotation)"),
        ("", "found '', expected one of vllm, "),
        ("ollama pull m", "found 'ollama pull m', which starts no server; ollama serve, "),
        ("vllm serve m --max-model-len", "'--max-model-len' has no value"),
        ("vllm serve m --max-model-len 32x", "'--max-model-len': found '32x', expected a whole"),
        ("vllm serve m --max-model-len 0", "context: found 0, expected at least 1"),
        ("vllm serve m --max-num-seqs 0", "sequences: found 0, expected at least 1"),
        ("vllm serve m --block-size 1.5K", "'block_size': found '1.5K', expected a whole number"),
        ("vllm serve m --speculative-config {", "found '{', expected JSON"),
        ("vllm serve m --speculative-config 8K", "found '8K', expected JSON"),
        ("vllm " * 30_000, "found 150,000 characters, expected at most 100,000"),
    ],
)
def test_a_line_that_cannot_be_read_is_one_sentence(line: str, sentence: str) -> None:
    with pytest.raises(KvcalcError) as caught:
        read(line)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


words = st.one_of(
    st.text(CHARACTERS, max_size=8),
    st.sampled_from(
        ["--", "-c", "-np", "-tp", "--max-model-len", "-1", "0", "8K", "9" * 5000, "{}"]
    ),
    st.sampled_from(sorted(engines.find("vllm").server.values)),  # type: ignore[union-attr]
    st.sampled_from(sorted(engines.find("llama.cpp").server.values)),  # type: ignore[union-attr]
)


def answered(line: str) -> tuple[list[str], tuple[int | None, ...]]:
    """What is said of a line, and the amounts that it asks for."""
    try:
        _, asked = read(line)
    except KvcalcError as error:
        return [str(error)], ()
    return asked.notes, (asked.context, asked.sequences)


@given(st.sampled_from(["vllm serve", "llama-server", "mlx_lm.server", ""]), st.lists(words))
def test_a_line_is_read_or_refused_in_one_printable_sentence(
    program: str, following: list[str]
) -> None:
    said, amounts = answered(f"{program} {shlex.join(following)}")
    assert "".join(said).isprintable()
    assert all(amount is None or amount > 0 for amount in amounts)


def test_every_engine_with_a_program_reads_its_flags() -> None:
    for name, row in engines.ENGINES.items():
        command = engines.find(name).server
        assert bool(row.programs) == (command is not None), name
        if command is not None:
            fields = {*engines.find(name).settings.model_fields, "model", "context", "sequences"}
            settings = {*command.values.values(), *(one for one, _ in command.switches.values())}
            assert len(settings & fields) > 1


def test_estimate_answers_what_a_server_line_asks(cli: Cli) -> None:
    line = f"{SERVE} --tensor-parallel-size 4 --max-model-len 262144 --kv-cache-dtype fp8"
    outcome = cli("estimate", "--from", line, "--json")
    answer = json.loads(outcome.out)
    assert (answer["engine"], answer["context"], answer["kv_cache_dtype"]) == (
        "vllm",
        262_144,
        "fp8",
    )
    assert answer["bytes"] == 15_322_054_656 // 2


@pytest.mark.parametrize(
    ("line", "context", "sequences", "note"),
    [
        ("-np 2", 131_072, 2, "each slot has the model's own context (--fit)"),
        ("-np 2 --fit off", 65_536, 2, "its slots share the model's own context"),
        ("", 32_768, 4, "its slots share the model's own context"),
        ("-np 2 --kv-unified-per-slot 4096", 4096, 2, "-c 8,192 counts all slots"),
        ("-np 2 -c 8192", 4096, 2, "so each of 2 gets 4,096 tokens"),
        ("-c 8192", 2048, 4, "any of them may use all of it"),
    ],
)
def test_what_llama_servers_slots_have_of_a_context(
    cli: Cli, line: str, context: int, sequences: int, note: str
) -> None:
    outcome = cli("estimate", "gpt-oss-20b", "--from", f"llama-server {line}", "--json")
    answer = json.loads(outcome.out)
    assert (answer["context"], answer["sequences"]) == (context, sequences)
    assert note in outcome.err


def test_without_a_context_each_sequence_may_have_the_models_own(cli: Cli) -> None:
    line = "vllm serve qwen3-8b --max-num-seqs 4"
    found = json.loads(cli("estimate", "--from", line, "--json").out)
    assert (found["context"], found["sequences"]) == (40_960, 4)


def test_options_beside_the_line_win(cli: Cli) -> None:
    line = f"{SERVE} --max-model-len 262144"
    asked = ("--from", line, "llama-3.1-8b", "-c", "8K", "--json")
    answer = json.loads(cli("estimate", *asked).out)
    assert (answer["model"], answer["context"], answer["engine"]) == ("Llama-3.1-8B", 8192, "vllm")


def test_a_release_of_the_lines_engine_may_stand_beside_it(cli: Cli) -> None:
    answer = json.loads(cli("estimate", "--from", SERVE, "-e", "vllm@0.25.1", "--json").out)
    assert (answer["engine"], answer["engine_version"]) == ("vllm", "0.25.1")


def test_another_engine_beside_the_line_is_refused(cli: Cli) -> None:
    outcome = cli("estimate", "--from", f"{SERVE}", "-e", "mlx")
    assert (outcome.code, outcome.err) == (
        2,
        "kvcalc: -e: found mlx beside a --from line of vllm\n",
    )


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [("h200", 15_322_054_656), ("l4", 13_510_115_328), ("b200", 17_737_973_760)],
)
def test_a_gpus_memory_decides_the_batch(cli: Cli, gpu: str, expected: int) -> None:
    asked = ("k-exaone-236b-a23b", "-e", "vllm", "-c", "256K", "--gpu", gpu, "--json")
    assert json.loads(cli("estimate", *asked).out)["bytes"] == expected


def test_a_gpu_is_refused_where_nothing_depends_on_it(cli: Cli) -> None:
    outcome = cli("estimate", "k-exaone-236b-a23b", "-c", "8K", "--gpu", "h200")
    assert outcome.code == 2
    assert outcome.err.startswith("kvcalc: --gpu: found beside -e ideal, whose bytes are the same")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "-md llama-3.1-8b",
            "the draft 'llama-3.1-8b' takes 1,073,741,824 (1.00 GiB) on top: "
            "1,644,167,168 (1.53 GiB) in all",
        ),
        (
            "-md llama-3.1-8b -ctkd q8_0 -ctvd q8_0",
            "the draft 'llama-3.1-8b' takes 570,425,344 (544.00 MiB) on top",
        ),
        ("-hfd no/such", "the draft 'no/such' is not counted: kvcalc does not know its shape"),
        ("--spec-type draft-mtp", "the context of the model's NextN layers is not counted"),
    ],
)
def test_a_drafts_cache_is_counted_beside_the_models(cli: Cli, line: str, said: str) -> None:
    asked = f"llama-server -m llama-3.1-8b.gguf -np 1 -c 8192 -ctk q8_0 -ctv q8_0 {line}"
    outcome = cli("estimate", "--from", asked, "--json")
    assert json.loads(outcome.out)["bytes"] == 570_425_344
    assert said in outcome.err


@pytest.mark.parametrize("command", ["estimate", "explain", "sweep"])
@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        ("OLLAMA_CONTEXT_LENGTH=131072 ollama serve", 40_960),
        ("OLLAMA_CONTEXT_LENGTH=40960 ollama serve", 40_960),
        ("llama-server -np 1 -c 131072", 131_072),
    ],
)
def test_ollama_takes_no_more_than_the_models_maximum(
    cli: Cli, command: str, line: str, tokens: int
) -> None:
    outcome = cli(command, "qwen3-8b", "--from", line)
    assert f"{tokens:,}" in outcome.out
    said = "the line's 131,072 tokens are past the model's 40,960: it has these" in outcome.err
    assert said == ("=131072" in line)


@pytest.mark.parametrize(
    "command",
    ["estimate", "explain", "compare", "compare -e llama.cpp", "diff llama.cpp", "fit --gpu h100"],
)
@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("OLLAMA_CONTEXT_LENGTH=32768 OLLAMA_NUM_PARALLEL=2 ollama serve", []),
        ("OLLAMA_CONTEXT_LENGTH=32768 ollama serve", ["--sequences", "2"]),
        ("OLLAMA_NUM_PARALLEL=2 ollama serve", ["--context", "32768"]),
        ("ollama serve", ["--context", "32768", "--sequences", "2"]),
    ],
)
def test_ollama_lays_out_by_the_options_where_the_line_gives_none(
    cli: Cli, command: str, line: str, options: list[str]
) -> None:
    name, *others = command.split()
    outcome = cli(name, "gemma-3-27b", *others, "--from", line, *options)
    assert "for 65,536 tokens of all requests it takes a micro-batch of 2,048" in outcome.err
    assert "without OLLAMA_CONTEXT_LENGTH" not in outcome.err


@pytest.mark.parametrize(("command", "file"), [("page", "plan.html"), ("sheet", "plan.xlsx")])
def test_ollama_lays_out_a_file_by_the_options(
    cli: Cli, tmp_path: Path, command: str, file: str
) -> None:
    written = ("-o", str(tmp_path / file))
    options = ("--from", "ollama serve", "--context", "65536", *written)
    outcome = cli(command, "gemma-3-27b", *options)
    assert "for 65,536 tokens of all requests it takes a micro-batch of 2,048" in outcome.err


@pytest.mark.parametrize(
    ("model", "line", "context"),
    [
        ("qwen3.5-27b", "OLLAMA_NUM_PARALLEL=4 OLLAMA_CONTEXT_LENGTH=999999 ollama serve", 262_144),
        ("llama-4-scout", "mlx_lm.server --decode-concurrency 4", 8192),
    ],
)
def test_a_page_has_what_the_server_makes_of_the_line_for_the_model(
    cli: Cli, tmp_path: Path, model: str, line: str, context: int
) -> None:
    file = tmp_path / "plan.html"
    options = [] if "999999" in line else ["--context", str(context)]
    outcome = cli("page", model, "--from", line, *options, "-o", str(file))
    assert "one request at a time of this model, not 4" in outcome.err
    assert f'"context":{context},"sequences":1' in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "command", ["estimate", "explain", "sweep", "compare -e llama.cpp", "fit --gpu h100"]
)
def test_ollama_runs_one_request_of_some_models(cli: Cli, command: str) -> None:
    line = "OLLAMA_CONTEXT_LENGTH=8192 OLLAMA_NUM_PARALLEL={} ollama serve"
    name, *options = command.split()
    asked = (name, "qwen3.5-27b", *options, "--from")
    said = "the server runs one request at a time of this model, not 4"
    several, alone = cli(*asked, line.format(4), "--json"), cli(*asked, line.format(1), "--json")
    assert said in several.err
    assert said not in alone.err
    assert several.out == alone.out


@pytest.mark.parametrize(
    "command", ["estimate -c 4K,8K", "explain", "sweep", "fit --gpu h100", "compare -e llama.cpp"]
)
def test_a_draft_that_is_not_counted_is_said(cli: Cli, command: str) -> None:
    line = "llama-server -m qwen3-8b.gguf -np 1 -c 8192 -md llama-3.1-8b"
    said = cli(*command.split(), "qwen3-8b", "--from", line).err
    assert "the draft 'llama-3.1-8b' is not counted here: kvcalc estimate counts its cache" in said


def test_the_models_own_nextn_layers_draft_in_f16(cli: Cli) -> None:
    model = str(Path(__file__).parents[1] / "oracles" / "configs" / "Qwen--Qwen3.5-27B.json")
    line = "llama-server -np 1 -c 8192 -ctk q8_0 -ctv q8_0 --spec-type draft-mtp"
    counted = cli("estimate", model, "--from", line)
    asked = ("estimate", model, "--from", line, "--set", "ctx_type=mtp", "--json")
    alone = json.loads(cli(*asked).out)
    assert (alone["kv_cache_dtype"], alone["bytes"]) == ("f16", 8192 * 4 * 256 * 2 * 2)
    assert "NextN layers takes 33,554,432 (32.00 MiB) on top" in counted.err


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("vllm serve Qwen/Qwen3-8B-AWQ", "'Qwen/Qwen3-8B-AWQ'"),
        ("llama-server -hf a/Qwen3-8B-GGUF:Q4_K_M", "'a/Qwen3-8B-GGUF:Q4_K_M'"),
        ("vllm serve /models/qwen", "'/models/qwen'"),
        ("vllm serve Qwen/Qwen3-8B", None),
        ("vllm serve qwen3-8b", None),
        ("llama-server -m Qwen3-8B.gguf", None),
        ("vllm serve MODEL", None),
    ],
)
def test_a_lines_model_is_named_where_another_is_read(
    line: str, named: str | None, cli: Cli
) -> None:
    """Its weights may be others, as those of a quantised repository are."""
    said = cli("estimate", "qwen3-8b", "-c", "4K", "--from", line).err
    told = f"the line's model {named} is not read: the layers are those of 'qwen3-8b', and so"
    assert (told in said) == ("is not read" in said) == (named is not None)

"""Lines and files that start ExLlamaV3: TabbyAPI's, and its own examples'."""

from pathlib import Path
from typing import Any

import pytest

from kvcalc.engines import find
from kvcalc.engines.server.asked import Asked
from kvcalc.engines.server.reader import read
from kvcalc.engines.server.writer import write
from kvcalc.errors import KvcalcError
from kvcalc.readers import line_files
from tests.conftest import Cli
from tests.each import each
from tests.shapes import full, model

ENGINE = find("exllamav3")
SLOTS = {"autosplit_max_batch_size": 4}


def line(text: str) -> Asked:
    engine, asked = read(text)
    assert engine == "exllamav3"
    return asked


@each(
    ("text", "settings", "context", "sequences", "longest"),
    [
        (
            "python main.py --model-name m --max-seq-len 8192 --cache-size 32768 --cache-mode Q6",
            {"cache_size": "32768", "cache_quant": "6", **SLOTS},
            8_192,
            3,
            32_767,
        ),
        (
            "./start.sh --cache-size 32768 --cache-mode FP16 --max-batch-size 2",
            {"cache_size": "32768", "cache_quant": None, "autosplit_max_batch_size": "2"},
            None,
            None,
            32_767,
        ),
        (
            "python3 start.py --max-seq-len 4096 --cache-mode 8,5",
            {"cache_size": 4_096, "cache_quant": "8,5", **SLOTS},
            4_095,
            1,
            4_095,
        ),
        (
            "python main.py --cache-size 512 --draft-mode ngram",
            {"cache_size": "512", "num_draft_tokens": 4, "max_history": 4, **SLOTS},
            None,
            None,
            507,
        ),
        (
            "start.bat --cache-size 512 --draft-mode ngram --draft-num-tokens 7",
            {"cache_size": "512", "num_draft_tokens": "7", "max_history": "7", **SLOTS},
            None,
            None,
            504,
        ),
        (
            "python main.py --cache-size 512 --draft-num-tokens 7 --tensor-parallel false",
            {"cache_size": "512", **SLOTS},
            None,
            None,
            511,
        ),
    ],
)
def test_tabbyapi_is_read_as_it_takes_its_arguments(
    text: str, settings: Any, context: Any, sequences: Any, longest: int
) -> None:
    asked = line(text)
    assert asked.settings == settings
    assert (asked.context, asked.sequences, asked.longest) == (context, sequences, longest)


@each("mode", ["Q4", "Q8", "4,4", "8,8"])
def test_an_older_cache_mode_is_a_number_of_bits(mode: str) -> None:
    settings = ENGINE.settings(**line(f"python main.py --cache-mode {mode}").settings)
    assert settings.model_dump()["cache_quant"] == mode[-1]


@each(
    ("text", "settings", "longest"),
    [
        (
            "python examples/chat.py -m models/x -mode llama3 -cs 65536 -cq 6,5 -ambs 2 -rs32",
            {
                "cache_size": "65536",
                "cache_quant": "6,5",
                "autosplit_max_batch_size": "2",
                "recurrent_state_fp32": True,
                "num_draft_tokens": 0,
                "max_history": 0,
            },
            65_535,
        ),
        (
            "python eval/perf.py -m x --swa_full -ndt 3",
            {"cache_size": 32_768, "swa_full": True, "num_draft_tokens": 0, "max_history": 3},
            32_767,
        ),
        (
            "python chat.py -m x -ngram 2",
            {"cache_size": 32_768, "num_draft_tokens": 4, "max_history": 4},
            32_763,
        ),
        (
            "python chat.py -m x --ngram_match_min 2 --num_draft_tokens 3 --hybrid_draft_tokens 9",
            {"cache_size": 32_768, "num_draft_tokens": 9, "max_history": 9},
            32_758,
        ),
    ],
)
def test_its_own_examples_are_read(text: str, settings: Any, longest: int) -> None:
    asked = line(text)
    assert asked.settings == settings
    assert (asked.context, asked.longest) == (None, longest)
    assert ("its default --cache_size is 32,768" in asked.notes) == ("-cs" not in text)


@each(
    ("text", "sentence"),
    [
        ("python main.py --tensor-parallel true", "--tensor-parallel: what it holds was read"),
        ("python main.py --tensor-parallel", "--tensor-parallel: what it holds was read"),
        ("python main.py --draft-model-name d", "--draft-model-name: what it holds was read"),
        ("python main.py --draft-mode mtp", "--draft-mode mtp: what it holds was read"),
        ("python main.py --cache-size many", "'--cache-size': found 'many'"),
        ("python main.py --cache-of-mine 3", "may say how much is held"),
        ("python chat.py -m x -tp", "-tp: what it holds was read and not measured"),
        ("python chat.py -m x --mtp", "--mtp: what it holds was read and not measured"),
        ("python chat.py -m x -layer_map 0..3,2..5", "each layer that it repeats has a cache"),
        ("python chat.py -m x -ndt few", "found 'few', expected a whole number"),
    ],
)
def test_what_is_not_counted_is_refused_by_its_flag(text: str, sentence: str) -> None:
    with pytest.raises(KvcalcError) as caught:
        read(text)
    assert sentence in str(caught.value)


def test_a_note_says_what_a_line_leaves_open() -> None:
    (open_,) = line("python main.py --model-name m").notes
    assert open_ == "without --cache-size its cache holds --max-seq-len tokens"
    (ends,) = line("python main.py --max-seq-len 512 --cache-size 512").notes
    assert ends == "a sequence ends at 511 tokens in a cache of 512"
    said = line("python main.py --cache-size 512 --sysmem-kv-cache 4096 --vision true").notes
    assert [note.partition(":")[0] for note in said] == ["--sysmem-kv-cache", "--vision"]


@each(
    ("settings", "amounts", "words"),
    [
        ({}, {}, "--max-batch-size 1"),
        (
            {"cache_quant": 4, "kv_cache_dtype": "float16"},
            {"context": 8_192, "sequences": 3},
            "--max-seq-len 8192 --cache-mode 4,4 --max-batch-size 3 --cache-size 25344",
        ),
        (
            {"cache_size": 512, "autosplit_max_batch_size": 2},
            {"context": 512, "sequences": 2},
            "--cache-size 512 --max-batch-size 2 # no flag takes this: context, sequences",
        ),
        (
            {"num_draft_tokens": 2, "max_history": 2},
            {},
            "--draft-num-tokens 2 --draft-mode ngram --max-batch-size 1",
        ),
        (
            {"num_draft_tokens": 2, "swa_full": True},
            {},
            "--max-batch-size 1 # no flag takes this: num_draft_tokens, swa_full",
        ),
    ],
)
def test_a_line_is_written_for_tabbyapi(
    settings: dict[str, Any], amounts: dict[str, Any], words: str
) -> None:
    of = model(full(), hub_id="org/a-model")
    written = write(ENGINE, ENGINE.settings(**settings), of, **amounts)
    assert written == f"python main.py --model-name a-model {words}"


CONFIG = """
network:
  host: 0.0.0.0
  api_servers: ["OAI"]
model:
  model_name: Qwen3-8B
  max_seq_len: 32768
  cache_size: 65536   # for all
  cache_mode: Q8
  tensor_parallel: false
  vision: true
  template_vars_default: {enable_thinking: true}
  use_as_default: []
draft_model:
  draft_mode: model
  draft_model_name:
developer:
"""


def test_a_config_yml_is_read_as_the_arguments_it_stands_for(tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "config.yml"
    file.write_text(CONFIG)
    engine, asked = read(line_files.read(str(file)), "exllamav3")
    assert (engine, asked.model, asked.context) == ("exllamav3", "Qwen3-8B", 32_768)
    assert asked.settings == {"cache_size": "65536", "cache_quant": "8", **SLOTS}
    assert asked.passed["--template-vars-default"] == '{"enable_thinking": true}'
    outcome = cli("estimate", "--from", str(file), "-e", "exllamav3")
    assert f"{65_536 * 36 * 32 * 68:,}" in outcome.out
    assert "expected a program, or -e" in cli("estimate", "--from", str(file)).err


def test_a_sequence_is_at_most_as_long_as_the_cache_and_the_model_allow(cli: Cli) -> None:
    asked = "python main.py --model-name qwen3-8b --cache-size"
    assert "4,095 tokens" in cli("estimate", "--from", f"{asked} 4096").out
    assert "40,960 tokens" in cli("estimate", "--from", f"{asked} 409600").out

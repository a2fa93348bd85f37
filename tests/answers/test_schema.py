"""JSON Schemas: each command's JSON keeps to its own, whatever it is asked."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import kvcalc
from kvcalc.answers.schema import FORMS
from kvcalc.answers.skill import QUESTIONS
from tests.conftest import Cli

ORACLES = Path(__file__).parents[1] / "oracles"
FILES = {
    "server.log": ORACLES / "logs" / "gpt-oss-20b.log",
    "requests.csv": ORACLES / "traces" / "azure_code.csv",
    "requests.jsonl": ORACLES / "traces" / "replay" / "tree_small.jsonl",
    "config.json": ORACLES / "configs" / "Qwen--Qwen3.5-27B.json",
}
"""What the commands of the skill read, by the names that it gives."""

MORE = [
    "estimate deepseek-v4-flash -c 1M -e vllm",
    "estimate qwen3.5-27b -e llama.cpp",
    "estimate qwen3-8b gpt-oss-20b -c 8K,16K -e vllm",
    "sweep llama-4-scout -e sglang",
    "compare deepseek-v3.2 -c 64K -n 3",
    "explain gpt-oss-20b -e sglang -c 8K",
    "engines",
    "engines llama.cpp",
    "show qwen3-8b",
    "fit qwen3-8b --gpu h100,h200 --gpus 1,2 -c 8K,32K",
    "fit qwen3-8b --gpu h100 --gpus 1 -c 8K -e vllm",
    "fit qwen3-8b --gpu h100,h200 --gpus 1 -c 8K --price h100=2.5,h200=3.5",
    "fit qwen3-8b --gpu h100,gb10 --gpus 1 -c 8K -e vllm@0.31.0 --price h100=2.5,gb10=1",
    "fit llama-3.1-405b --gpu rtx-4090 --gpus 1 -c 8K",
    "diff k-exaone-236b-a23b vllm sglang -c 8K",
    "plot k-exaone-236b-a23b -e ideal,vllm --points 5",
    "plot llama-3.1-8b -e vllm --gpu h100 --points 5",
    "trace qwen3-8b requests.csv --prefill-rate 50000 --decode-rate 30 --gpu h100 -e ideal,vllm",
    "replay k-exaone-236b-a23b requests.jsonl --blocks 500,2K",
    "replay llama-3.1-8b requests.jsonl --blocks 500 --each",
    "gpus",
]
COMMANDS = sorted({*(one.command.removeprefix("kvcalc ") for one in QUESTIONS), *MORE})


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, source in FILES.items():
        shutil.copy(source, tmp_path / name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("command", COMMANDS)
def test_an_answer_keeps_to_the_schema_of_its_command(cli: Cli, command: str) -> None:
    """And it has the fields that the skill names."""
    words = shlex.split(command)
    found = json.loads(cli(*words, *({"--json"} - set(words))).out)
    Draft202012Validator(kvcalc.schema(words[0])).validate(found)
    record = found[0] if isinstance(found, list) else found
    for one in QUESTIONS:
        if one.command == f"kvcalc {command}":
            assert set(one.fields) <= set(record), one.asked


def test_every_command_with_json_has_a_schema_and_every_schema_is_tried(cli: Cli) -> None:
    listed = re.findall(r"^  (\w+) ", cli("--help").out.partition("Commands:")[2], re.M)
    having = {name for name in listed if " --json " in cli(name, "--help").out}
    assert having == set(FORMS) == {command.split()[0] for command in COMMANDS}


@pytest.mark.parametrize("command", FORMS)
def test_a_schema_is_one_and_refuses_what_is_left_out_or_added(cli: Cli, command: str) -> None:
    made = kvcalc.schema(command)
    Draft202012Validator.check_schema(made)
    assert json.loads(cli("schema", command).out) == made
    for record in made["$defs"].values():
        assert record["required"] == list(record["properties"])
        assert record["additionalProperties"] is False


def test_a_command_without_json_is_refused(cli: Cli) -> None:
    outcome = cli("schema", "sheet")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("kvcalc: command: found 'sheet', expected one that gives JSON: ")
    assert set(json.loads(cli("schema").out)) == set(FORMS)


def test_the_skill_has_its_commands(cli: Cli, tmp_path: Path) -> None:
    assert cli("skill", "-o", str(tmp_path / "SKILL.md")).code == 0
    written = (tmp_path / "SKILL.md").read_text()
    assert written == kvcalc.skill()
    assert written.startswith("---\nname: kvcalc\ndescription: ")
    for one in QUESTIONS:
        assert f"`{one.command}`" in written
    assert max(map(len, written.partition("## Which command")[0].splitlines())) <= 120

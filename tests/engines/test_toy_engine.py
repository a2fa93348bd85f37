"""An engine that a stranger adds, one folder and one row: every command serves or refuses it."""

import json
import shlex
from pathlib import Path

import pytest

from kvcalc.engines import ENGINES, EngineRow
from tests.conftest import Cli

KEXAONE = "k-exaone-236b-a23b"
PAGE = 48 * 100 * 4_096
TRACE = "start,end,input,output\n0,10,150,50\n5,20,50,10\n"
ASKED = '{"timestamp": 0, "input_length": 600, "output_length": 1, "hash_ids": [0, 1]}\n' * 2
PLAN = f"model,engine,context\n{KEXAONE},toy,250\n"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (
        ("trace.csv", TRACE),
        ("plan.csv", PLAN),
        ("asked.jsonl", ASKED),
        ("start.log", f"toy: a page of {PAGE} bytes\n"),
    ):
        Path(name).write_text(text)


@pytest.fixture
def cost_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "toy", EngineRow("tests.engines.toy"))


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    row = EngineRow("tests.engines.toy.whole", ("toyserve",))
    monkeypatch.setitem(ENGINES, "toy", row)


@pytest.mark.usefixtures("cost_alone")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"estimate {KEXAONE} -e toy -c 250", f"{3 * PAGE:,}"),
        (f"sweep {KEXAONE} -e toy -c 250 -w 128", f"{3 * PAGE:,}"),
        (f"formula {KEXAONE} -e toy", "ceil(context, 100)"),
        (f"explain {KEXAONE} -e toy -c 250", f"{3 * PAGE:,}"),
        (f"compare {KEXAONE} -e toy,ideal -c 250", f"{3 * PAGE:,}"),
        ("engines", "toy"),
        ("engines toy", "kv_cache_dtype"),
        ("fill plan.csv", f"{3 * PAGE}"),
        (f"plot {KEXAONE} -e toy -c 128..256 -w 128 --points 2 --json", f"{3 * PAGE}"),
    ],
)
def test_a_cost_alone_serves_what_asks_for_bytes(cli: Cli, command: str, said: str) -> None:
    outcome = cli(*command.split())
    assert outcome.code == 0
    assert said in outcome.out


@pytest.mark.usefixtures("cost_alone")
@pytest.mark.parametrize("sides", ["toy ideal", "ideal toy"])
def test_bytes_are_compared_without_a_rule_for_the_memory(cli: Cli, sides: str) -> None:
    outcome = cli(*f"diff {KEXAONE} {sides} -c 250".split())
    assert outcome.code == 1  # they differ
    assert f"{3 * PAGE:,}" in outcome.out


@pytest.mark.usefixtures("cost_alone")
@pytest.mark.parametrize(("command", "name"), [("sheet", "plan.xlsx"), ("page", "page.html")])
def test_a_cost_alone_makes_a_workbook_and_a_page(cli: Cli, command: str, name: str) -> None:
    assert cli(command, KEXAONE, "-e", "toy", "-o", name).code == 0
    assert Path(name).stat().st_size


@pytest.mark.usefixtures("cost_alone")
@pytest.mark.parametrize(
    ("command", "lacks"),
    [
        (f"fit {KEXAONE} -e toy --gpu h200 --gpus 8 -c 8K", "memory"),
        (f"diff {KEXAONE} toy ideal -c 8K --memory 20GiB", "memory"),
        (f"trace {KEXAONE} trace.csv -e toy", "trace"),
        (f"replay {KEXAONE} asked.jsonl -e toy", "prefix cache"),
        ("estimate --from 'toyserve x' -c 8K", "toyserve"),
        ("check start.log", "start-up log"),
        *(
            (f"{command} -e toy -d int4", "kv_cache_dtype: found int4, expected one of bfloat16")
            for command in (
                f"estimate {KEXAONE} -c 250",
                f"sweep {KEXAONE} -c 250 -w 128",
                f"formula {KEXAONE}",
                f"explain {KEXAONE} -c 250",
                f"compare {KEXAONE} -c 250",
                f"plot {KEXAONE} -c 100..250",
            )
        ),
    ],
)
def test_what_an_engine_does_not_say_is_refused_by_name(cli: Cli, command: str, lacks: str) -> None:
    outcome = cli(*shlex.split(command))
    assert (outcome.code, outcome.out) == (2, "")
    assert lacks in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.usefixtures("whole")
def test_with_a_memory_rule_it_is_fitted_and_its_server_started(cli: Cli) -> None:
    outcome = cli(
        *f"fit {KEXAONE} -e toy --gpu h200 --gpus 8 -c 8000 --weights 400GB --json".split()
    )
    assert outcome.code == 0
    answer = json.loads(outcome.out)
    pages = (150_109_106_995 - 50_000_000_000) // PAGE - 1  # a rank keeps all heads, a page back
    assert answer["max_sequences"] == pages // 80
    assert answer["flags"] == (
        f"toyserve LGAI-EXAONE/K-EXAONE-236B-A23B --context 8000 --at-once {pages // 80} --ranks 8"
    )


@pytest.mark.usefixtures("whole")
def test_with_a_server_its_command_line_is_read(cli: Cli) -> None:
    outcome = cli("estimate", "--from", f"toyserve {KEXAONE} --context 250 --kv fp8", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["bytes"] == 3 * PAGE // 2


@pytest.mark.usefixtures("whole")
def test_with_traffic_its_trace_is_summed(cli: Cli) -> None:
    columns = [f"--column={name}={name}" for name in ("start", "end", "input", "output")]
    outcome = cli(
        "trace", KEXAONE, "trace.csv", "-e", "toy", "--time-unit", "s", *columns, "--json"
    )
    assert outcome.code == 0
    assert max(row["peak_bytes"] for row in json.loads(outcome.out)) == 3 * PAGE


@pytest.mark.usefixtures("whole")
def test_with_a_replay_its_prefix_cache_is_asked(cli: Cli) -> None:
    outcome = cli("replay", KEXAONE, "asked.jsonl", "-e", "toy", "--memory", "20GiB", "--json")
    assert outcome.code == 0
    (row,) = json.loads(outcome.out)
    assert (row["prompt_tokens"], row["hit_tokens"]) == (1_200, 599)


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("command", ["replay", "fit", "trace"])
def test_an_element_type_that_it_does_not_list_is_refused(cli: Cli, command: str) -> None:
    asked = {
        "replay": (f"{KEXAONE} asked.jsonl",),
        "fit": (f"{KEXAONE} --gpu h200 --gpus 8 -c 8000 --weights 400GB",),
        "trace": (f"{KEXAONE} trace.csv --time-unit s",),
    }
    outcome = cli(command, *asked[command][0].split(), "-e", "toy", "-d", "int4")
    assert (outcome.code, outcome.out) == (2, "")
    assert "kv_cache_dtype: found int4, expected one of bfloat16, fp8 on toy" in outcome.err


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize(("size", "code"), [(PAGE, 0), (PAGE + 1, 1)])
def test_with_a_log_its_lines_are_checked(cli: Cli, size: int, code: int) -> None:
    Path("start.log").write_text(f"toy: a page of {size} bytes\n")
    assert cli("check", "start.log", "--model", KEXAONE).code == code

"""How a run may end: by a signal, a full disk or a kill; no file is torn, and nothing is left."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Cli

KEXAONE = "k-exaone-236b-a23b"
TRACE = Path("tests/oracles/traces/azure_code.csv").resolve()
RATES = ("--prefill-rate", "50000", "--decode-rate", "30")
RUN = "from kvcalc.cli import program\n{}\nprogram()"

SLOW = (
    "import kvcalc.outputs.write as w, kvcalc.scratch as s, time; own = s.replacing\n"
    "from contextlib import contextmanager\n"
    "@contextmanager\n"
    "def slow(*a, **k):\n"
    "    with own(*a, **k) as part:\n"
    "        yield part\n"
    "        print('written', flush=True); time.sleep(60)\n"
    "w.replacing = s.replacing = slow"
)
"""A run that waits when its file is written and is not yet in its place."""


def started(folder: Path, before: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", RUN.format(before), *arguments],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(run: "subprocess.Popen[str]", number: int) -> tuple[int, str, str]:
    run.send_signal(number)
    out, err = run.communicate(timeout=120)
    return run.returncode, out, err


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_signal_ends_a_run_in_silence_and_leaves_nothing(
    tmp_path: Path, number: int, code: int
) -> None:
    run = started(tmp_path, SLOW, "formula", KEXAONE, "-o", "answer.txt")
    assert run.stdout is not None
    assert run.stdout.readline() == "written\n"
    assert [name.startswith(".kvcalc-") for name in left(tmp_path)] == [True]
    assert ended(run, number) == (code, "", "")
    assert left(tmp_path) == []


def test_ctrl_c_in_the_first_moment_and_within_duckdb_is_silent(tmp_path: Path) -> None:
    early = "import sys; print('started', flush=True)\nwhile 'duckdb' not in sys.argv: pass"
    waits = (
        "import duckdb, kvcalc.answers.traces.sums as s\n"
        "def of(self, _): print('started', flush=True); self.base.execute("
        "'SELECT count(*) FROM range(10000000000) a, range(10000) b WHERE a.range % 7 = b.range')\n"
        "s.Sums.of = of"
    )
    hook = f"import kvcalc.cli as c\ndef run():\n    {early.replace(chr(10), chr(10) + '    ')}\n"
    for before in (f"{hook}c.main = run", waits):
        run = started(tmp_path, before, "trace", KEXAONE, str(TRACE), *RATES)
        assert run.stdout is not None
        assert run.stdout.readline() == "started\n"
        time.sleep(0.05)
        assert ended(run, signal.SIGINT) == (130, "", "")
        assert left(tmp_path) == []


def test_what_a_killed_run_left_is_removed_by_the_next(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(tmp_path, SLOW, "formula", KEXAONE, "-o", "answer.txt")
    assert run.stdout is not None
    run.stdout.readline()
    (own,) = tmp_path.iterdir()
    assert own.stat().st_mode & 0o777 == 0o700
    monkeypatch.chdir(tmp_path)
    beside = cli("formula", KEXAONE, "-o", "beside.txt")
    assert beside.err.startswith("kvcalc: note: exact")
    assert own.exists()  # its run lives
    assert ended(run, signal.SIGKILL)[0] == -signal.SIGKILL
    assert left(tmp_path) == sorted([own.name, "beside.txt"])
    cli("formula", KEXAONE, "-o", "n" * 251 + ".txt")
    assert left(tmp_path) == ["beside.txt", "n" * 251 + ".txt"]


WAITS = "import time\ndef wait(*_, **__): print('there', flush=True); time.sleep(60)\n"
KILLED = {
    "before its folder is made": "import kvcalc.scratch as s; s.mkdtemp = wait",
    "in its folder": "import kvcalc.scratch as s; own = s.make\n"
    "def made(beside): own(beside); wait()\ns.make = made",
    "half written": "from pathlib import Path; own = Path.write_text\n"
    "def half(path, text, **k): own(path, text[:99], **k); wait()\nPath.write_text = half",
    "before it is put in place": "from pathlib import Path; Path.replace = wait",
    "in its place": "import kvcalc.scratch as s; s.rmtree = wait",
}
"""Where a run may be killed while it replaces a file."""


@pytest.mark.parametrize("step", KILLED)
def test_a_kill_at_any_step_leaves_a_whole_file(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    target = tmp_path / "answer.txt"
    target.write_text("the old answer\n")
    asked = ("formula", KEXAONE, "-o", "answer.txt", "--force")
    run = started(tmp_path, f"{WAITS}{KILLED[step]}", *asked)
    assert run.stdout is not None
    assert run.stdout.readline() == "there\n"
    ended(run, signal.SIGKILL)
    old = target.read_text() == "the old answer\n"
    assert old == (step != "in its place")
    monkeypatch.chdir(tmp_path)
    assert cli(*asked).err.startswith("kvcalc: note: exact")
    assert target.read_text().endswith("sequences\n")
    assert left(tmp_path) == ["answer.txt"]


LEAST = ("llama-3.1-8b", "-e", "ideal", "-d", "bfloat16", "--tp", "1")
WRITES: dict[str, tuple[str, ...]] = {
    "a text": ("estimate", KEXAONE, "-o", "out.txt"),
    "a workbook": ("sheet", *LEAST, "-o", "out.xlsx"),
    "a set of CSV files": ("sheet", *LEAST, "--csv", "out"),
    "a page": ("page", "llama-3.1-8b", "-e", "ideal", "-o", "out.html"),
    "a plan": ("fill", "plan.csv", "-o", "out.csv"),
    "a plan as a workbook": ("fill", "plan.csv", "-o", "out.xlsx"),
    "a grid as a workbook": ("fit", KEXAONE, "--gpu", "h200,b200", "-c", "8K", "-o", "out.xlsx"),
    "a timeline": ("trace", KEXAONE, str(TRACE), *RATES, "--timeline", "out.csv"),
}
REASONS = {28: "No space left on device", 30: "Read-only file system", 13: "Permission denied"}
STEPS = {"making": "kvcalc.scratch.scratch", "replacing": "pathlib.Path.replace"}
"""Where a write may fail, beside writing itself."""

FAILURES = [
    *((name, step, 28) for name in WRITES for step in STEPS),
    *(("a text", step, number) for step in STEPS for number in (13, 30)),
]


@pytest.mark.parametrize(("name", "step", "number"), FAILURES)
def test_a_write_that_fails_is_one_sentence_and_leaves_nothing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, step: str, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, REASONS[number])

    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.csv").write_text("model,context\nllama-3.1-8b,8192\n")
    monkeypatch.setattr(STEPS[step], refuse)
    outcome = cli(*WRITES[name])
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert outcome.err.endswith(f"cannot be written ({REASONS[number]})\n")
    assert left(tmp_path) == ["plan.csv"]


@contextmanager
def room(most: int) -> Iterator[None]:
    """No file may have more bytes."""
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))


@pytest.mark.parametrize(
    ("name", "most"), [*((name, 40) for name in WRITES), ("a set of CSV files", 4_000)]
)
def test_a_disk_that_takes_no_more_is_one_sentence_and_leaves_nothing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.csv").write_text("model,context\nllama-3.1-8b,8192\n")
    with room(most):
        outcome = cli(*WRITES[name])
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert "cannot be written (" in outcome.err
    assert left(tmp_path) == ["plan.csv"]


def test_a_disk_that_has_no_room_for_what_is_spilled_is_one_sentence(tmp_path: Path) -> None:
    duckdb.execute(
        "COPY (SELECT range * 7 % 100_003 AS timestamp, range % 50_000 AS input_length, "
        f"9 AS output_length FROM range(100_000)) TO '{tmp_path / 'long.csv'}'"
    )
    small = (
        "import kvcalc.readers.traces.table as t, resource as r; t.MEMORY = '25MB'\n"
        "r.setrlimit(r.RLIMIT_FSIZE, (50_000, 50_000))"
    )
    asked = ("trace", KEXAONE, "long.csv", "--time-unit", "ms", *RATES)
    run = started(tmp_path, small, *asked, "--timeline", "out.csv")
    out, err = run.communicate(timeout=240)
    assert (run.returncode, out, err.count("\n")) == (2, "", 1)
    assert "cannot be" in err
    assert left(tmp_path) == ["long.csv"]


def test_an_output_that_is_an_input_is_refused_unless_forced(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = Path("model.json")
    text = '{"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, '
    model.write_text(text + '"num_attention_heads": 2, "max_position_embeddings": 64}')
    Path("trace.csv").write_bytes(TRACE.read_bytes())
    Path("link.csv").symlink_to("trace.csv")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for command, output in (
        (("estimate", "model.json", "-o"), "model.json"),
        (("trace", KEXAONE, "trace.csv", *RATES, "--timeline"), "link.csv"),
    ):
        outcome = cli(*command, output)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err == f"kvcalc: output '{output}': exists; --force replaces it\n"
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert cli("estimate", "model.json", "-o", "model.json", "--force").code == 0
    assert model.read_bytes() != before[tmp_path / "model.json"]


def test_warnings_of_libraries_are_not_told_and_change_nothing(tmp_path: Path) -> None:
    warns = "import warnings, kvcalc.readers as r; own = r.read\n" + (
        "def read(source): warnings.warn('of a library', DeprecationWarning); return own(source)\n"
        "r.read = read"
    )
    plain = started(tmp_path, warns, "formula", KEXAONE).communicate(timeout=120)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONWARNINGS", "error")
        assert started(tmp_path, warns, "formula", KEXAONE).communicate(timeout=120) == plain
    assert plain[1].count("\n") == 1

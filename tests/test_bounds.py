"""What is refused is refused in bounded memory and time: inputs as large as each bound allows.

They are harmless: each is what kvcalc's own checks refuse, or the largest that they let through.
"""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.readers.test_gguf import write as write_gguf
from tests.readers.test_rows import HEADER, NAMESPACE, workbook

MOST_MIB, MOST_SECONDS = 200, 10
M = 2**20
KEXAONE = "k-exaone-236b-a23b"
RATES = "prefill_rate=8000, decode_rate=40"
QUOTES = '""'
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens"

Write = Callable[[Path], object]


def whole(begin: str, one: str, end: str, size: int) -> bytes:
    """A text of so many bytes, of one thing again and again."""
    content = begin + one * ((size - len(begin) - len(end)) // len(one))
    return (content.removesuffix(",") + end).ljust(size).encode()


def safetensors(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


def text(content: Callable[[], bytes]) -> Write:
    return lambda path: path.write_bytes(content())


def sheet(rows: Callable[[], str]) -> Write:
    return lambda path: workbook(path, HEADER + rows())


def shared(path: Path) -> None:
    workbook(path, HEADER)
    strings = "".join(f"<si><t>{number:x}</t></si>" for number in range(10**5))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", f"<sst {NAMESPACE}>{strings}</sst>")


CASES: dict[str, tuple[str, Write, str]] = {
    "replay of lists": (
        "a.jsonl",
        text(lambda: whole('{"prompt_token_ids":[', "[],", "]}", 8 * M - 1)),
        "kvcalc.replay(MODEL, {}, blocks=9)",
    ),
    "replay of numbers": (
        "a.jsonl",
        text(lambda: whole('{"prompt_token_ids":[', "999,", '"x"]}', 8 * M - 1)),
        "kvcalc.replay(MODEL, {}, blocks=9)",
    ),
    "replay of one line": (
        "a.jsonl",
        text(lambda: b" " * 20 * M),
        "kvcalc.replay(MODEL, {}, blocks=9)",
    ),
    "config of lists": (
        "config.json",
        text(lambda: whole('{"a":[', "[],", "]}", 4 * M)),
        "load({})",
    ),
    "config past it": ("config.json", text(lambda: b" " * (4 * M + 1)), "load({})"),
    "preset of tables": (
        "a.toml",
        text(lambda: "".join(f"k{number}{'.a' * 64}=1\n" for number in range(450)).encode()),
        "load({})",
    ),
    "preset of lists": ("a.toml", text(lambda: b"a=" + b"[" * 65_000), "load({})"),
    "preset past it": ("a.toml", text(lambda: b"#" * (2**16 + 1)), "load({})"),
    "GGUF of keys": (
        "a.gguf",
        lambda path: write_gguf(path, "no", {f"k{number}": 1 for number in range(20_000)}),
        "load({})",
    ),
    "header of lists": (
        "a.safetensors",
        text(lambda: safetensors(whole('{"a":[', "[],", "]}", 32 * M))),
        "header({})",
    ),
    "header of texts": (
        "a.safetensors",
        text(lambda: safetensors(whole('{"__metadata__":{"a":"', "\U0001f600 ", '"}}', 8 * M))),
        "header({})",
    ),
    "header past it": (
        "a.safetensors",
        text(lambda: (32 * M + 1).to_bytes(8, "little")),
        "header({})",
    ),
    "index of tables": (
        "model.safetensors.index.json",
        text(lambda: whole('{"weight_map":[', "{},", "]}", 16 * M)),
        "safetensors.read_index(Path({}))",
    ),
    "plan of columns": ("a.csv", text(lambda: b"," * 10**6), "kvcalc.fill({})"),
    "plan of one line": ("a.csv", text(lambda: b"a" * 17 * M), "kvcalc.fill({})"),
    "workbook of attributes": (
        "a.xlsx",
        sheet(lambda: f"<row {' '.join(f'a{number}={QUOTES}' for number in range(60_000))}/>"),
        "kvcalc.fill({})",
    ),
    "workbook of text": (
        "a.xlsx",
        sheet(lambda: f'<row><c t="str"><v>{"".join(map(str, range(10**6)))}</v></c></row>'),
        "kvcalc.fill({})",
    ),
    "workbook of texts": ("a.xlsx", shared, "kvcalc.fill({})"),
    "workbook of elements": (
        "a.xlsx",
        sheet(lambda: "".join(f'<x a="{number}"/>' for number in range(300_000))),
        "kvcalc.fill({})",
    ),
    "trace of columns": (
        "a.csv",
        text(lambda: f"{AZURE},{','.join(map(str, range(4_093)))}\n1\n".encode()),
        f"kvcalc.trace(MODEL, {{}}, {RATES})",
    ),
    "trace of keys": (
        "a.jsonl",
        text(lambda: json.dumps(dict.fromkeys(map(str, range(50_000)))).encode() + b"\n"),
        f"kvcalc.trace(MODEL, {{}}, {RATES})",
    ),
    "trace of one line": (
        "a.csv",
        text(lambda: f"{AZURE}\n".encode() + b"1" * 33 * M),
        f"kvcalc.trace(MODEL, {{}}, {RATES})",
    ),
    "log of one line": ("a.log", text(lambda: b"x" * 8 * M), "kvcalc.check({})"),
    "log of lines": (
        "a.log",
        text(lambda: b"GPU KV cache size: 9 tokens\n" * 10_001),
        "kvcalc.check({})",
    ),
    "manifest of aliases": (
        "a.yaml",
        text(
            lambda: (
                b"a0: &a0 [x, x]\n"
                + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 20))
            )
        ),
        "line_files.read({})",
    ),
    "manifest past it": ("a.yaml", text(lambda: b"#" * (2**18 + 1)), "line_files.read({})"),
    "rate": (
        "a",
        text(lambda: b""),
        "kvcalc.trace(MODEL, 'x.csv', prefill_rate='1e999999999', decode_rate=1)",
    ),
    "size": ("a", text(lambda: b""), "parse_memory('9' * 4_301 + 'GB', '--memory')"),
}
"""What each bound lets through or refuses: a file's name, how it is written, and what is asked."""

ASKED = """
import gc, json, sys, time
from pathlib import Path
import kvcalc
from kvcalc.cli import OBJECTS_OF_A_START
from kvcalc.readers import line_files, load, safetensors
from kvcalc.units import parse_memory
gc.set_threshold(OBJECTS_OF_A_START)  # as the command line does
MODEL = kvcalc.load({model!r})
def header(path):
    with open(path, "rb") as file:
        list(safetensors.read_header(file, path))
for name, ask in json.load(sys.stdin).items():
    began = time.process_time()
    try:
        exec(ask)
        said = None
    except kvcalc.KvcalcError as error:
        said = str(error)
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
    print(json.dumps([name, said, time.process_time() - began, peak]), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc has the peak of memory")
def test_what_is_refused_takes_little_memory_and_time(tmp_path: Path) -> None:
    """All in one process, whose peak never falls: so the last one's holds for all."""
    asked = {}
    for number, (name, (file, write, ask)) in enumerate(CASES.items()):
        path = tmp_path / str(number) / file
        path.parent.mkdir()
        write(path)
        asked[name] = ask.format(repr(str(path)))
    ran = subprocess.run(
        [sys.executable, "-c", ASKED.format(model=KEXAONE)],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    found = {name: rest for name, *rest in map(json.loads, ran.stdout.splitlines())}
    assert list(found) == list(CASES)
    for name, (said, seconds, peak) in found.items():
        assert said is not None, name
        assert said.isprintable()
        assert len(said) < 700, (name, said)
        assert seconds < MOST_SECONDS, (name, seconds)
        assert peak < MOST_MIB, (name, peak)

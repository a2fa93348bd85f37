"""The surfaces: what each reads, the valid inputs to begin with, and what is asked of it."""

import json
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import openpyxl

import kvcalc
from kvcalc.engines import ENGINES, find
from kvcalc.engines.server import reader
from kvcalc.model import Model
from kvcalc.readers import gguf, huggingface, line_files, preset, safetensors
from tests.fuzz.mutators import VALUES
from tests.readers.test_gguf import write as write_gguf
from tests.readers.test_line_files import COMPOSE, DEPLOYMENT, LISTED
from tests.readers.test_metrics import SGLANG, VLLM

ROOT = Path(__file__).parents[2]
ORACLES = ROOT / "tests" / "oracles"
_MADE = tempfile.TemporaryDirectory(prefix="kvcalc-fuzz-")
FOLDER = Path(_MADE.name)
"""Removed when the process ends."""
RATES: dict[str, Any] = {"prefill_rate": 8_000, "decode_rate": 40}


class Surface(NamedTuple):
    """The seeds, made when they are first needed, and what is done with an input."""

    seeds: Callable[[], Sequence[bytes]]
    ask: Callable[[bytes, Random], object]


def _files(*patterns: str, most: int = 16_000) -> list[bytes]:
    found = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    return [path.read_bytes()[:most] for path in found]


def _file(name: str, content: bytes) -> Path:
    path = FOLDER / name
    path.write_bytes(content)
    return path


def _asked(model: Model, random: Random) -> None:
    cost = kvcalc.cost(model, random.choice(tuple(ENGINES)))
    context = random.choice((1, 4_096, 2**20 + 1))
    total = cost(context, sequences=random.choice((1, 3)))
    assert type(total) is int
    assert total >= 0
    str(cost.explain(context))


def _config(content: bytes, random: Random) -> None:
    _asked(huggingface.read(_file("config.json", content)).model, random)


def _gguf(content: bytes, random: Random) -> None:
    _asked(gguf.read(_file("model.gguf", content)).model, random)


def _preset(content: bytes, random: Random) -> None:
    _asked(preset.read(_file("model.toml", content)).model, random)


def _safetensors(content: bytes, _: Random) -> None:
    list(safetensors.read_header(BytesIO(content), "model.safetensors"))


@cache
def _model() -> Model:
    return kvcalc.load("k-exaone-236b-a23b")


def _log(content: bytes, random: Random) -> None:
    kvcalc.check(BytesIO(content), random.choice((None, _model())))


def _plan(content: bytes, _: Random) -> None:
    kvcalc.fill(_file("plan.csv", content))


def _workbook(content: bytes, _: Random) -> None:
    kvcalc.fill(_file("plan.xlsx", content))


def _trace(content: bytes, random: Random) -> None:
    name = "trace.jsonl" if content.lstrip()[:1] == b"{" else "trace.csv"
    prefix = random.random() < 0.3
    kvcalc.trace(_model(), _file(name, content), prefix=prefix, **RATES)


def _replay(content: bytes, _: Random) -> None:
    kvcalc.replay(_model(), _file("replay.jsonl", content), blocks=64)


def _manifest(content: bytes, _: Random) -> None:
    reader.read(line_files.read(str(_file("compose.yaml", content))))


def _line(content: bytes, _: Random) -> None:
    reader.read(content.decode(errors="replace"))


def _settings(content: bytes, random: Random) -> None:
    engine = random.choice(tuple(ENGINES))
    names = random.choices(list(find(engine).settings.model_fields), k=random.choice((1, 1, 2, 4)))
    words: Sequence[Any] = (
        content.decode(errors="replace"),
        -1,
        0,
        1,
        3,
        2**31,
        10**40,
        0.5,
        True,
        None,
        [],
        {},
    )
    given: dict[str, Any] = {name: random.choice(words) for name in names}
    kvcalc.cost(_model(), engine, **given)(8_192)


def _ggufs() -> list[bytes]:
    keys = {"block_count": 4, "head_count": 8, "context_length": 8192, "embedding_length": 64}
    path = write_gguf(FOLDER / "seed.gguf", "llama", keys, tokens=3)
    return [path.read_bytes()]


def _workbooks() -> list[bytes]:
    book = openpyxl.Workbook()
    for row in (["model", "context"], ["llama-3.1-8b", 8192], ["gpt-oss-20b", "=A1"]):
        book.worksheets[0].append(row)
    book.save(FOLDER / "seed.xlsx")
    return [(FOLDER / "seed.xlsx").read_bytes()]


def _headers() -> list[bytes]:
    header = {"a": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}}
    text = json.dumps(header).encode()
    return [len(text).to_bytes(8, "little") + text]


def _metrics() -> list[bytes]:
    return [VLLM.format(0.5).encode(), SGLANG.format(0.25).encode()]


def _lines() -> list[bytes]:
    table = json.loads((ORACLES / "command_lines.json").read_text())
    return [text.encode() for text in _texts(table) if len(text) > 20]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _texts(one)]


SURFACES = {
    "config": Surface(lambda: _files("tests/oracles/configs/*.json"), _config),
    "gguf": Surface(_ggufs, _gguf),
    "presets": Surface(lambda: _files("presets/models/*.toml"), _preset),
    "safetensors": Surface(_headers, _safetensors),
    "logs": Surface(lambda: [*_files("tests/oracles/logs/*.log", most=6_000), *_metrics()], _log),
    "plans": Surface(lambda: _files("tests/oracles/plan.csv", most=2_000), _plan),
    "workbooks": Surface(_workbooks, _workbook),
    "traces": Surface(lambda: _files("tests/oracles/traces/*.*", most=2_000), _trace),
    "settings": Surface(lambda: VALUES, _settings),
    "replays": Surface(
        lambda: _files("tests/oracles/traces/replay/*.jsonl", "tests/oracles/traces/*.jsonl"),
        _replay,
    ),
    "lines": Surface(_lines, _line),
    "manifests": Surface(
        lambda: [COMPOSE.encode(), LISTED.encode(), DEPLOYMENT.encode()], _manifest
    ),
}

warnings.simplefilter("ignore")

"""What programs read of a wrong request, whose sentence they need not read: its facts."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import kvcalc
from kvcalc.answers.fill.columns import QUESTIONS
from kvcalc.engines import ENGINES
from kvcalc.engines.server import reader
from tests.each import each

Ask = Callable[[], object]

QWEN = kvcalc.load("qwen3-8b")
PAIR: Any = ["qwen3-8b", "gpt-oss-20b"]
SKIPPED = "kv_cache_dtype_skip_layers"
INTERVAL = "prefix_cache_retention_interval"

SETTINGS = f"one of {', '.join(kvcalc.MlxSettings.model_fields)}"
PRESETS = "a preset that `kvcalc models` lists, a file or a Hub id"


def cost(engine: str, **settings: Any) -> Ask:
    return lambda: kvcalc.cost(QWEN, engine, **settings)


def ideal(context: Any, **amounts: Any) -> Ask:
    return lambda: kvcalc.cost(QWEN, "ideal").formula(context, **amounts)


def fit(**given: Any) -> Ask:
    return lambda: kvcalc.fit(QWEN, engine="vllm", **{"gpu": "h200", **given})


def fill(header: str, **given: Any) -> Ask:
    def ask() -> object:
        with TemporaryDirectory() as folder:
            plan = Path(folder, "plan.csv")
            plan.write_text(f"{header}\n")
            return kvcalc.fill(plan, **given)

    return ask


def line(text: str) -> Ask:
    return lambda: reader.read(text)


@each(
    ("ask", "field", "found", "expected"),
    [
        (cost("mlx", zz=1), "zz", "zz", SETTINGS),
        (cost("mlx", kv_bit=4), "kv_bit", "kv_bit", SETTINGS),
        (lambda: kvcalc.MlxSettings.model_validate({"zz": 1}), "zz", "zz", SETTINGS),
        (cost("mlx", kv_bits=True), "kv_bits", True, "a whole number"),
        (cost("mlx", kv_bits=7), "kv_bits", 7, "1, 2, 3, 4, 5, 6 or 8"),
        (
            cost("vllm", **{SKIPPED: "0,zz"}),
            *(SKIPPED, "zz", "layers' indices or sliding_window"),
        ),
        (cost("vllm", **{INTERVAL: -1}), INTERVAL, -1, "0 to 2^40, or none"),
        (cost("vllm", **{INTERVAL: "zz"}), INTERVAL, "zz", "0 to 2^40, or none"),
        (cost("zz"), "engine", "zz", f"one of {', '.join(ENGINES)}"),
        (ideal(1, zz=2), "zz", "zz", "one of context, sequences"),
        (
            ideal([1, 2], sequences=[1, 2, 3]),
            *("lists", {"context": 2, "sequences": 3}, "lists of one length"),
        ),
        (lambda: kvcalc.cost(QWEN, "llama.cpp")(1, sequences=999), "sequences", 999, "at most 256"),
        (fit(gpus=0), "gpus", 0, "at least 1"),
        (fit(gpu="zz"), "gpu", "zz", "a name that `kvcalc gpus` lists"),
        (fit(hit_rate="50%"), "hit_rate", None, "beside trace, and the other way"),
        (lambda: kvcalc.load("zz"), "model", "zz", PRESETS),
        (lambda: kvcalc.load(PAIR), "source", PAIR, "a text or a Path"),
        (lambda: kvcalc.sweep(QWEN, context=[]), "context", [], "at least one"),
        (lambda: kvcalc.page([], output="a.txt"), "output", ".txt", "a name that ends in .html"),
        (fill("Model,MODEL,context"), "model", 2, "one"),
        (fill("model,tokens"), "context", None, "one of 'model', 'tokens'"),
        (fill("model,context,bytes"), "bytes", "bytes", "to be added"),
        (fill("model,context", add=["zz"]), "add", "zz", "gib, fits, gpus, each once"),
        (
            fill("model,context", columns={"zz": "a"}),
            *("--column", "zz", f"one of {', '.join(QUESTIONS)}"),
        ),
        (line("python main.py --cache-of-mine 3"), "--from", "--cache-of-mine", None),
        (line("vllm serve m --max-num-seqs x"), "--from", "x", "a whole number"),
        (line("vllm serve m --enforce-eager=3"), "--from", "3", "no value"),
    ],
    ids=lambda row: row[1:],
)
def test_it_says_its_field_what_was_found_and_what_is_expected(
    ask: Ask, field: str, found: object, expected: str | None
) -> None:
    with pytest.raises(kvcalc.KvcalcError) as refused:
        ask()
    assert type(refused.value) is kvcalc.RequestError
    assert vars(refused.value) == {"field": field, "found": found, "expected": expected}

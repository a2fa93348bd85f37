"""What llama.cpp's own code allocated, as measured, to the byte: every case, by memory."""

import json
from functools import cache
from itertools import chain, cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import kvcalc
from kvcalc.costs import Cost
from kvcalc.engines.llama_cpp.cost import cost
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.errors import KvcalcError
from kvcalc.formula.formula import Formula
from kvcalc.model import Model
from kvcalc.readers.gguf import read
from tests.each import each
from tests.engines.llama_cpp_memories import memories
from tests.readers.test_gguf import write

ORACLES = Path(__file__).parents[1] / "oracles"


def oracle(name: str) -> Any:
    return json.loads((ORACLES / f"{name}.json").read_text())


PLAIN, MORE = oracle("llama_cpp"), oracle("llama_cpp_more")
SHAPES = {model["name"]: model for model in oracle("gguf_shapes")["models"]}
NAMES = {"n_ubatch": "ubatch_size", "type_k": "cache_type_k", "type_v": "cache_type_v"}
"""The columns whose settings have other names; the rest have the same, or are no settings."""

CONFIGS = {
    "DeepSeek-V3": "deepseek-ai--DeepSeek-V3",
    "DeepSeek-V3.2": "deepseek-ai--DeepSeek-V3.2",
    "GLM-5": "zai-org--GLM-5",
    "DeepSeek-V4-Flash": "deepseek-ai--DeepSeek-V4-Flash",
    "MiniMax-M3": "MiniMaxAI--MiniMax-M3",
    "Kimi-K3": "moonshotai--Kimi-K3",
    "MiniMax-M2.5": "MiniMaxAI--MiniMax-M2.5",
    "Qwen3.5-27B": "Qwen--Qwen3.5-27B",
    "Nemotron-3-Nano-30B-A3B": "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    "Gemma-4-26B-A4B": "google--gemma-4-26B-A4B",
    "Llama-4-Scout": "meta-llama--Llama-4-Scout-17B-16E-Instruct",
    "Mixtral-8x7B-v0.1": "mistralai--Mixtral-8x7B-v0.1",
    "gpt-oss-20b": "openai--gpt-oss-20b",
    "Llama-3.3-Nemotron-Super-49B": "nvidia--Llama-3_3-Nemotron-Super-49B-v1",
    "Qwen3-30B-A3B": "Qwen--Qwen3-30B-A3B",
    "Qwen3-VL-8B": "Qwen--Qwen3-VL-8B-Instruct",
    "Llama-3.1-405B": "meta-llama--Meta-Llama-3.1-405B",
    "MiMo-V2-Flash": "XiaomiMiMo--MiMo-V2-Flash",
    "K-EXAONE-236B-A23B": "LGAI-EXAONE--K-EXAONE-236B-A23B",
    "Llama-3.1-8B": "meta-llama--Meta-Llama-3.1-8B",
}
"""The measured models whose config.json is here."""


def plain_keys(shape: dict[str, Any]) -> dict[str, Any]:
    """The metadata of one of the four plain shapes, its pattern spelled out."""
    keys = {"block_count": shape["layers"], "embedding_length": 4096, "context_length": 2**18}
    keys |= {"attention.head_count": 32, "attention.head_count_kv": shape["kv_heads"]}
    keys |= {"attention.key_length": shape["head_dim"], "attention.value_length": shape["head_dim"]}
    if shape["window"] is not None:
        letters = islice(cycle(shape["pattern"]), shape["layers"])
        keys["attention.sliding_window"] = shape["window"]
        keys["attention.sliding_window_pattern"] = [int(letter == "S") for letter in letters]
    return keys


METADATA = {
    shape["name"]: (shape["arch"], plain_keys(shape))
    for shape in (model["shape"] for model in PLAIN["models"])
} | {name: (shape["arch"], shape["gguf"]) for name, shape in SHAPES.items()}


@cache
def from_gguf(name: str) -> Model:
    """Read a measured model from a GGUF file with its own keys."""
    architecture, keys = METADATA[name]
    with TemporaryDirectory() as folder:
        return read(write(Path(folder) / "model.gguf", architecture, keys)).model


@cache
def from_config(name: str) -> Model:
    """Read a measured model from its config.json."""
    return kvcalc.load(str(ORACLES / "configs" / f"{CONFIGS[name]}.json"))


def asked(case: dict[str, Any], longest: int | None) -> tuple[LlamaCppSettings, int, int]:
    """The settings of a case, the context of one sequence, and how many sequences."""
    settings = {
        NAMES.get(name, name): value
        for name, value in case.items()
        if NAMES.get(name, name) in LlamaCppSettings.model_fields
    }
    sequences = case["n_seq_max"]
    return LlamaCppSettings(**settings), (case["n_ctx"] or longest) // sequences, sequences


@cache
def formulas(model: Model, settings: LlamaCppSettings) -> tuple[Cost, dict[str, Formula]]:
    """What all contexts have in common: the cost, and the formula of each memory."""
    whole = cost(model, settings)
    variables = whole.formula.variables
    parted = memories(model, settings).items()
    return whole, {name: Formula(memory, variables) for name, memory in parted}


def figures(model: Model, case: dict[str, Any]) -> dict[str, int]:
    """The bytes of a case, in all and by memory, without memories that hold none."""
    longest = from_gguf(case["name"]).max_context
    settings, context, sequences = asked(case, longest)
    whole, parted = formulas(model, settings)
    found = {"bytes": whole(context, sequences=sequences)}
    for name, memory in parted.items():
        size = memory(context, sequences=sequences)
        found |= {name: size} if size else {}
    assert whole.per_gpu(context, sequences=sequences) == found["bytes"]
    shares = [group.formula(context, sequences=sequences) for group in whole.groups]
    assert sum(shares) == found["bytes"]
    return found


def cases(kind: str) -> list[dict[str, Any]]:
    """The rows of a table of both files, each with its columns' names and its model's."""
    tables = chain(
        (
            (model["shape"]["name"], PLAIN["columns"], model["cases"] if kind == "cases" else [])
            for model in PLAIN["models"]
        ),
        ((model["name"], MORE["columns"], model[kind]) for model in MORE["models"]),
    )
    return [
        {"name": name} | dict(zip(columns, row, strict=False))
        for name, columns, rows in tables
        for row in rows
    ]


def label(case: dict[str, Any]) -> str:
    switches = [name for name in ("swa_full", "kv_unified") if case[name]]
    amounts = [f"{case['n_seq_max']}x{case['n_ctx']}", case["type_k"], case["type_v"]]
    return "-".join([case["name"], *map(str, amounts), str(case["n_ubatch"]), *switches])


MEASURED, REFUSED = cases("cases"), cases("refused")


def measured(case: dict[str, Any]) -> dict[str, int]:
    parts: dict[str, int] = case.get("memories", {})
    return {"bytes": case["bytes"]} | parts


@each("case", MEASURED, ids=label)
def test_a_context_allocates_what_was_measured(case: dict[str, Any]) -> None:
    found = figures(from_gguf(case["name"]), case)
    assert {name: found[name] for name in measured(case)} == measured(case)
    assert "memories" not in case or found.keys() == measured(case).keys()


@each("case", REFUSED, ids=label)
def test_what_llama_cpp_turns_down_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(KvcalcError):
        figures(from_gguf(case["name"]), case)


@each("name", CONFIGS)
def test_a_config_says_the_same_as_a_gguf_file(name: str) -> None:
    rows = [case for case in MEASURED if case["name"] == name]
    assert rows
    for case in rows:
        found = figures(from_config(name), case)
        assert {key: found[key] for key in measured(case)} == measured(case)


@each("name", sorted({row["name"] for row in REFUSED} & CONFIGS.keys()))
def test_a_config_is_refused_as_a_gguf_file_is(name: str) -> None:
    for case in (row for row in REFUSED if row["name"] == name):
        with pytest.raises(KvcalcError):
            figures(from_config(name), case)

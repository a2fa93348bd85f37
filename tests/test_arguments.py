"""Every public function refuses what is no argument of it: one kind of error, with its name."""

import inspect
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.engines import ENGINES, find
from tests.each import each

MODEL = kvcalc.load("k-exaone-236b-a23b")
LOG = b"Available KV cache memory: 50.00 GiB\nGPU KV cache size: 918,519 tokens\n"
RATES = {"prefill_rate": 8_000, "decode_rate": 40}
FUNCTIONS = {
    name: found
    for name in kvcalc.__all__
    if inspect.isfunction(found := getattr(kvcalc, name)) and inspect.signature(found).parameters
}
RIGHT: dict[str, dict[str, Any]] = {
    "check": {"log": BytesIO(LOG), "model": MODEL},
    "compare": {"model": MODEL, "among": ["ideal"]},
    "describe_engine": {"name": "vllm"},
    "diff": {"model": MODEL, "engine": "vllm", "new_engine": "ideal"},
    "fill": {"plan": "tests/oracles/plan.csv"},
    "fit": {"model": MODEL, "gpu": "h200"},
    "load": {"source": "llama-3.1-8b"},
    "plot": {"model": MODEL, "gpu": "h200", "gpus": 4, "points": 3},
    "pool": {"model": MODEL, "engine": "vllm", "memory": 2**36},
    "page": {"models": "llama-3.1-8b", "engine": ["ideal"], "force": True},
    "read": {"source": "llama-3.1-8b"},
    "sheet": {"models": "llama-3.1-8b", "among": ["ideal"], "force": True},
    "replay": {"model": MODEL, "files": "tests/oracles/traces/replay/tree_small.jsonl", **RATES},
    "schema": {"command": "estimate"},
    "show": {"source": "llama-3.1-8b"},
    "trace": {"model": MODEL, "files": "tests/oracles/traces/azure_code.csv", **RATES},
}
"""What each function needs, beside which one argument is wrong; of the others, a model."""

WRONG = (-5, True, 1.5, float("nan"), "\ud800", "9" * 5_000, b"x", [None], [-1], {1: 2}, print)
HUGE = (10**5_000, -(10**5_000), [10**5_000], {"context": 10**5_000})
FRACTIONS = {(name, rate) for name in ("replay", "trace") for rate in RATES}
"""Arguments that take fractions."""


ENDINGS = {"sheet": ".xlsx", "page": ".html"}
"""Functions that write a file, with its ending."""


def tried(name: str, argument: str, value: Any, folder: Path) -> str:
    """What is said of one argument; nothing if it is taken."""
    given = RIGHT.get(name, {"model": MODEL}) | {argument: value}
    if name in ENDINGS:
        given.setdefault("output", str(folder / f"plan{ENDINGS[name]}"))
    try:
        FUNCTIONS[name](**given)
    except kvcalc.KvcalcError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_wrong_argument_is_a_sentence(name: str, tmp_path: Path) -> None:
    for argument, parameter in inspect.signature(FUNCTIONS[name]).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        for value in (*WRONG, *HUGE):
            said = tried(name, argument, value, tmp_path)
            if isinstance(value, int) and not isinstance(value, bool):
                assert said.startswith(f"{argument}: found"), (argument, value)
            assert said.isprintable()
            taken = isinstance(value, str) or (name, argument) in FRACTIONS
            assert said or taken or (value is True and parameter.annotation is bool), (
                argument,
                value,
            )


EXPECTED = {
    "bool": ("write_formula", "per_gpu", 1, "True or False"),
    "int": ("estimate", "context", -1, "an int from 0 to 10^50"),
    "str": ("estimate", "engine", 1, "a text"),
    "Model": ("estimate", "model", 1, "a Model; see kvcalc.load"),
    "Settings": ("estimate", "settings", 1, "an engine's settings, as VllmSettings()"),
    "BinaryIO": ("check", "log", 1, "a text or a Path or an open file of bytes"),
    "Iterable": ("compare", "among", 1, "several, each a text"),
    "Mapping": ("fill", "columns", 1, "a mapping"),
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_what_is_expected_is_said_by_the_type(kind: str, tmp_path: Path) -> None:
    name, argument, value, expected = EXPECTED[kind]
    found = f"{argument}: found {value}, expected {expected}"
    assert tried(name, argument, value, tmp_path) == found


def test_amounts_of_five_thousand_digits_are_refused_in_every_call() -> None:
    cost = kvcalc.cost(MODEL, "llama.cpp")
    for ask in (cost, cost.per_gpu, cost.explain, cost.formula):
        for given in ({"context": 10**5_000}, {"context": 1, "sequences": 10**5_000}):
            with pytest.raises(kvcalc.RequestError, match="an integer of 16610 bits"):
                ask(**given)
    with pytest.raises(kvcalc.RequestError, match="block_size: found an integer of 16610 bits"):
        kvcalc.cost(MODEL, "vllm", block_size=10**5_000)


EXPECTED_OF_SETTINGS: dict[str, tuple[str, str, object, str]] = {
    "bool_parsing": ("vllm", "enforce_eager", "perhaps", "found 'perhaps', expected True or False"),
    "int_from_float": ("vllm", "block_size", 16.5, "found 16.5, expected a whole number"),
    "int_parsing": ("vllm", "block_size", "x", "found 'x', expected a whole number"),
    "int_parsing_size": ("vllm", "block_size", "9" * 5_000, "a whole number of fewer digits"),
    "value_error": ("mlx", "kv_bits", "9" * 5_000, "a whole number of fewer digits"),
}
"""What is said of a setting, by the kind of error that pydantic has for it."""


@pytest.mark.parametrize("kind", EXPECTED_OF_SETTINGS)
def test_what_is_expected_of_a_setting_is_said_in_our_words(kind: str) -> None:
    engine, name, value, sentence = EXPECTED_OF_SETTINGS[kind]
    settings: Any = find(engine).settings
    with pytest.raises(kvcalc.KvcalcError) as caught:
        settings(**{name: value})
    assert str(caught.value).startswith(f"{name}: found")
    assert sentence in str(caught.value)


@each("engine", ENGINES)
def test_settings_that_are_none_are_a_sentence(engine: str) -> None:
    """Of the class itself and through a cost; a field that takes the value takes it."""
    settings: Any = find(engine).settings
    cost: Any = partial(kvcalc.cost, MODEL, engine)
    said = []
    for name in settings.model_fields:
        for value in (*WRONG, *HUGE):
            for ask in (settings, cost):
                try:
                    ask(**{name: value})
                except kvcalc.KvcalcError as error:
                    said.append(str(error))
    assert said
    assert all(map(str.isprintable, said))

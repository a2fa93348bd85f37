"""`--set`: settings of an engine alone, never another keyword of the answer that is asked."""

from collections.abc import Callable
from inspect import signature
from typing import Any

import pytest

from kvcalc import engines
from kvcalc.answers.compare import compare
from kvcalc.answers.estimate import estimate
from kvcalc.answers.fit.question import question
from kvcalc.answers.sweep import sweep
from kvcalc.cli.options import OWN_OPTIONS
from kvcalc.engines import request
from tests.conftest import Cli

LLAMA = "llama-3.1-8b"


@pytest.mark.parametrize("answer", [request.cost, estimate, sweep, compare, question])
def test_every_keyword_of_an_answer_has_an_option_of_its_own(answer: Callable[..., Any]) -> None:
    parameters = signature(answer).parameters.values()
    assert {one.name for one in parameters if one.kind is not one.VAR_KEYWORD} <= OWN_OPTIONS


def test_no_setting_of_an_engine_is_taken_for_one() -> None:
    for name in engines.ENGINES:
        assert not OWN_OPTIONS & engines.find(name).settings.model_fields.keys()


@pytest.mark.parametrize("name", ["model", "engine", "context", "weights", "settings"])
@pytest.mark.parametrize("command", ["estimate", "sweep", "compare", "explain", "formula", "fit"])
def test_what_is_no_setting_is_refused(cli: Cli, command: str, name: str) -> None:
    card = ("--gpu", "h200") if command == "fit" else ()
    outcome = cli(command, LLAMA, *card, "--set", f"{name}=8")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"kvcalc: --set: found {name}, expected a setting of an engine\n"


@pytest.mark.parametrize("command", ["estimate", "compare", "explain", "fit"])
def test_a_gpu_is_given_once(cli: Cli, command: str) -> None:
    outcome = cli(command, LLAMA, "-e", "vllm", "--gpu", "h200", "--set", "gpu=b200")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "kvcalc: --set: gpu is given by its own option too; give one\n"

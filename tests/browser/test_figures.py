"""The page's figures, in Chromium: they are Python's, and a link repeats them."""

import random
import shlex
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

import kvcalc
from kvcalc.catalogue.models import names
from tests.browser.opened import Opened
from tests.browser.settings import ANSWERS, by_python, drawn, page_of
from tests.conftest import Cli

MANY = 10_000
MOST_BYTES = 400_000


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page") / "plan.html"


@pytest.fixture(scope="module")
def opened(browser: Chrome, path: Path) -> Opened:
    found = Opened(browser, page_of(names(), path), path.as_uri())
    found.open()
    return found


def test_all_presets_with_all_their_engines_are_a_small_file(opened: Opened, path: Path) -> None:
    assert len(opened.plan.models) == len(names())
    assert path.stat().st_size < MOST_BYTES


def test_ten_thousand_settings_are_answered_as_python_does(opened: Opened) -> None:
    draw = random.Random(21)
    rows = [drawn(opened.plan, draw) for _ in range(MANY)]
    shown = opened.run(ANSWERS, rows)
    expected = by_python(opened.plan, rows)
    wrong = [row for row in zip(rows, shown, expected, strict=True) if row[1] != row[2]]
    assert wrong[:3] == []
    answered = sum(isinstance(one, list) for one in expected)
    refused = {one for one in expected if isinstance(one, str)}
    assert answered > MANY / 4
    assert any(one.startswith("sequences: found ") for one in refused)


@pytest.mark.parametrize("engine", ["ideal", "vllm", "sglang", "llama.cpp"])
def test_the_commands_beside_the_figures_give_the_same(
    opened: Opened, cli: Cli, engine: str
) -> None:
    opened.turn(f"model=K-EXAONE-236B-A23B&engine={engine}&context=100K&sequences=8&window=4096")
    (figure,) = opened.texts("#figure .exact")
    assert f" {figure} (" in cli(*shlex.split(opened.text("estimate-command"))[1:]).out
    for table, command in (("engines", "compare-command"), ("contexts", "sweep-command")):
        told = cli(*shlex.split(opened.text(command))[1:]).out
        amounts = opened.texts(f"#{table} td:nth-child(2) .amount")
        assert len(amounts) >= 4
        for one in amounts:
            assert f"{one.splitlines()[0]} (" in told


def test_a_cut_window_is_held_against_the_whole_cache(opened: Opened) -> None:
    opened.turn("model=K-EXAONE-236B-A23B")
    assert opened.texts("#contexts td:last-child") == ["58.1 %", "26.4 %", "8.3 %", "4.3 %"]
    assert opened.texts("#contexts th")[4] == "saved of 4,096"
    opened.choose("window", "8192")
    assert opened.texts("#contexts thead th")[-1] == "saved of full"


def test_with_a_gpu_the_commands_give_the_same_and_fit_is_asked(
    browser: Chrome, cli: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "plan.html"
    on: dict[str, Any] = {"gpu": "l4", "block_size": 32, "tensor_parallel_size": (1, 2)}
    plan = kvcalc.page("qwen3-8b", path, engine=["vllm", "ideal"], **on)
    found = Opened(browser, plan, path.as_uri())
    found.open("gpus=2&context=16K&dtype=fp8")
    (figure,) = found.texts("#figure .exact")
    asked = shlex.split(found.text("estimate-command"))
    assert asked[-4:] == ["--gpu", "l4", "--set", "block_size=32"]
    assert f" {figure} (" in cli(*asked[1:]).out
    assert cli(*shlex.split(found.text("fit-command"))[1:]).out.startswith("Yes: Qwen3-8B with")
    found.choose("engine", "ideal")
    assert "--gpu" not in found.text("estimate-command")


def test_an_engine_says_in_its_own_words_that_it_cannot(opened: Opened) -> None:
    opened.turn("model=K-EXAONE-236B-A23B&engine=lmdeploy")
    model = opened.plan.models[names().index("k-exaone-236b-a23b")].model
    with pytest.raises(kvcalc.UnsupportedError) as refused:
        kvcalc.cost(model, "lmdeploy")
    assert opened.text("figure") == str(refused.value)
    assert not opened.find("layers").is_displayed()
    opened.choose("engine", "llama.cpp")
    opened.choose("sequences", "257")
    assert opened.text("figure") == "sequences: found 257, expected at most 256"
    assert f"llama.cpp: {opened.text('figure')}" in opened.text("reasons")


def test_a_link_repeats_the_view(opened: Opened) -> None:
    opened.open()
    before = opened.view
    opened.choose("model", "gpt-oss-120b")
    opened.choose("engine", "vllm")
    opened.choose("dtype", "fp8")
    opened.choose("gpus", "4")
    opened.choose("context", "64K")
    opened.choose("window", "1,024")
    opened.choose("sequences", "16")
    opened.choose("scale", "linear")
    chosen = opened.view
    assert chosen != before
    address = opened.browser.execute_async_script(
        "setTimeout(() => arguments[0](location.hash), 400)"
    )
    opened.open(address[1:])
    assert opened.view == chosen
    opened.open()
    assert opened.view == before
    document, _, _ = opened.browser.current_url.partition("#")
    opened.browser.get(f"{document}{address}")  # what is behind # alone changes
    assert opened.view == chosen


def test_an_address_that_says_nothing_sensible_shows_the_start(opened: Opened) -> None:
    opened.open()
    before = opened.view
    opened.open("model=nothing&engine=%3Cb%3E&dtype=&gpus=-1&scale=1&other=2&__proto__=3")
    assert opened.view == before
    opened.open("model=gpt-oss-20b&context=lots")
    assert "expected a whole number such as 8192 or 256K" in opened.text("context-said")
    assert opened.find("context").get_attribute("aria-invalid") == "true"
    opened.choose("context", "8K")
    assert opened.find("context").get_attribute("aria-invalid") is None
    opened.choose("window", "2000G")
    assert opened.text("window-said") == "expected at most 1,099,511,627,776"


def test_a_context_past_the_models_own_is_answered_with_a_warning(opened: Opened, cli: Cli) -> None:
    opened.turn("model=K-EXAONE-236B-A23B&context=512K")
    warning = cli(*shlex.split(opened.text("estimate-command"))[1:]).err.strip()
    past = "past the 262,144 that K-EXAONE-236B-A23B was made for"
    assert warning.endswith(past)
    assert f"{past}." in opened.text("said")

"""The page in Chromium, which is started once for all that is asked there.

Its figures are Python's, a link repeats them, and anybody can use it: by keyboard, narrow, dark,
printed, at once.
"""

import random
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

import kvcalc
from kvcalc.catalogue.models import names
from tests.benchmarks import page
from tests.browser.chromium import emulate
from tests.browser.opened import Opened
from tests.browser.settings import ANSWERS, by_python, drawn, page_of
from tests.conftest import Cli
from tests.shapes import PRESET

pytestmark = pytest.mark.browsers

MANY = 10_000
MOST_BYTES = 400_000
FEW = ("k-exaone-236b-a23b", "gpt-oss-120b", "deepseek-v4-pro")
A4 = 717
"""Pixels of a page between its margins."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page") / "plan.html"


@pytest.fixture(scope="module")
def opened(browser: Chrome, path: Path) -> Opened:
    found = Opened(browser, page_of(names(), path), path.as_uri())
    found.open()
    return found


@pytest.fixture(scope="module")
def few(browser: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    path = tmp_path_factory.mktemp("page") / "plan.html"
    return Opened(browser, kvcalc.page(FEW, path), path.as_uri())


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


def test_a_link_repeats_the_view(few: Opened) -> None:
    few.open()
    before = few.view
    few.choose("model", "gpt-oss-120b")
    few.choose("engine", "vllm")
    few.choose("dtype", "fp8")
    few.choose("gpus", "4")
    few.choose("context", "64K")
    few.choose("window", "1,024")
    few.choose("sequences", "16")
    few.choose("scale", "linear")
    chosen = few.view
    assert chosen != before
    address = few.browser.execute_async_script("setTimeout(() => arguments[0](location.hash), 400)")
    few.open(address[1:])
    assert few.view == chosen
    few.open()
    assert few.view == before
    document, _, _ = few.browser.current_url.partition("#")
    few.browser.get(f"{document}{address}")  # what is behind # alone changes
    assert few.view == chosen


def test_an_address_that_says_nothing_sensible_shows_the_start(few: Opened) -> None:
    few.open()
    before = few.view
    few.open("model=nothing&engine=%3Cb%3E&dtype=&gpus=-1&scale=1&other=2&__proto__=3")
    assert few.view == before
    few.open("model=gpt-oss-120b&context=lots")
    assert "expected a whole number such as 8192 or 256K" in few.text("context-said")
    assert few.find("context").get_attribute("aria-invalid") == "true"
    few.choose("context", "8K")
    assert few.find("context").get_attribute("aria-invalid") is None
    few.choose("window", "2000G")
    assert few.text("window-said") == "expected at most 1,099,511,627,776"


def test_a_context_past_the_models_own_is_answered_with_a_warning(opened: Opened, cli: Cli) -> None:
    opened.turn("model=K-EXAONE-236B-A23B&context=512K")
    warning = cli(*shlex.split(opened.text("estimate-command"))[1:]).err.strip()
    past = "past the 262,144 that K-EXAONE-236B-A23B was made for"
    assert warning.endswith(past)
    assert f"{past}." in opened.text("said")


VIEW = "engine=vllm&gpus=4&context=100K&sequences=8&window=4096"


REACHED = """
window.reached = [];
addEventListener("focusin", ({ target }) => reached.push(target.id || target.innerText));
"""


def test_the_keyboard_alone_is_enough(few: Opened) -> None:
    few.open("model=K-EXAONE-236B-A23B")
    few.run(REACHED)
    ActionChains(few.browser).send_keys(Keys.TAB * 24).perform()
    reached = few.run("return reached")
    assert len(reached) == 24
    fields = ["model", "engine", "dtype", "context", "window", "sequences", "gpus", "scale"]
    assert [one for one in reached if one in fields] == fields
    assert {"slider", "Copy", "sglang"} <= {*reached}
    before = few.text("figure")
    few.find("slider").send_keys(Keys.ARROW_LEFT)
    assert few.text("figure") != before
    few.find("engines").find_element(By.XPATH, ".//button[.='sglang']").send_keys(Keys.ENTER)
    assert few.text("answer-title").startswith("K-EXAONE-236B-A23B on sglang ")
    assert few.find("engine").get_attribute("value") == "sglang"
    assert few.browser.switch_to.active_element.text == "sglang"


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 360)])
def test_axe_finds_nothing(few: Opened, checker: str, dark: bool, width: int) -> None:
    emulate(few.browser, dark=dark, width=width)
    few.turn(f"model=gpt-oss-120b&{VIEW}")
    if not few.run("return 'axe' in window"):
        few.run(checker)
    found = few.browser.execute_async_script(
        "axe.run().then(arguments[0], (error) => arguments[0]({ error: String(error) }))"
    )
    told = [
        (one["id"], one["impact"], [node["html"] for node in one["nodes"]])
        for one in found["violations"]
    ]
    assert told == []
    assert len(found["passes"]) > 20


@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_is_wider_than_a_narrow_screen(few: Opened, width: int) -> None:
    emulate(few.browser, width=width)
    few.turn(f"model=DeepSeek-V4-Pro&{VIEW}")
    assert few.run("return document.documentElement.scrollWidth") <= width


def test_print_has_the_figures_and_none_of_the_controls(few: Opened) -> None:
    emulate(few.browser, media="print", width=A4)
    few.turn(f"model=K-EXAONE-236B-A23B&{VIEW}")
    assert few.run("return document.documentElement.scrollWidth") <= A4
    for name in ("figure", "said", "chart", "engines", "estimate-command", "origins"):
        assert few.find(name).is_displayed()
    for name in ("settings", "slider", "scale"):
        assert not few.find(name).is_displayed()


HOSTILE = "</script><img src=x onerror=document.title=1>{dtype} &amp; $style"


def test_a_hostile_name_stays_text(browser: Chrome, tmp_path: Path) -> None:
    own = tmp_path / "<b>$(touch x)'.toml"
    own.write_text(PRESET.replace('"Test-1B"', f'"{HOSTILE}"'))
    plan = kvcalc.page([str(own), "llama-3.1-8b"], tmp_path / "plan.html", engine=["ideal", "vllm"])
    found = Opened(browser, plan, (tmp_path / "plan.html").as_uri())
    found.open("context=8K")
    assert browser.title == f"KV cache memory: {HOSTILE}, Llama-3.1-8B"
    assert found.text("answer-title") == f"{HOSTILE} on ideal"
    assert Select(found.find("model")).first_selected_option.text == HOSTILE
    assert found.run("return document.querySelectorAll('img, script').length") == 3
    assert shlex.split(found.text("estimate-command"))[2] == str(own)


COUNTED = """
let count = 0;
for (const formula of formulas) {
  const { run } = formula;
  formula.run = (...given) => ((count += 1), run(...given));
}
show();
return count;
"""


def test_a_change_takes_few_evaluations(few: Opened) -> None:
    """Its time is measured by tests/benchmarks/page.py, which wants a machine of its own."""
    few.turn(f"model=K-EXAONE-236B-A23B&{VIEW}")
    assert 0 < few.run(COUNTED) < 1_500


def test_the_benchmark_of_a_change_runs(
    browser: Chrome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At its least size, as tests/test_benchmarks.py runs the others."""
    monkeypatch.setattr(page, "chromium", lambda _: nullcontext(browser))
    monkeypatch.setattr(sys, "argv", [page.__file__, "1", "2"])
    page.main()
    assert capsys.readouterr().out

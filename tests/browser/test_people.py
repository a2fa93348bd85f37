"""Anybody can use the page, in Chromium: by keyboard, narrow, dark, printed, at once."""

import shlex
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

import kvcalc
from tests.benchmarks import page
from tests.browser.chromium import emulate
from tests.browser.opened import Opened
from tests.shapes import PRESET

A4 = 717
"""Pixels of a page between its margins."""

VIEW = "engine=vllm&gpus=4&context=100K&sequences=8&window=4096"


@pytest.fixture(scope="module")
def opened(browser: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    path = tmp_path_factory.mktemp("page") / "plan.html"
    plan = kvcalc.page(["k-exaone-236b-a23b", "gpt-oss-120b", "deepseek-v4-pro"], path)
    return Opened(browser, plan, path.as_uri())


REACHED = """
window.reached = [];
addEventListener("focusin", ({ target }) => reached.push(target.id || target.innerText));
"""


def test_the_keyboard_alone_is_enough(opened: Opened) -> None:
    opened.open("model=K-EXAONE-236B-A23B")
    opened.run(REACHED)
    ActionChains(opened.browser).send_keys(Keys.TAB * 24).perform()
    reached = opened.run("return reached")
    assert len(reached) == 24
    fields = ["model", "engine", "dtype", "context", "window", "sequences", "gpus", "scale"]
    assert [one for one in reached if one in fields] == fields
    assert {"slider", "Copy", "sglang"} <= {*reached}
    before = opened.text("figure")
    opened.find("slider").send_keys(Keys.ARROW_LEFT)
    assert opened.text("figure") != before
    opened.find("engines").find_element(By.XPATH, ".//button[.='sglang']").send_keys(Keys.ENTER)
    assert opened.text("answer-title").startswith("K-EXAONE-236B-A23B on sglang ")
    assert opened.find("engine").get_attribute("value") == "sglang"
    assert opened.browser.switch_to.active_element.text == "sglang"


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 360)])
def test_axe_finds_nothing(opened: Opened, checker: str, dark: bool, width: int) -> None:
    emulate(opened.browser, dark=dark, width=width)
    opened.turn(f"model=gpt-oss-120b&{VIEW}")
    if not opened.run("return 'axe' in window"):
        opened.run(checker)
    found = opened.browser.execute_async_script(
        "axe.run().then(arguments[0], (error) => arguments[0]({ error: String(error) }))"
    )
    told = [
        (one["id"], one["impact"], [node["html"] for node in one["nodes"]])
        for one in found["violations"]
    ]
    assert told == []
    assert len(found["passes"]) > 20


@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_is_wider_than_a_narrow_screen(opened: Opened, width: int) -> None:
    emulate(opened.browser, width=width)
    opened.turn(f"model=DeepSeek-V4-Pro&{VIEW}")
    assert opened.run("return document.documentElement.scrollWidth") <= width


def test_print_has_the_figures_and_none_of_the_controls(opened: Opened) -> None:
    emulate(opened.browser, media="print", width=A4)
    opened.turn(f"model=K-EXAONE-236B-A23B&{VIEW}")
    assert opened.run("return document.documentElement.scrollWidth") <= A4
    for name in ("figure", "said", "chart", "engines", "estimate-command", "origins"):
        assert opened.find(name).is_displayed()
    for name in ("settings", "slider", "scale"):
        assert not opened.find(name).is_displayed()


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


def test_a_change_takes_few_evaluations(opened: Opened) -> None:
    """Its time is measured by tests/benchmarks/page.py, which wants a machine of its own."""
    opened.turn(f"model=K-EXAONE-236B-A23B&{VIEW}")
    assert 0 < opened.run(COUNTED) < 1_500


def test_the_benchmark_of_a_change_runs(
    browser: Chrome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At its least size, as tests/test_benchmarks.py runs the others."""
    monkeypatch.setattr(page, "chromium", lambda _: nullcontext(browser))
    monkeypatch.setattr(sys, "argv", [page.__file__, "1", "2"])
    page.main()
    assert capsys.readouterr().out

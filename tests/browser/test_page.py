"""The page in a real browser: its figures are Python's, and anybody can use it."""

import random
import shlex
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

import kvcalc
from kvcalc.catalogue.models import names
from kvcalc.engines import ENGINES
from tests.browser.axe import axe
from tests.browser.chromium import emulate
from tests.conftest import Cli
from tests.shapes import PRESET

DTYPES = ("fp8", "int4", "q8_0")
RANKS = (1, 4)
SETTINGS = 10_000


class Opened(NamedTuple):
    """A page in a browser, and what it was made from."""

    browser: Chrome
    plan: kvcalc.PagePlan
    address: str

    def open(self, fragment: str = "") -> None:
        """Show it anew: another address behind # alone would not load it again."""
        self.browser.get("about:blank")
        self.browser.get(f"{self.address}#{fragment}")

    def find(self, name: str) -> WebElement:
        return self.browser.find_element(By.ID, name)

    def choose(self, field: str, value: str) -> None:
        """Set a field as a person does."""
        if self.find(field).tag_name == "select":
            Select(self.find(field)).select_by_value(value)
        else:
            self.find(field).clear()
            self.find(field).send_keys(value)

    def text(self, name: str) -> str:
        return self.find(name).text

    def run(self, script: str, *given: Any) -> Any:
        return self.browser.execute_script(script, *given)


@pytest.fixture(scope="module")
def opened(browser: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A page of all presets on all engines."""
    path = tmp_path_factory.mktemp("page") / "plan.html"
    plan = kvcalc.page(names(), path, kv_cache_dtype=DTYPES, tensor_parallel_size=RANKS)
    found = Opened(browser, plan, path.as_uri())
    found.open()
    return found


@pytest.fixture(autouse=True)
def _console_stays_empty(browser: Chrome) -> Any:
    emulate(browser)
    yield
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


ANSWERS = """
return arguments[0].map((row) => {
  const big = (value) => (value === null ? null : BigInt(value));
  const [model, engine, dtype, gpus] = row;
  const [context, sequences, window] = row.slice(4).map(big);
  const answer = answered({ model, engine, dtype, gpus, context, sequences, window });
  if (answer.error) return answer.error;
  const groups = answer.groups().map(({ kind, layers, window, bytes }) =>
    [kind, layers, window === null ? null : String(window), String(bytes)]);
  const { bytes, perGpu, peak, full, type } = answer;
  return [String(bytes), String(perGpu), peak && String(peak), full && String(full), type, groups];
});
"""


def amount(draw: random.Random, most: int) -> int:
    """Small and large amounts, and powers of two, around which blocks and windows step."""
    power: int = 2 ** draw.randint(0, most.bit_length() - 1)
    return draw.choice([draw.randint(1, 600), draw.randint(1, most), power, power + 1])


def drawn(plan: kvcalc.PagePlan, draw: random.Random) -> tuple[int | None, ...]:
    """A setting at random; half are of the models' own element types on one GPU."""
    model = draw.randrange(len(plan.models))
    own = plan.dtypes.index(None)
    slides = plan.models[model].model.sliding_windows
    window = draw.choice([None, draw.randint(1, 3), 128, amount(draw, 2**21)])
    return (
        model,
        draw.randrange(len(plan.engines)),
        draw.choice([own, own, draw.randrange(len(plan.dtypes))]),
        draw.choice([0, 0, draw.randrange(len(plan.ranks))]),
        amount(draw, 2**27),
        draw.choice([1, draw.randint(1, 300), amount(draw, 2**17)]),
        window if slides else None,
    )


def by_python(plan: kvcalc.PagePlan, rows: list[tuple[Any, ...]]) -> list[Any]:
    """What the library answers, which is asked for each window by itself."""

    @cache
    def windowed(model: int, window: int | None) -> kvcalc.Model:
        own = plan.models[model].model
        return own if window is None else own.with_window(window)

    @cache
    def cost(model: kvcalc.Model, engine: str, dtype: str | None, ranks: int) -> Any:
        asked: dict[str, Any] = {} if dtype is None else {"kv_cache_dtype": dtype}
        try:
            return kvcalc.cost(model, engine, tensor_parallel_size=ranks, **asked)
        except kvcalc.KvcalcError as error:
            return str(error)

    @cache
    def without_window(model: int) -> kvcalc.Model | None:
        own = plan.models[model].model
        full = own.with_full_attention()
        return None if full == own else full

    def answer(row: tuple[Any, ...]) -> Any:
        model, engine, dtype, gpus, context, sequences, window = row
        asked = (plan.engines[engine].name, plan.dtypes[dtype], plan.ranks[gpus])
        found = cost(windowed(model, window), *asked)
        if isinstance(found, str):
            return found
        full = without_window(model)
        others = None if full is None else cost(full, *asked)

        def at(formula: Any) -> str:
            return str(formula(context, sequences=sequences))

        try:
            return [
                at(found),
                at(found.per_gpu),
                found.peak_formula and at(found.peak_formula),
                at(others) if isinstance(others, kvcalc.Cost) else None,
                found.kv_cache_dtype,
                [
                    [one.kind, one.layers, one.window and str(one.window), at(one.formula)]
                    for one in found.groups
                ],
            ]
        except kvcalc.KvcalcError as error:
            return str(error)

    return [answer(row) for row in rows]


def test_ten_thousand_settings_are_answered_as_python_does(opened: Opened) -> None:
    draw = random.Random(21)
    rows = [drawn(opened.plan, draw) for _ in range(SETTINGS)]
    shown = opened.run(ANSWERS, rows)
    expected = by_python(opened.plan, rows)
    wrong = [row for row in zip(rows, shown, expected, strict=True) if row[1] != row[2]]
    assert wrong[:3] == []
    answered = sum(isinstance(one, list) for one in expected)
    refused = {one for one in expected if isinstance(one, str)}
    assert answered > SETTINGS / 4
    assert any(one.startswith("sequences: found ") for one in refused)


VIEW = "engine=vllm&gpus=4&context=100K&sequences=8&window=4096"


@pytest.mark.parametrize("engine", ["ideal", "vllm", "sglang", "llama.cpp"])
def test_the_commands_beside_the_figures_give_the_same(
    opened: Opened, cli: Cli, engine: str
) -> None:
    opened.open(f"model=K-EXAONE-236B-A23B&engine={engine}&context=100K&sequences=8&window=4096")
    figure = opened.find("figure").find_element(By.CLASS_NAME, "exact").text
    assert f" {figure} (" in cli(*shlex.split(opened.text("estimate-command"))[1:]).out
    for table, command in (("engines", "compare-command"), ("contexts", "sweep-command")):
        told = cli(*shlex.split(opened.text(command))[1:]).out
        amounts = opened.find(table).find_elements(By.CSS_SELECTOR, "td:nth-child(2) .amount")
        assert len(amounts) >= 4
        for one in amounts:
            assert f"{one.text.splitlines()[0]} (" in told


def test_an_engine_says_in_its_own_words_that_it_cannot(opened: Opened) -> None:
    opened.open("model=K-EXAONE-236B-A23B&engine=lmdeploy")
    model = opened.plan.models[names().index("k-exaone-236b-a23b")].model
    with pytest.raises(kvcalc.UnsupportedError) as refused:
        kvcalc.cost(model, "lmdeploy")
    assert opened.text("figure") == f"lmdeploy: {refused.value}"
    opened.choose("engine", "llama.cpp")
    opened.choose("sequences", "257")
    assert opened.text("figure") == "llama.cpp: sequences: found 257, expected at most 256"
    assert f"llama.cpp: {opened.text('figure').partition(': ')[2]}" in opened.text("reasons")


def state(opened: Opened) -> str:
    """All that a view shows."""
    shown: str = opened.run(
        "return document.querySelector('main').innerText + "
        "[...document.querySelectorAll('input, select')].map((one) => one.value)"
    )
    return shown


def test_a_link_repeats_the_view(opened: Opened) -> None:
    opened.open()
    before = state(opened)
    opened.choose("model", "gpt-oss-120b")
    opened.choose("engine", "vllm")
    opened.choose("dtype", "fp8")
    opened.choose("gpus", "4")
    opened.choose("context", "64K")
    opened.choose("window", "1,024")
    opened.choose("sequences", "16")
    opened.choose("scale", "linear")
    chosen = state(opened)
    assert chosen != before
    address = opened.browser.execute_async_script(
        "setTimeout(() => arguments[0](location.hash), 600)"
    )
    opened.open(address[1:])
    assert state(opened) == chosen
    opened.open()
    assert state(opened) == before
    opened.browser.get(f"{opened.address}{address}")  # the address alone changes
    assert state(opened) == chosen


def test_an_address_that_says_nothing_sensible_shows_the_start(opened: Opened) -> None:
    opened.open()
    before = state(opened)
    opened.open("model=nothing&engine=%3Cb%3E&dtype=&gpus=-1&scale=1&other=2&__proto__=3")
    assert state(opened) == before
    opened.open("model=gpt-oss-20b&context=lots")
    assert "expected a whole number such as 8192 or 256K" in opened.text("context-said")
    assert opened.find("context").get_attribute("aria-invalid") == "true"
    opened.choose("context", "8K")
    assert opened.find("context").get_attribute("aria-invalid") is None
    opened.choose("window", "2000G")
    assert opened.text("window-said") == "expected at most 1,099,511,627,776"


def test_a_context_past_the_models_own_is_answered_with_a_warning(opened: Opened, cli: Cli) -> None:
    opened.open("model=K-EXAONE-236B-A23B&context=512K")
    warning = cli(*shlex.split(opened.text("estimate-command"))[1:]).err.strip()
    past = "past the 262,144 that K-EXAONE-236B-A23B was made for"
    assert warning.endswith(past)
    assert f"{past}." in opened.text("said")


def test_the_keyboard_alone_is_enough(opened: Opened) -> None:
    opened.open("model=K-EXAONE-236B-A23B")
    reached = []
    for _ in range(24):
        opened.browser.switch_to.active_element.send_keys(Keys.TAB)
        at = opened.browser.switch_to.active_element
        reached.append(at.get_attribute("id") or at.text)
    fields = ["model", "engine", "dtype", "context", "window", "sequences", "gpus", "scale"]
    assert [one for one in reached if one in fields] == fields
    assert {"slider", "Copy", "sglang"} <= {*reached}
    before = opened.text("figure")
    opened.find("slider").send_keys(Keys.ARROW_LEFT)
    assert opened.text("figure") != before
    opened.find("engines").find_element(By.XPATH, ".//button[.='sglang']").send_keys(Keys.ENTER)
    assert opened.text("answer-title").startswith("K-EXAONE-236B-A23B on sglang ")
    assert opened.find("engine").get_attribute("value") == "sglang"


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> str:
    return axe(tmp_path_factory.mktemp("axe"))


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(opened: Opened, checker: str, dark: bool, width: int) -> None:
    emulate(opened.browser, dark=dark, width=width)
    opened.open(f"model=gpt-oss-120b&{VIEW}")
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
    opened.open(f"model=DeepSeek-V4-Pro&{VIEW}")
    assert opened.run("return document.documentElement.scrollWidth") <= width


def test_print_has_the_figures_and_none_of_the_controls(opened: Opened) -> None:
    emulate(opened.browser, media="print", width=794)
    opened.open(f"model=K-EXAONE-236B-A23B&{VIEW}")
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


TIMED = """
const times = [];
for (let turn = 0; turn < 40; turn += 1) {
  found("context").value = String(4096 + 977 * turn);
  const before = performance.now();
  show();
  document.body.getBoundingClientRect();
  times.push(performance.now() - before);
}
return times.sort((a, b) => a - b);
"""


def test_a_change_is_answered_within_a_frame(browser: Chrome, tmp_path: Path) -> None:
    six = list(ENGINES)[:6]
    plan = kvcalc.page(names()[:20], tmp_path / "plan.html", engine=six)
    found = Opened(browser, plan, (tmp_path / "plan.html").as_uri())
    found.open("model=K-EXAONE-236B-A23B&sequences=4")
    times = found.run(TIMED)
    assert times[0] < 16, times  # the least: others share the machine

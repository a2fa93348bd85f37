"""The page in Firefox: the same figures, the link, the console and axe-core."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvcalc.catalogue.models import names
from tests.browser.firefox import Firefox, firefox
from tests.browser.settings import ANSWERS, by_python, drawn, page_of

pytestmark = pytest.mark.browsers

MANY = 1_000


@pytest.fixture
def fox(tmp_path: Path) -> Iterator[Firefox]:
    with firefox(tmp_path) as found:
        yield found


SET = """(() => {
  for (const [field, value] of Object.entries(%s)) {
    found(field).value = value;
    found(field).dispatchEvent(new Event(CHOICES.includes(field) ? "change" : "input"));
  }
  return new Promise((done) => setTimeout(() => done(location.hash), 400));
})()"""
VIEW = "document.querySelector('main').innerText"


def test_firefox_shows_what_python_answers(fox: Firefox, checker: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.html"
    plan, address = page_of(names()[::4], path), path.as_uri()
    fox.open(address)
    draw = random.Random(22)
    rows = [drawn(plan, draw) for _ in range(MANY)]
    told = f"(function () {{ {ANSWERS} }})({json.dumps(rows)})"
    assert fox.run(told) == by_python(plan, rows)
    chosen = {"model": plan.models[1].name, "engine": "vllm", "context": "64K", "gpus": "4"}
    fragment = fox.run(SET % json.dumps(chosen))
    shown = fox.run(VIEW)
    fox.open("about:blank")
    fox.open(f"{address}{fragment}")
    assert fox.run(VIEW) == shown
    fox.load(checker)
    assert fox.run("axe.run().then(({ violations }) => violations.map(({ id }) => id))") == []
    assert fox.said == []

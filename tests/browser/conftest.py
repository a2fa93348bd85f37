"""One browser for the tests of a worker, whose console stays empty."""

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from tests.browser.chromium import chromium, emulate


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture(autouse=True)
def _console_stays_empty(request: pytest.FixtureRequest) -> Iterator[None]:
    if "browser" not in request.fixturenames:
        yield
        return
    browser: Chrome = request.getfixturevalue("browser")
    emulate(browser)
    yield
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]

"""One browser for the tests of a worker, whose console stays empty."""

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from tests.browser.axe import VERSION, axe
from tests.browser.chromium import chromium, emulate


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture(scope="package")
def checker(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core, which one run fetches for all that follow."""
    folder = tmp_path_factory.mktemp("axe")
    cache: pytest.Cache | None = getattr(pytestconfig, "cache", None)
    kept = folder if cache is None else cache.mkdir("axe-core")
    return axe(kept / f"axe-{VERSION}.min.js", folder)


@pytest.fixture(autouse=True)
def _console_stays_empty(request: pytest.FixtureRequest) -> Iterator[None]:
    if "browser" not in request.fixturenames:
        yield
        return
    browser: Chrome = request.getfixturevalue("browser")
    emulate(browser)
    yield
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]

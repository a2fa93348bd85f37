"""A page in Chromium, used as a person does."""

from itertools import count
from typing import Any, NamedTuple

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

import kvcalc

LOADS = count()


class Opened(NamedTuple):
    """A page in a browser, and what it was made from."""

    browser: Chrome
    plan: kvcalc.PagePlan
    address: str

    def open(self, fragment: str = "") -> None:
        """Show it anew: another address behind # alone would not load it again."""
        self.browser.get(f"{self.address}?{next(LOADS)}#{fragment}")

    def turn(self, fragment: str) -> None:
        """Show what an address says, by what is behind # alone where it shows the page already."""
        document, _, _ = self.browser.current_url.partition("#")
        own = document.partition("?")[0] == self.address
        self.browser.get(f"{document if own else self.address}#{fragment}")

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

    def texts(self, selector: str) -> list[str]:
        """The texts of all elements that a selector finds, in one call."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText)"
        found: list[str] = self.run(script, selector)
        return found

    def run(self, script: str, *given: Any) -> Any:
        return self.browser.execute_script(script, *given)

    @property
    def view(self) -> str:
        """All that it shows."""
        shown: str = self.run(
            "return document.querySelector('main').innerText + "
            "[...document.querySelectorAll('input, select')].map((one) => one.value)"
        )
        return shown

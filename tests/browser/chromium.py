"""A Chromium of the system, driven by its own driver, without a screen or a network."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.programs import program

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1600",
)


@contextmanager
def chromium(profile: Path) -> Iterator[Chrome]:
    """Start a browser with an empty profile, which keeps all that a page's console says."""
    options = ChromeOptions()
    options.binary_location = program("chromium", "google-chrome")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, Service(program("chromedriver")))
    driver.set_script_timeout(60)
    try:
        yield driver
    finally:
        driver.quit()


def emulate(browser: Chrome, *, dark: bool = False, media: str = "", width: int = 1280) -> None:
    """Show a page on a dark or light screen, or as printed, of this many pixels."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    told: dict[str, Any] = {"media": media, "features": [scheme]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", told)
    size = {"width": width, "height": 1600, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

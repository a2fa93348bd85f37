"""A Firefox of the system by WebDriver BiDi, which it speaks itself: it needs no driver.

Specification: https://www.w3.org/TR/webdriver-bidi/; its debugging port is on this machine alone.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websocket import WebSocket, create_connection

from tests.programs import program

FLAGS = ("--headless", "--no-remote", "--remote-debugging-port=0")

PREFERENCES = {"browser.startup.page": 0, "extensions.enabledScopes": 0}
"""No page of its own at the start, and no extensions: nothing that no test asks for."""

LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


class Firefox:
    """A page in Firefox; `said` is what its console said."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._calls = 0
        self.said: list[str] = []
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded"])
        self._page = self.call("browsingContext.getTree")["contexts"][0]["context"]

    def call(self, method: str, **parameters: Any) -> Any:
        """Send a command, and give its result."""
        self._calls += 1
        told = {"id": self._calls, "method": method, "params": parameters}
        self._socket.send(json.dumps(told))
        while True:
            heard = json.loads(self._socket.recv())
            if heard.get("method") == "log.entryAdded":
                self.said.append(heard["params"]["text"])
            if heard.get("id") == self._calls:
                assert heard["type"] == "success", heard
                return heard["result"]

    def open(self, address: str) -> None:
        """Load a page."""
        self.call("browsingContext.navigate", context=self._page, url=address, wait="complete")

    def run(self, expression: str) -> Any:
        """Evaluate an expression, or what it promises, whose value goes through JSON."""
        text = f"Promise.resolve({expression}).then((value) => JSON.stringify(value))"
        return json.loads(self.load(text)["value"])

    def load(self, script: str) -> Any:
        """Run a script, and give the value of its last statement as the protocol does."""
        found = self.call(
            "script.evaluate", expression=script, target={"context": self._page}, awaitPromise=True
        )
        assert found["type"] == "success", found
        return found["result"]


@contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    """Start a browser with an empty profile, and end it."""
    command = [program("firefox-esr", "firefox"), *FLAGS, "--profile", str(profile)]
    lines = [f'user_pref("{name}", {value});' for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    log = profile / "log"
    with log.open("w") as told:
        process = subprocess.Popen(command, stdout=told, stderr=told)
    try:
        yield Firefox(create_connection(_address(log, process), timeout=60, suppress_origin=True))
    finally:
        process.terminate()
        process.wait(30)


def _address(log: Path, process: "subprocess.Popen[bytes]") -> str:
    """Wait until it says where it listens."""
    for _ in range(600):
        if found := LISTENS.search(log.read_text()):
            return f"{found[1]}/session"
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())

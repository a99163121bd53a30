"""A headless Chromium controlled through the DevTools protocol, for tests of the user interface.

Contains the browser process, a page, and waits for conditions.
"""

import base64
import json
import os
import shlex
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from websockets.sync.client import ClientConnection, connect

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_T = TypeVar("_T")
_FLAGS = shlex.split(
    "--headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run --hide-scrollbars "
    "--disable-background-networking --disable-component-update --disable-sync --disable-default-apps "
    "--remote-debugging-port=0"
)


def until(what: str, seconds: float, ask: Callable[[], _T]) -> _T:
    """Call `ask` repeatedly until its result is true, and return the result. Fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"still waiting for {what} after {seconds:g} s"
        time.sleep(0.1)
    return answer


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads its own session, with all its child processes."""
    for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        if not _group_lives(process.pid, 3):
            break
    process.wait(5)


def _group_lives(group: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True


class Page:
    """One tab. `errors` collects uncaught exceptions and errors logged to the console."""

    def __init__(self, socket: ClientConnection) -> None:
        self.errors: list[str] = []
        self._socket = socket
        self._sent = 0
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def open(self, url: str) -> None:
        """Navigate to the URL. Wait for its content with `wait_for`."""
        self._call("Page.navigate", url=url)

    def ask(self, script: str) -> Any:
        """Return the value of a JavaScript expression, or of its promise."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            return None  # the page is between two documents
        return answer["result"].get("value")

    def wait_for(self, script: str, seconds: float = 30) -> Any:
        """Wait until the expression is true, and return its value."""
        truth = f"(value => value instanceof Node || value)({script})"
        try:
            return until(script, seconds, lambda: self.ask(truth))
        except AssertionError as error:
            text = str(self.ask("document.body.innerText"))[:2000]
            raise AssertionError(f"{error}. Errors of the page: {self.errors}. Its text:\n{text}") from None

    def click(self, script: str, seconds: float = 30) -> None:
        """Click the centre of the element that the expression returns, as soon as the element exists."""
        place = (
            f"(() => {{ const e = {script}; if (!e) return null; e.scrollIntoView({{block: 'center'}});"
            "const b = e.getBoundingClientRect(); return b.width ? [b.x + b.width / 2, b.y + b.height / 2] : null })()"
        )
        x, y = self.wait_for(place, seconds)
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self, file: Path) -> None:
        """Save the visible window as PNG."""
        file.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._sent += 1
        self._socket.send(json.dumps({"id": self._sent, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=30))
            if message.get("id") == self._sent:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._note(message.get("method", ""), message.get("params", {}))

    def _note(self, event: str, params: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(str(details.get("exception", {}).get("description", details["text"])))
        elif event == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif event == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.errors.append(" ".join(str(arg.get("value", arg.get("description"))) for arg in params["args"]))


@contextmanager
def opened_page(folder: Path, size: tuple[int, int] = (1500, 950)) -> Iterator[Page]:
    """Open a page in a new browser with its profile in `folder`. Skip the test if no browser is installed."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser found: none of {', '.join(BROWSERS)} is on the PATH")
    folder.mkdir(parents=True, exist_ok=True)
    port_file = folder / "DevToolsActivePort"
    command = [program, *_FLAGS, f"--user-data-dir={folder}", f"--window-size={size[0]},{size[1]}", "about:blank"]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        lines = until(
            "the browser's port", 30, lambda: port_file.read_text().splitlines() if port_file.exists() else []
        )
        with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json/list", timeout=10) as answer:
            url = next(item["webSocketDebuggerUrl"] for item in json.load(answer) if item["type"] == "page")
        with connect(url, max_size=None, compression=None) as socket:
            yield Page(socket)
    finally:
        end_process(process)

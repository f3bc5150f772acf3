"""A headless Chromium, driven by the DevTools protocol over a pipe: no port, no further package.

``CHROMIUM`` is the program, or None if it is not installed. The environment variable of the same
name selects another one.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)

_OPTIONS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",  # tests run as root in containers; they open nothing but our own page
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--hide-scrollbars",
)
_SECONDS = 20


class Tab:
    """One page of the browser.

    Attributes:
        events: What the browser has reported, in order: pairs of method and parameters.
    """

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser = browser
        self._session = session
        self.events = list[tuple[str, dict[str, Any]]]()
        for domain in ("Page", "Runtime", "Network", "Log", "Accessibility"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of the DevTools protocol and return its result."""
        return dict(self._browser.call(method, parameters, self))

    @property
    def session(self) -> str:
        """The id of its session."""
        return self._session

    def open(self, url: str) -> None:
        """Open an address and wait until it is loaded."""
        with self.loading():
            self.call("Page.navigate", url=url)

    @contextmanager
    def loading(self) -> Generator[None, None, None]:
        """Wait until what the block opens is loaded."""
        start = len(self.events)
        yield
        self.wait(lambda: "Page.loadEventFired" in [name for name, _ in self.events[start:]])

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + _SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("The browser did not do what the test waits for")
            self._browser.take_events()

    def run(self, script: str) -> Any:
        """Return the value of an expression; a promise is awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        """Press a key, such as ``Tab`` or ``Enter``."""
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        common = {"key": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def look(self, *, width: int, height: int = 900, scheme: str = "light") -> None:
        """Set the width of the window in pixels, and the colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self) -> bytes:
        """Return the whole page as a PNG."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])


class Browser:
    """A running browser; :func:`chromium` starts it."""

    def __init__(self, write: int, read: int) -> None:
        self._write = write
        self._read = read
        self._rest = b""
        self._last = 0
        self._tabs = dict[str, Tab]()

    def tab(self) -> Tab:
        """Open an empty page."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attach = {"targetId": target, "flatten": True}
        session = self.call("Target.attachToTarget", attach)["sessionId"]
        tab = Tab.__new__(Tab)
        self._tabs[session] = tab
        tab.__init__(self, session)  # type: ignore[misc]
        return tab

    def call(self, method: str, parameters: dict[str, Any], tab: Tab | None = None) -> Any:
        """Send one message and return its result; events go to their tabs."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if tab is not None:
            message["sessionId"] = tab.session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._last:
            self._keep(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def take_events(self, seconds: float = 0.02) -> None:
        """Take the events that have come, and wait for a moment if there are none."""
        if b"\0" in self._rest or select.select([self._read], [], [], seconds)[0]:
            self._keep(self._receive())

    def _keep(self, event: dict[str, Any]) -> None:
        """Give an event to its tab."""
        if "method" in event and event.get("sessionId") in self._tabs:
            self._tabs[event["sessionId"]].events.append((event["method"], event["params"]))

    def _receive(self) -> dict[str, Any]:
        """Return the next message."""
        while b"\0" not in self._rest:
            if not select.select([self._read], [], [], _SECONDS)[0]:
                raise TimeoutError("The browser does not answer")
            part = os.read(self._read, 1 << 20)
            if not part:
                raise EOFError("The browser has ended")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def chromium() -> Generator[Browser, None, None]:
    """Run a browser with an empty profile."""
    assert CHROMIUM is not None
    commands, write = os.pipe()
    read, answers = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The browser reads commands from descriptor 3 and writes answers to 4.
        script = f'exec "$@" 3<&{commands} 4>&{answers}'
        words = ["bash", "-c", script, "chromium", CHROMIUM, *_OPTIONS]
        process = subprocess.Popen(  # noqa: S603 - fixed words
            [*words, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        try:
            browser = Browser(write, read)
            yield browser
            browser.call("Browser.close", {})
            process.wait(_SECONDS)
        finally:
            process.kill()
            process.wait()
            os.close(write)
            os.close(read)

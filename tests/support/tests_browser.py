"""A real headless Chromium, spoken to by its own protocol over two pipes."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


class Browser:
    """One browser with one page.

    Attributes:
        said: messages of the console and the log, and exceptions.
        asked: addresses that the page asked for, its own left out.
    """

    def __init__(self, process: subprocess.Popen[bytes], sending: int, receiving: int) -> None:
        self._process, self._sending, self._receiving = process, sending, receiving
        self._numbers, self._rest = itertools.count(1), b""
        self._session = ""
        self._loaded = False
        self.said: list[str] = []
        self.asked: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        """Carry out one command of the protocol and return its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._sending, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, path: Path, width: int) -> None:
        """Show a file in a window of so many pixels."""
        self.said.clear()
        self.asked.clear()
        self._loaded = False
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.call("Page.navigate", url=path.as_uri())
        while not self._loaded:
            self._read()
        self.run("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
        self.asked = [url for url in self.asked if url != path.as_uri()]

    def run(self, script: str) -> Any:
        """Return what a script gives in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, path: Path) -> None:
        """Write a picture of the whole page as PNG."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        path.write_bytes(base64.b64decode(answer["data"]))

    def _read(self) -> Any:
        while b"\0" not in self._rest:
            part = os.read(self._receiving, 1 << 20)
            assert part, "the browser is gone"
            self._rest += part
        text, self._rest = self._rest.split(b"\0", 1)
        answer = json.loads(text)
        self._note(answer.get("method", ""), answer.get("params", {}))
        return answer

    def _note(self, method: str, params: Any) -> None:
        match method:
            case "Page.loadEventFired":
                self._loaded = True
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded":
                self.said.append(json.dumps(params))
            case "Network.requestWillBeSent":
                self.asked.append(params["request"]["url"])


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    """Start a browser; skip the test where there is none, fail it in CI."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium is installed: apt-get install chromium")
        pytest.skip("no Chromium is installed: apt-get install chromium")
    ours, theirs = os.pipe(), os.pipe()

    def wire() -> None:
        # The browser reads commands from descriptor 3 and writes answers to 4.
        os.dup2(ours[0], 100)
        os.dup2(theirs[1], 101)
        os.dup2(100, 3)
        os.dup2(101, 4)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                program,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
                f"--user-data-dir={profile}",
            ],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=wire,
        )
        os.close(ours[0])
        os.close(theirs[1])
        try:
            yield Browser(process, ours[1], theirs[0])
        finally:
            process.kill()
            process.wait()
            os.close(ours[1])
            os.close(theirs[0])

"""A headless Chromium spoken to by its own debugging protocol: no test framework is needed to measure."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from services.kit.errors import SpondylError

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
START_S: Final = 30.0
ANSWER_S: Final = 60.0
MOST_BYTES: Final = 1 << 26
OPTIONS: Final = (
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-port=0", "--hide-scrollbars",
    "--disable-dev-shm-usage",
)  # fmt: skip


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command of the protocol. Raises SpondylError when it is refused or not answered."""
        self._number += 1
        try:
            self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
            while (answer := json.loads(self._socket.recv(ANSWER_S))).get("id") != self._number:
                pass
        except (OSError, TimeoutError, WebSocketException) as error:
            raise SpondylError(f"Chromium does not answer {method}: {error}") from None
        if "error" in answer:
            raise SpondylError(f"Chromium refuses {method}: {answer['error'].get('message')}")
        return dict(answer["result"])

    def run(self, script: str) -> Any:
        """The value of an expression in the page, awaited. Raises SpondylError when it throws."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            thrown = found["exceptionDetails"].get("exception", {})
            raise SpondylError(f"the page throws: {str(thrown.get('description'))[:500]}")
        return found["result"].get("value")

    def until(self, condition: str, what: str, timeout_s: float = START_S) -> None:
        """Wait until an expression is true. Raises SpondylError naming ``what``."""
        deadline = time.monotonic() + timeout_s
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > deadline:
                raise SpondylError(f"{what} did not come true within {timeout_s:g} s")
            time.sleep(0.1)

    def open(self, address: str) -> None:
        """Go to an address."""
        self.call("Page.enable")
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete'", f"{address} loaded")


@contextlib.contextmanager
def chromium(width: int, height: int) -> Iterator[tuple[Page, str]]:
    """(a page of this size, the browser's version). Raises SpondylError when there is no Chromium."""
    binary = next((found for name in NAMES if (found := shutil.which(name))), None)
    if binary is None:
        raise SpondylError("no Chromium is installed: apt-get install chromium")
    options = [*OPTIONS, f"--window-size={width},{height}", *(["--no-sandbox"] if os.getuid() == 0 else [])]
    with tempfile.TemporaryDirectory(prefix="spondyl-chromium-", ignore_cleanup_errors=True) as profile:
        command = [binary, *options, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = _port(process, Path(profile))
            version = httpx.get(f"http://127.0.0.1:{port}/json/version", trust_env=False).json()["Browser"]
            tabs = httpx.get(f"http://127.0.0.1:{port}/json/list", trust_env=False).json()
            tab = next(tab for tab in tabs if tab["type"] == "page")
            with connect(tab["webSocketDebuggerUrl"], max_size=MOST_BYTES, proxy=None) as socket:
                page = Page(socket)
                page.call(
                    "Emulation.setDeviceMetricsOverride",
                    width=width, height=height, deviceScaleFactor=1, mobile=False,
                )  # fmt: skip
                yield page, str(version)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], profile: Path) -> int:
    """Where it listens: it writes that down."""
    told = profile / "DevToolsActivePort"
    deadline = time.monotonic() + START_S
    while True:
        lines = told.read_text().splitlines() if told.exists() else []
        if len(lines) > 1:
            return int(lines[0])
        if process.poll() is not None or time.monotonic() > deadline:
            raise SpondylError("Chromium did not start")
        time.sleep(0.05)

"""Viewers of the wall without a browser: they hold the page's two streams open and count what comes."""

import contextlib
import json
import re
import socket
import threading
from typing import Any, Final, Self
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from services.kit.errors import SpondylError

CONNECT_S: Final = 30.0
READ_BYTES: Final = 65_536
_FIRST: Final = re.compile(rb"data: (.*?)\n\n", re.DOTALL)


class Counting(socket.socket):
    """A socket that knows how many bytes have come in."""

    received = 0

    def recv(self, *arguments: Any) -> bytes:
        """As a socket does."""
        data = super().recv(*arguments)
        self.received += len(data)
        return data


class Viewer:
    """One page's streams: summaries of a view, and the waveforms of every tile that it shows."""

    def __init__(self, address: str, query: str, cookie: str) -> None:
        parts = urlsplit(address)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._stack = contextlib.ExitStack()
        self._sse, self._raw = self._connected(), self._connected()
        try:
            names = self._ask(parts.netloc, query, cookie)
            self._live = self._stack.enter_context(
                connect(
                f"ws://{parts.netloc}/live", sock=self._raw, additional_headers={"Cookie": cookie},
                max_size=None, proxy=None, compression="deflate", origin=Origin(address),
                open_timeout=CONNECT_S,
                )
            )  # fmt: skip
            self._live.send(json.dumps({"visible": names}))
        except BaseException:
            self._sse.close()
            self._raw.close()
            raise
        self._sse.settimeout(None)
        self.tiles = len(names)
        self._threads = [
            threading.Thread(target=run, daemon=True) for run in (self._read_events, self._read_blocks)
        ]
        for thread in self._threads:
            thread.start()

    def received(self) -> tuple[int, int]:
        """Bytes so far: of summaries, of waveforms."""
        return self._sse.received, self._raw.received

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._sse.shutdown(socket.SHUT_RDWR)
        self._stack.close()
        for thread in self._threads:
            thread.join(CONNECT_S)
        self._sse.close()

    def _connected(self) -> Counting:
        found = Counting(socket.AF_INET, socket.SOCK_STREAM)
        found.settimeout(CONNECT_S)
        found.connect((self._host, self._port))
        return found

    def _ask(self, host: str, query: str, cookie: str) -> list[str]:
        """The beds of the first, whole frame. Raises SpondylError when the console answers something else."""
        request = (
            f"GET /events?{query} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n"
            "Accept: text/event-stream\r\n\r\n"
        )
        self._sse.sendall(request.encode())
        data = b""
        while not (found := _FIRST.search(data)):
            more = self._sse.recv(READ_BYTES)
            data += more
            if not more or (data[:13] != b"HTTP/1.1 200 " and len(data) > 12):  # noqa: PLR2004  (the status line)
                raise SpondylError(f"the console refuses a viewer: {data[:200]!r}")
        return list(json.loads(found[1])["order"])

    def _read_events(self) -> None:
        with contextlib.suppress(OSError):
            while self._sse.recv(READ_BYTES):
                pass

    def _read_blocks(self) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            while True:
                self._live.recv()

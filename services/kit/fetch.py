"""Asking our own processes by HTTP, past any proxy that the environment names for the world outside."""

import http.client
import urllib.request
from collections.abc import Iterator
from typing import Final

_PART_BYTES: Final = 1 << 16
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url: str, timeout_s: float) -> bytes:
    """The body of an answer that is no error.

    Raises urllib.error.HTTPError for an error, with its body, and OSError when nobody answers in time.
    """
    with _OPENER.open(url, timeout=timeout_s) as answer:
        body: bytes = answer.read()
        return body


def fetch_parts(url: str, timeout_s: float) -> Iterator[bytes]:
    """The same body piece by piece, never all of it in memory; an answer that breaks off is an OSError."""
    with _OPENER.open(url, timeout=timeout_s) as answer:
        try:
            while part := answer.read(_PART_BYTES):
                yield part
        except http.client.HTTPException as error:
            raise ConnectionError(f"the answer broke off: {error!r}") from None
        if answer.length:  # (what was promised and has not come)
            raise ConnectionError(f"the answer broke off {answer.length} bytes before its end")

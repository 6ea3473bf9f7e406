"""Asking our own processes by HTTP, past any proxy that the environment names for the world outside."""

import urllib.request

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url: str, timeout_s: float) -> bytes:
    """The body of an answer that is no error.

    Raises urllib.error.HTTPError for an error, with its body, and OSError when nobody answers in time.
    """
    with _OPENER.open(url, timeout=timeout_s) as answer:
        body: bytes = answer.read()
        return body

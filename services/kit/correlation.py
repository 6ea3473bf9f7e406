"""What belongs together, from a tap to the invoice: a W3C trace id, held while something is done for it.

It is born where somebody taps: at the bed's panel, on a page of the console, at any API. From there it goes
along in ``traceparent`` headers, in the field ``correlation`` of messages and in rows of what is done later;
every log line that is written while it is held carries it.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

HEADER: Final = "traceparent"  # https://www.w3.org/TR/trace-context/
ANSWER: Final = "spondyl-correlation"  # the header of every answer: what to look for in the logs
_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
_CORRELATION: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")
LONGEST_HEADER: Final = 200
SAMPLED: Final = 1  # the flag of a trace that somebody keeps


@dataclass(frozen=True, slots=True)
class Tap:
    """What is under way: the trace's id, the id of the step that caused this one, the trace's flags."""

    correlation: str  # 32 hexadecimal digits
    step: str = ""  # 16; empty when only the trace is known
    flags: int = SAMPLED

    @property
    def header(self) -> str:
        """As a ``traceparent``; a step of nobody's stands in where none is known."""
        return f"00-{self.correlation}-{self.step or secrets.token_hex(8)}-{self.flags:02x}"


_NOW: ContextVar[Tap | None] = ContextVar("correlation", default=None)


def new() -> Tap:
    """One that begins here."""
    return Tap(secrets.token_hex(16))


def given(traceparent: str | None) -> Tap:
    """That of a request's header; a new one where there is none, or none that counts."""
    found = _TRACEPARENT.fullmatch((traceparent or "")[:LONGEST_HEADER])
    return new() if found is None else Tap(found[1], found[2], int(found[3], 16))


def now() -> Tap | None:
    """What is under way here."""
    return _NOW.get()


def current() -> str | None:
    """The id of what is under way here."""
    tap = _NOW.get()
    return None if tap is None else tap.correlation


def of(message: Any) -> str | None:
    """The id that a message carries, when it has the form of one."""
    said = getattr(message, "correlation", None)
    return said if isinstance(said, str) and _CORRELATION.fullmatch(said) else None


@contextmanager
def holding(tap: Tap | str | None) -> Iterator[None]:
    """Do this for a tap, or for its id; for None nothing changes."""
    if tap is None:
        yield
        return
    token = _NOW.set(Tap(tap) if isinstance(tap, str) else tap)
    try:
        yield
    finally:
        _NOW.reset(token)


def headers() -> dict[str, str]:
    """What a request to another service carries of what is under way here."""
    tap = _NOW.get()
    return {} if tap is None else {HEADER: tap.header}

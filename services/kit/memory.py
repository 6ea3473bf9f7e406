"""Free memory given back to the system.

glibc keeps what was freed between two living blocks, and after every large piece of work a little more of it:
no leak, but a process that grows for days looks like one. Where the C library has no ``malloc_trim`` (musl,
macOS), its own way of keeping memory applies.
"""

import ctypes
import functools
import time
from collections.abc import Callable
from typing import Final

_M_ARENA_MAX: Final = -8  # glibc's malloc.h


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    return trim


def one_arena() -> bool:
    """Let all threads allocate in one place, from now on; whether the C library knows how.

    For processes whose threads take turns: glibc gives every further thread an arena of its own, and what one
    has freed no other uses. To be called before there are threads (glibc, `man mallopt`).
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1))
    except (OSError, AttributeError):
        return False


def give_back() -> bool:
    """Return free pages to the system; whether there were any. Takes milliseconds."""
    trim = _malloc_trim()
    return bool(trim and trim(0))


class GiveBack:
    """The same, at most every so often. One thread."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._again_at = time.monotonic() + every_s

    def __call__(self) -> None:
        """Give back when it is time."""
        now = time.monotonic()
        if now >= self._again_at:
            self._again_at = now + self._every_s
            give_back()

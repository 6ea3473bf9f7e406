"""Whether a store answers, told at once: it is asked in a thread of its own, which may hang with it."""

import threading
import time
from collections.abc import Callable
from typing import Final

from services.kit.errors import SpondylError

FRESH_S: Final = 2.0  # an answer is good for so long
WAIT_S: Final = 1.5  # a readiness check is given up after 2


class Pulse:
    """The last answer of a check that may hang. For any number of threads.

    At most one check is under way; an answer that is older than ``fresh_s`` is asked for anew, and waited for
    until the check has taken ``wait_s``.
    """

    def __init__(self, check: Callable[[], object], fresh_s: float = FRESH_S, wait_s: float = WAIT_S) -> None:
        self._check = check
        self._fresh_s = fresh_s
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._began_at = float("-inf")
        self._answered = threading.Event()
        self._answered.set()
        self._trouble: str | None = None

    def trouble(self) -> str | None:
        """What is wrong; None when it answers and all is well."""
        with self._lock:
            now = time.monotonic()
            if self._answered.is_set() and now - self._began_at > self._fresh_s:
                self._began_at = now
                self._answered.clear()
                threading.Thread(target=self._ask, name="pulse", daemon=True).start()
        left_s = self._began_at + self._wait_s - time.monotonic()
        if self._answered.wait(max(0.0, left_s)):
            return self._trouble
        return f"the archive's store has not answered for {time.monotonic() - self._began_at:.0f} s"

    def _ask(self) -> None:
        try:
            self._check()
            self._trouble = None
        except SpondylError as error:
            self._trouble = error.message
        except Exception as error:  # noqa: BLE001  (whatever it raises is what is wrong)
            self._trouble = f"{type(error).__name__}: {error}"
        finally:
            self._answered.set()

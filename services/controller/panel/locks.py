"""Wrong PINs and badges: after some tries a wait, doubled with every further one; kept over restarts.

Each operator has a count, so that a PIN is not guessed, and the panel has one, so that nobody goes round the
names: that one fades slowly. A wait never touches what is under way, and never STOP.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from services.controller.errors import SignInLocked
from services.kit.runfile import read_json, write_private

log = structlog.get_logger(__name__)

FILE: Final = "sign-in-failures.json"
PANEL: Final = "panel"  # no account is called so: accounts are UUIDs
FIRST_S: Final = 30.0
MOST_OVER: Final = 8  # of a count that fades: tries beyond the free ones
KEPT: Final = 1000  # operators with failures; more than a list has


@dataclass(frozen=True, slots=True)
class Patience:
    """How many wrong tries are free, how long the wait grows, and when a count is over.

    A count that ``fades`` loses its free tries evenly over that time; else it is over when no new one came.
    """

    tries: int
    longest_s: float
    forgotten_s: float
    fades: bool = False

    def left(self, failures: float, quiet_s: float) -> float:
        """What is left of a count after so long without a wrong try."""
        if not self.fades:
            return failures if quiet_s <= self.forgotten_s else 0.0
        most = self.tries + MOST_OVER  # so that a count that was driven up is over within two days
        return max(0.0, min(failures, most) - max(0.0, quiet_s) * self.tries / self.forgotten_s)


OPERATOR: Final = Patience(tries=5, longest_s=3600.0, forgotten_s=24 * 3600.0)
WHOLE_PANEL: Final = Patience(tries=15, longest_s=300.0, forgotten_s=24 * 3600.0, fades=True)


@dataclass(frozen=True, slots=True)
class Count:
    """Wrong tries in a row and when the last one was, seconds since the epoch."""

    failures: float
    last_s: float


class Locks:
    """Counts of one panel; ``now`` is a clock that is not set back. For one thread at a time."""

    def __init__(self, directory: Path, now: Callable[[], float]) -> None:
        self._path = directory / FILE
        self._now = now
        self._counts = _loaded(read_json(self._path))

    def check(self, *whom: str) -> None:
        """Raise SignInLocked while one of these has to wait."""
        waits = {name: self.wait_s(name) for name in (PANEL, *whom)}
        name, wait_s = max(waits.items(), key=lambda row: row[1])
        if wait_s <= 0:
            return
        seconds = math.ceil(wait_s)
        failures = math.floor(self._counts[name].failures)
        at_en, at_de = ("at this panel", "an diesem Panel") if name == PANEL else ("", "")
        raise SignInLocked(
            f"{failures} wrong tries{' ' + at_en if at_en else ''}: the next one is taken in {seconds} s",
            f"{failures} falsche Versuche{' ' + at_de if at_de else ''}: der nächste geht in {seconds} s",
            seconds,
        )

    def wait_s(self, name: str) -> float:
        """How long until the next try is looked at."""
        count = self._counts.get(name)
        if count is None:
            return 0.0
        patience = _patience(name)
        over = math.floor(count.failures) - patience.tries
        if over < 0:
            return 0.0
        length_s = min(patience.longest_s, FIRST_S * 2.0 ** min(over, 16))
        return min(length_s, length_s - (self._now() - count.last_s))

    def failed(self, *whom: str) -> None:
        """A wrong try of these, and of the panel's."""
        now = self._now()
        for name in (PANEL, *whom):
            before = self._counts.get(name)
            left = _patience(name).left(before.failures, now - before.last_s) if before else 0.0
            self._counts[name] = Count(left + 1, now)
        while len(self._counts) > KEPT:
            self._counts.pop(next(name for name in self._counts if name != PANEL))
        self._save()

    def succeeded(self, name: str) -> None:
        """The right one: this operator starts anew, the panel's count only passes."""
        if self._counts.pop(name, None) is not None:
            self._save()

    def _save(self) -> None:
        try:
            rows = {name: asdict(count) for name, count in self._counts.items()}
            write_private(self._path, json.dumps(rows))
        except OSError as error:  # a full disk: the counts still hold for this process
            log.warning("wrong sign-ins could not be written down", why=error.strerror)


def _patience(name: str) -> Patience:
    return WHOLE_PANEL if name == PANEL else OPERATOR


def _loaded(document: dict[str, Any]) -> dict[str, Count]:
    found = {}
    for name, row in document.items():
        try:
            found[str(name)] = Count(float(row["failures"]), float(row["last_s"]))
        except (TypeError, KeyError, ValueError):
            continue  # another release wrote it: one count less
    return found

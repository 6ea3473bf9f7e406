"""How often somebody may try: by address, and by account with a wait that doubles."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

FREE_FAILURES: Final = 5  # wrong passwords before an account waits
FIRST_WAIT_S: Final = 30
LONGEST_WAIT_S: Final = 3600
TRIES_AT_ONCE: Final = 30  # of one address: a clinic's whole staff comes from one
TRY_EVERY_S: Final = 10.0
ROWS_AT_ONCE: Final = 60  # of the trail, of refused tries at no account in particular
ROW_EVERY_S: Final = 10.0
KEPT: Final = 10_000  # addresses or names in memory; the one that was quiet longest goes first


def wait_s(failures: int) -> int:
    """How long an account waits after so many wrong passwords: 5 wrong 30 s, 6 a minute, at most an hour."""
    if failures < FREE_FAILURES:
        return 0
    return min(LONGEST_WAIT_S, FIRST_WAIT_S << min(failures - FREE_FAILURES, 10))


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a name waits before another password of it is looked at, and for how many wrong ones."""

    seconds: float
    failures: int


@dataclass(slots=True)
class _Bucket:
    tries: float
    at: float


class AddressLimit:
    """A bucket of tries an address; what succeeds is given back. In memory, bounded."""

    def __init__(
        self,
        at_once: int = TRIES_AT_ONCE,
        every_s: float = TRY_EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at_once, self._every_s, self._clock = at_once, every_s, clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, address: str) -> float:
        """Use up one try; 0, or the seconds until there is one again."""
        with self._lock:
            bucket = self._bucket(address)
            if bucket.tries < 1:
                return (1 - bucket.tries) * self._every_s
            bucket.tries -= 1
            return 0.0

    def give_back(self, address: str) -> None:
        """The try was a right one."""
        with self._lock:
            bucket = self._bucket(address)
            bucket.tries = min(self._at_once, bucket.tries + 1)

    def _bucket(self, address: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.setdefault(address, _Bucket(self._at_once, now))
        self._buckets.move_to_end(address)
        bucket.tries = min(self._at_once, bucket.tries + (now - bucket.at) / self._every_s)
        bucket.at = now
        while len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)
        return bucket


class Ghosts:
    """Names that no account has wait as accounts do: whether there is one cannot be told by trying."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str) -> Waits:
        """Count one wrong password of this name, unless it waits."""
        with self._lock:
            now = self._clock()
            failures, until = self._failures.get(name, (0, 0.0))
            if now < until:
                return Waits(until - now, failures)
            self._failures[name] = (failures + 1, now + wait_s(failures + 1))
            self._failures.move_to_end(name)
            while len(self._failures) > KEPT:
                self._failures.popitem(last=False)
            return Waits(0.0, failures + 1)


class RefusedRows:
    """Which refused tries of strangers get a row of the trail: a storm neither fills it nor goes unseen."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = AddressLimit(ROWS_AT_ONCE, ROW_EVERY_S, clock)
        self._left_out = 0
        self._lock = threading.Lock()

    def take(self) -> int | None:
        """How many were left out since the last row; None: this one is left out, too."""
        with self._lock:
            if self._limit.take("") > 0:
                self._left_out += 1
                return None
            left_out, self._left_out = self._left_out, 0
            return left_out

"""How often an address may try codes: 20 at once, then one every 10 s. A code has 80 bits: it is for calm."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from services.registry.errors import TooMany

AT_ONCE: Final = 20
EVERY_S: Final = 10.0
MOST_ADDRESSES: Final = 10_000


class Tries:
    """Counts refused tries by address, in this process's memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()  # address -> (tries, when)

    def require_some(self, address: str) -> None:
        """Raises TooMany when none is left."""
        with self._lock:
            spent = self._now(address)
        if spent > AT_ONCE - 1:
            raise TooMany(f"too many enrolment codes from this address: the next may come in {EVERY_S:.0f} s")

    def spend(self, address: str) -> None:
        """One was refused."""
        with self._lock:
            self._spent[address] = (self._now(address) + 1, self._clock())
            self._spent.move_to_end(address)
            while len(self._spent) > MOST_ADDRESSES:
                self._spent.popitem(last=False)

    def _now(self, address: str) -> float:
        tries, since = self._spent.get(address, (0.0, 0.0))
        return max(0.0, tries - (self._clock() - since) / EVERY_S)

"""How much one link may ask: a telephone never comes near it, a script soon does."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from services.homecare.errors import TooMany, said

MOST_LINKS: Final = 10_000  # that are remembered; one that is forgotten begins anew


class Pace:
    """A bucket of ``most`` a link that fills again by ``per_minute``; safe for any thread."""

    def __init__(self, most: int, per_minute: int, clock: Callable[[], float]) -> None:
        self._most, self._per_s, self._clock = most, per_minute / 60, clock
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and since when
        self._lock = threading.Lock()

    def spend(self, link: str, count: int = 1, *, is_urgent: bool = False) -> None:
        """Take so many. Raises TooMany, saying when there are enough again; never of what is urgent."""
        with self._lock:
            now_s = self._clock()
            left, since_s = self._held.get(link, (float(self._most), now_s))
            left = min(self._most, left + max(0.0, now_s - since_s) * self._per_s)
            is_enough = left >= count
            self._held[link] = (left - count if is_enough else left, now_s)
            self._held.move_to_end(link)
            while len(self._held) > MOST_LINKS:
                self._held.popitem(last=False)
        if not is_enough and not is_urgent:
            wait_s = round((count - left) / self._per_s) + 1
            raise said(
                TooMany,
                {"de": f"Zu viele Anfragen mit diesem Link: {wait_s} s warten (höchstens "
                       f"{self._most} auf einmal). Es ist nichts verloren.",
                 "en": f"too many requests with this link: wait {wait_s} s (at most {self._most} at once); "
                       "nothing is lost"},
                retry_after_s=wait_s,
            )  # fmt: skip

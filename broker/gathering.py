"""When a receiver may let messages come together before it reads again.

Messages of many senders come one by one, and to wake up for each, and to store each by itself, costs more
than the message. But a broker sends only a window of messages ahead of their acknowledgements, and the
network holds only so many bytes: who always waits gets no more than these for each wait.
"""

from typing import Final

BURST: Final = 8  # so many in one look are no chance of senders that do not know each other: they have waited
MOST_OF_WINDOW: Final = 0.25  # by how much of it a pause may fill our window


class Gathering:
    """Says after each look how long to pause before the next; one thread.

    ``window`` is how many messages the broker may send ahead, None where nothing is acknowledged. The limits
    of the broker and of the network may be lower and are told to nobody (Mosquitto's window is 20 by
    default). Therefore the look that follows a pause is followed by one without, and nobody pauses before
    a look has found few.
    """

    def __init__(self, pause_s: float, window: int | None) -> None:
        self._pause_s = pause_s
        self._most_per_s = MOST_OF_WINDOW * window / pause_s if window and pause_s else 0.0
        self._windowed = window is not None
        self._paused = False
        self._count, self._since_s, self._per_s = 0, 0.0, 0.0

    def pause_s(self, brought: int, now_s: float) -> float:
        """Seconds to pause after a look that ``brought`` so many messages."""
        if not self._windowed:
            return self._pause_s
        self._measure(brought, now_s)
        few = 0 < brought < BURST and self._per_s <= self._most_per_s
        self._paused = few and not self._paused
        return self._pause_s if self._paused else 0.0

    def _measure(self, count: int, now_s: float) -> None:
        """Messages a second since the last measurement, a pause ago or longer."""
        self._count += count
        elapsed_s = now_s - self._since_s
        if elapsed_s > self._pause_s:
            self._per_s, self._count, self._since_s = self._count / elapsed_s, 0, now_s

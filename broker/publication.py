"""What became of a published message, and what can go wrong on the way."""

import threading
from collections.abc import Callable
from typing import Literal

Outcome = Literal["pending", "acknowledged", "refused", "lost"]


class BusError(Exception):
    """Base of everything the bus raises.

    BusError
    +- BusOffline   not connected, or the connection ended before the answer
    +- BusBusy      connected, but the in-flight window stayed full
    +- BusRefused   the broker said no: not authorised, too large, quota
    """

    tellable = True  # it speaks of brokers, users and topics, never of a person


class BusOffline(BusError):  # noqa: N818  (states, not faults of the caller)
    """Not connected: nothing was handed to the network; publish again after the reconnect."""


class BusBusy(BusError):  # noqa: N818  (the same)
    """The in-flight window stayed full for as long as the caller would wait."""


class BusRefused(BusError):  # noqa: N818  (the same)
    """The broker refused a publication or a subscription; the message says which and why."""


class Publication:
    """One message on its way: pending, then acknowledged, refused by the broker, or lost with the line."""

    __slots__ = ("_on_acknowledged", "_settled", "outcome", "reason", "topic")

    def __init__(self, topic: str, on_acknowledged: Callable[["Publication"], None] | None = None) -> None:
        self.topic = topic
        self.outcome: Outcome = "pending"
        self.reason = ""
        self._settled = threading.Event()
        self._on_acknowledged = on_acknowledged

    @property
    def acknowledged(self) -> bool:
        """Whether the broker has taken responsibility for it."""
        return self.outcome == "acknowledged"

    @property
    def settled(self) -> bool:
        """Whether its outcome is known."""
        return self._settled.is_set()

    def wait(self, timeout_s: float) -> bool:
        """True once acknowledged, False while pending; BusRefused or BusOffline when it came to nothing."""
        self._settled.wait(timeout_s)
        if self.outcome == "refused":
            raise BusRefused(f"{self.topic}: {self.reason}")
        if self.outcome == "lost":
            raise BusOffline(f"{self.topic}: {self.reason}")
        return self.acknowledged

    def settle(self, outcome: Outcome, reason: str = "") -> None:
        """For the bus: fix the outcome and tell whoever waits."""
        self.outcome = outcome
        self.reason = reason
        self._settled.set()
        if outcome == "acknowledged" and self._on_acknowledged is not None:
            self._on_acknowledged(self)

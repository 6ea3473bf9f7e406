"""What an alarm's occurrence is, and which of them somebody has acknowledged.

A *condition* is a fact that the gateway decides; its *occurrence* is one time that it came on; its *signals*
are flash and sound. Acknowledging is a *suppression* of one occurrence's signals: condition, priority, symbol
and text stay, and the condition coming on again is another occurrence that signals again.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

KEPT: Final = 20_000  # acknowledgements in memory; older ones are of alarms that have long gone
CONNECTION_LOST: Final = "connection_lost"
BROKER_LOST: Final = "broker_lost"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a condition came on. The console's own `broker_lost` has no site and no device."""

    site: str
    device: str
    condition: str
    id: str

    @property
    def place(self) -> tuple[str, str, str]:
        """Which condition of which bed it is one of."""
        return self.site, self.device, self.condition


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Who acknowledged an occurrence, and when (microseconds since the epoch)."""

    occurrence: Occurrence
    name: str
    at_us: int


def of_gateway(boot: UUID, since: datetime, priority: str, named: str | None = None) -> str:
    """The gateway's occurrence: its boot, what it calls it beside its condition, and how grave it is.

    An earlier release names none: then by when it came on, by a clock that may have been set since.
    """
    began = named.rpartition("-")[2] if named else int(since.timestamp() * 1e6)
    return f"{boot}:{began}:{priority}"


def of_connection(boot: UUID | None, seq: int) -> str:
    """A lost connection: after which sample of which boot, so that every console calls it the same."""
    return f"{boot or ''}:{seq + 1:012d}"


def of_broker(since_us: int) -> str:
    """A lost broker: since when, by this console's clock."""
    return str(since_us)


def _connection_covered(known: Acknowledged, wanted: Occurrence) -> bool:
    """A loss after a later sample of the same boot: its console had seen more than this one."""
    boot, _, after = known.occurrence.id.rpartition(":")
    own_boot, _, own_after = wanted.id.rpartition(":")
    return boot == own_boot and after >= own_after


def _broker_covered(known: Acknowledged, wanted: Occurrence) -> bool:
    """Acknowledged at another console while this one had lost the broker, too."""
    return known.at_us >= int(wanted.id)


# The console's own conditions, which another console may have seen a little sooner or later.
_COVERED: Final[dict[str, Callable[[Acknowledged, Occurrence], bool]]] = {
    CONNECTION_LOST: _connection_covered,
    BROKER_LOST: _broker_covered,
}


@dataclass(slots=True)
class Acknowledgements:
    """The newest acknowledgements, by condition and bed."""

    _by_place: dict[tuple[str, str, str], dict[str, Acknowledged]] = field(default_factory=dict)
    _order: deque[Occurrence] = field(default_factory=deque)

    def take(self, found: Iterable[Acknowledged]) -> bool:
        """Remember these; True when one of them was new."""
        new = False
        for row in found:
            known = self._by_place.setdefault(row.occurrence.place, {})
            if row.occurrence.id not in known:
                known[row.occurrence.id] = row
                self._order.append(row.occurrence)
                new = True
        while len(self._order) > KEPT:
            self._forget(self._order.popleft())
        return new

    def of(self, wanted: Occurrence) -> Acknowledged | None:
        """The acknowledgement of this occurrence."""
        known = self._by_place.get(wanted.place)
        if not known:
            return None
        if exact := known.get(wanted.id):
            return exact
        covered = _COVERED.get(wanted.condition)
        return next((row for row in known.values() if covered and covered(row, wanted)), None)

    def _forget(self, old: Occurrence) -> None:
        known = self._by_place[old.place]
        del known[old.id]
        if not known:
            del self._by_place[old.place]

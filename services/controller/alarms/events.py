"""The alarms of one bed as events: raised once, cleared once, whoever restarts in between.

What the kernel found is read from the samples alone, cut in the same places however they are read, so that
nothing depends on the rhythm of the recorder. What the gateway found about itself comes from the live lane.
What was told is kept in the recorder's ledger, in the same transaction as the events.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from broker.messages import ActiveAlarm, Event
from services.controller.alarms.board import AlarmBoard
from services.controller.alarms.table import GATEWAY_CONDITIONS, Samples, Times
from services.controller.kernel import layout
from services.controller.recorder.events import Diary, FactsOf
from services.controller.recorder.wallclock import instant

_PASSING: Final = {"state", "acknowledged_at", "acknowledged_by"}  # what changes while it is on
# Parameters of a session by its number, for the limits that texts name.
ParametersOf = Callable[[int], Sequence[float] | None]


@dataclass(frozen=True, slots=True)
class GatewayAlarms:
    """What the live lane found on about the gateway itself, by bed, at a moment of the wall clock."""

    at_ns: int
    by_device: Mapping[str, Sequence[ActiveAlarm]]


@dataclass(slots=True)
class AlarmLog:
    """The board that follows the stored samples, and what was told: by condition, its raised event's data."""

    board: AlarmBoard = field(default_factory=AlarmBoard)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)

    def observe(
        self, diary: Diary, times: Times, samples: Samples, every: int, facts_of: FactsOf, known: ParametersOf
    ) -> list[Event]:
        """The diary's events and the alarms' in their order; delays are looked at every so many ticks."""
        events: list[Event] = []
        changes = set(self.board.changes(samples))
        for first, last in pairwise(_edges(times, changes, every)):
            session = diary.session_id
            events += diary.observe(times[first:last], samples[first:last], facts_of)
            if first in changes:
                self.board.parameters = _parameters(samples[first], known)
            if self.board.observe(times[first:last], samples[first:last]):
                tick, _, at_ns = times[last - 1].tolist()
                events += self._differ(diary, tick, at_ns, self.board.active(), session)
        return events

    def of_gateway(self, diary: Diary, tick: int, now: GatewayAlarms) -> list[Event]:
        """What changed of the gateway's own conditions."""
        alarms = [a for a in now.by_device.get(diary.device, ()) if a.condition in GATEWAY_CONDITIONS]
        return self._differ(diary, tick, now.at_ns, alarms, is_gateway=True)

    def dump(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {"board": self.board.dump(whole=True), "told": self.told}

    @classmethod
    def restore(cls, row: Mapping[str, Any]) -> "AlarmLog":
        """What ``dump`` gave."""
        return cls(AlarmBoard.restore(row["board"]), {name: dict(data) for name, data in row["told"].items()})

    def _differ(
        self,
        diary: Diary,
        tick: int,
        at_ns: int,
        alarms: Iterable[ActiveAlarm],
        session: UUID | None = None,
        *,
        is_gateway: bool = False,
    ) -> list[Event]:
        """Cleared what is no longer on, raised what was not told; ``session`` is one that just ended."""
        on = {
            alarm.condition: alarm.model_dump(mode="json", exclude_none=True, exclude=_PASSING)
            for alarm in alarms
        }
        events = []
        for condition in [name for name in self.told if (name in GATEWAY_CONDITIONS) == is_gateway]:
            if not _is_same(on.get(condition), self.told[condition]):
                data = self.told.pop(condition)
                events.append(diary.note("alarm.cleared", tick, at_ns, data, session=session))
        for condition, data in on.items():
            if condition not in self.told:
                events.append(diary.note("alarm.raised", tick, at_ns, data, session=session))
                raised = {"raised_at": instant(at_ns).isoformat(), "raised_seq": tick}
                self.told[condition] = data | raised
        return events


def _is_same(alarm: Mapping[str, Any] | None, told: Mapping[str, Any]) -> bool:
    """Whether an alarm that is on is the occurrence that was told; earlier releases told it by its time."""
    by = "occurrence" if "occurrence" in told else "since"
    return alarm is not None and alarm.get(by) == told[by]


def _parameters(sample: Samples, known: ParametersOf) -> Sequence[float] | None:
    """Those of the session under way in a sample; none outside a session."""
    number = int(sample[layout.S_SESSION])
    return known(number) if number > 0 and sample[layout.S_PHASE] != layout.IDLE else None


def _edges(times: Times, changes: set[int], every: int) -> list[int]:
    """Rows at which pieces begin and end: a row that brings a change stands alone, so its tick is exact."""
    if not len(times):
        return []
    first = int(times[0, 0])
    looks = {tick - first for tick in range((first // every + 1) * every, first + len(times), every)}
    return sorted({0, len(times)} | looks | changes | {row + 1 for row in changes})

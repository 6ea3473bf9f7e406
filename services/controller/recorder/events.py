"""Samples of one bed -> what happened there: the events of its sessions, phases, guardings and operator.

A pure reader of samples: whatever it must remember between two reads is in the `Diary`, which the recorder
stores in the same transaction as the events, so that each is told exactly once.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from uuid import UUID, uuid5

import numpy as np
import numpy.typing as npt

from broker.messages import Event, EventType, SessionSummary
from services.controller.kernel import layout
from services.controller.recorder.summary import (
    ENDED_PHASES,
    OUTSIDE_PHASES,
    SessionFacts,
    Tally,
    facts_from,
    plain,
)
from services.controller.recorder.wallclock import instant

Samples = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]
FactsOf = Callable[[int], SessionFacts | None]

UNKNOWN: Final = UUID(int=0)  # the patient of a session that the operator's side knows nothing of
REMOTE_ACTIONS: Final = (layout.ACTION_REMOTE_PAUSE, layout.ACTION_REMOTE_STOP)
GUARDING_EVENTS: Final[tuple[tuple[int, EventType], ...]] = (
    (layout.EVENT_GUARDING_DETECTED, "guarding.detected"),
    (layout.EVENT_GUARDING_RELEASED, "guarding.released"),
)


@dataclass(slots=True)
class OpenSession:
    """The session under way: its number on this gateway, what is known of it, its running sums."""

    number: int
    facts: SessionFacts
    tally: Tally
    announced: bool = False  # session.started was told

    def dump(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {
            "number": self.number,
            "facts": plain(self.facts),
            "tally": self.tally.dump(),
            "announced": self.announced,
        }

    @classmethod
    def restore(cls, row: Mapping[str, Any]) -> "OpenSession":
        """What ``dump`` gave."""
        return cls(row["number"], facts_from(row["facts"]), Tally.restore(row["tally"]), row["announced"])


@dataclass(slots=True)
class Last:
    """What the last sample read so far said."""

    phase: int = layout.IDLE
    session_no: int = 0
    reason: int = layout.REASON_NONE
    tick: int = -1
    realtime_ns: int = 0
    force_dn: int | None = None  # tenths of a newton; an earlier release did not keep it


@dataclass(slots=True)
class Diary:
    """One bed's events since boot, and the session under way."""

    boot: UUID
    device: str
    period_ns: int
    index: int = 0  # of the next event: a gap is a loss
    last: Last = field(default_factory=Last)
    session: OpenSession | None = None

    @property
    def session_id(self) -> UUID | None:
        """The session under way."""
        return self.session.facts.session if self.session else None

    def observe(self, times: Times, samples: Samples, facts_of: FactsOf) -> list[Event]:
        """The events in the next samples (int64[n, 3], int32[n, SAMPLES]), in their order."""
        events: list[Event] = []
        counted = 0  # rows the open session's sums have seen
        for row in _marks(samples, self.last).tolist():
            self._count(times[counted:row], samples[counted:row])
            counted = row
            if row:
                self._remember(times[row - 1], samples[row - 1])
            events += self._tick(times[row], samples[row], facts_of)
        self._count(times[counted:], samples[counted:])
        if len(samples):
            self._remember(times[-1], samples[-1])
        return events

    def note(
        self,
        kind: EventType,
        seq: int,
        realtime_ns: int,
        data: dict[str, Any],
        summary: SessionSummary | None = None,
        session: UUID | None = None,
    ) -> Event:
        """An event of this bed with the next index; its id is the same in every delivery.

        It is of the session under way, else of ``session``; it carries the correlation of the session's tap.
        """
        event = Event(
            id=uuid5(self.boot, f"{self.device}:{self.index}"),
            type=kind,
            at=instant(realtime_ns),
            boot=self.boot,
            seq=seq,
            index=self.index,
            session=self.session_id or session,
            summary=summary,
            data=data,
            correlation=self.session.facts.correlation if self.session else None,
        )
        self.index += 1
        return event

    def interrupt(self, facts_of: FactsOf) -> list[Event]:
        """The boot is over (the loop died): a session under way ends here as aborted.

        One that had come to its end and was only not closed yet keeps its own reason.
        """
        ended = self.last.phase in ENDED_PHASES and self.last.reason != layout.REASON_NONE
        reason = self.last.reason if ended else layout.REASON_FAULT
        force_dn = self.last.force_dn
        data = {
            "interrupted": True,
            "phase": layout.PHASES[self.last.phase],
            "tension_n": None if force_dn is None else force_dn / 10,
        }
        return self._end(self.last.tick, self.last.realtime_ns, reason, facts_of, {} if ended else data)

    def dump(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {
            "boot": str(self.boot),
            "device": self.device,
            "period_ns": self.period_ns,
            "index": self.index,
            "last": asdict(self.last),
            "session": self.session.dump() if self.session else None,
        }

    @classmethod
    def restore(cls, row: Mapping[str, Any]) -> "Diary":
        """What ``dump`` gave."""
        session = OpenSession.restore(row["session"]) if row["session"] else None
        return cls(
            UUID(row["boot"]), row["device"], row["period_ns"], row["index"], Last(**row["last"]), session
        )

    # --- one tick in which something happened --------------------------------------------------------------
    def _tick(self, time: Times, sample: Samples, facts_of: FactsOf) -> list[Event]:
        tick, at_ns = int(time[0]), int(time[2])
        number, phase = int(sample[layout.S_SESSION]), int(sample[layout.S_PHASE])
        events: list[Event] = []
        if self.session is not None and phase != layout.IDLE and number != self.session.number:
            events += self._end(tick, at_ns, self.last.reason, facts_of)
        if self.session is None and phase != layout.IDLE and number > 0:
            self.session = self._open(number, facts_of)
        events += self._actions(tick, at_ns, sample)
        events += self._guarding(tick, at_ns, sample)
        if phase != self.last.phase:
            events += self._phase(tick, at_ns, sample, facts_of)
        return events

    def _open(self, number: int, facts_of: FactsOf) -> OpenSession:
        facts = facts_of(number) or unknown_session(self.boot, self.device, number)
        return OpenSession(number, facts, Tally(self.period_ns))

    def _actions(self, tick: int, at_ns: int, sample: Samples) -> list[Event]:
        action, refusal = int(sample[layout.S_ACTION]), int(sample[layout.S_REFUSAL])
        if not action:
            return []
        data = {
            "action": layout.ACTIONS[action],
            "from": "remote" if action in REMOTE_ACTIONS else "bedside",
            "accepted": refusal == layout.REFUSAL_NONE,
        }
        if refusal:
            data["refusal"] = layout.REFUSALS[refusal]
        kind: EventType = "remote.refused" if refusal == layout.REFUSAL_REMOTE else "operator.action"
        return [self.note(kind, tick, at_ns, data)]

    def _guarding(self, tick: int, at_ns: int, sample: Samples) -> list[Event]:
        data = {
            "tension_n": int(sample[layout.S_FORCE]) / 10,
            "target_n": round(int(sample[layout.S_TARGET]) / 1000, 2),
            "residual_n": round(int(sample[layout.S_RESIDUAL]) / 1000, 2),
            "cycle": int(sample[layout.S_CYCLE]),
        }
        bits = int(sample[layout.S_EVENTS])
        return [self.note(kind, tick, at_ns, data) for bit, kind in GUARDING_EVENTS if bits & bit]

    def _phase(self, tick: int, at_ns: int, sample: Samples, facts_of: FactsOf) -> list[Event]:
        before, phase = self.last.phase, int(sample[layout.S_PHASE])
        reason = layout.REASONS[int(sample[layout.S_REASON])]
        data = {
            "from": layout.PHASES[before],
            "to": layout.PHASES[phase],
            "cycle": int(sample[layout.S_CYCLE]),
            "reason": reason,
        }
        events = [self.note("phase.changed", tick, at_ns, data)]
        if self.session is None:
            return events
        if phase == layout.IDLE:
            ended = int(sample[layout.S_REASON]) or self.last.reason
            return events + self._end(tick, at_ns, ended, facts_of)
        return events + self._session_phase(tick, at_ns, before, phase, reason)

    def _session_phase(self, tick: int, at_ns: int, before: int, phase: int, reason: str) -> list[Event]:
        """session.started, paused and resumed, as the phases tell them."""
        session = self.session
        if session is None or phase in OUTSIDE_PHASES + ENDED_PHASES:
            return []
        if not session.announced:
            session.announced = True
            data: dict[str, Any] = {"region": session.facts.region, "segment": session.facts.segment}
            if session.facts.account:
                data["by"] = session.facts.account
            return [self.note("session.started", tick, at_ns, data)]
        if phase == layout.PAUSED:
            return [self.note("session.paused", tick, at_ns, {"reason": reason})]
        if before == layout.PAUSED:
            return [self.note("session.resumed", tick, at_ns, {})]
        return []

    def _end(
        self, tick: int, at_ns: int, reason: int, facts_of: FactsOf, data: dict[str, Any] | None = None
    ) -> list[Event]:
        """End the open session; one that was never started leaves no event of its own."""
        session = self.session
        if session is None:
            return []
        events = []
        if session.announced:
            facts = facts_of(session.number) or session.facts
            summary = session.tally.summary(facts, layout.REASONS[reason], at_ns)
            completed = reason == layout.REASON_COMPLETED
            kind: EventType = "session.completed" if completed else "session.aborted"
            events.append(self.note(kind, max(tick, 0), at_ns, data or {}, summary))
        self.session = None
        return events

    # --- between ticks -------------------------------------------------------------------------------------
    def _count(self, times: Times, samples: Samples) -> None:
        if self.session is not None:
            self.session.tally.add(times, samples)

    def _remember(self, time: Times, sample: Samples) -> None:
        reason = int(sample[layout.S_REASON])
        self.last = Last(
            int(sample[layout.S_PHASE]), int(sample[layout.S_SESSION]), reason, int(time[0]), int(time[2]),
            int(sample[layout.S_FORCE]),
        )  # fmt: skip


def unknown_session(boot: UUID, device: str, number: int) -> SessionFacts:
    """Stands in for a session that the operator's side knows nothing of: an id of its own, nobody's."""
    session = uuid5(boot, f"{device}:session:{number}")
    return SessionFacts(session, UNKNOWN, None, None, "lumbar", "unknown")


def _marks(samples: Samples, last: Last) -> npt.NDArray[np.intp]:
    """Rows in which something happened: another phase or session, an event's bit, an action."""
    phase = np.diff(samples[:, layout.S_PHASE], prepend=np.int32(last.phase)) != 0
    session = np.diff(samples[:, layout.S_SESSION], prepend=np.int32(last.session_no)) != 0
    bits = samples[:, layout.S_EVENTS] & (layout.EVENT_GUARDING_DETECTED | layout.EVENT_GUARDING_RELEASED)
    return np.flatnonzero(phase | session | (bits != 0) | (samples[:, layout.S_ACTION] != 0))

"""The live lane of the recorder: the newest samples -> what a bed is doing, and its alarms.

It never waits for a disk: when nothing can be stored, state and alarms still go out, and say so.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from broker.messages import AlarmState, DeviceState, Message
from services.controller.alarms import memory as alarm_memory
from services.controller.alarms.acknowledging import Acknowledgement
from services.controller.alarms.board import AlarmBoard
from services.controller.alarms.events import GatewayAlarms
from services.controller.alarms.table import Conditions, gateway_conditions
from services.controller.kernel import layout
from services.controller.loop.interruption import Interruptions
from services.controller.loop.shared import GatewayMemory, Overrun
from services.controller.recorder.events import unknown_session
from services.controller.recorder.known_sessions import KnownSessions
from services.controller.recorder.wallclock import ClockWatch, instant

LATE_WINDOW_S: Final = 1.0
STEP_SHOWN_S: Final = 60.0  # for so long a step of the clock stays an alarm
PROGRESS_MS: Final = 5000  # a running session says at least so often how much is left
READ_S: Final = 5.0  # after an absence only the newest samples are announced
CATCH_UP: Final = 8  # a reader that was away begins this part of the ring ahead of the writer

_KEY: Final = (
    layout.S_PHASE, layout.S_CYCLE, layout.S_SESSION, layout.S_PEAK, layout.S_CEILING, layout.S_GUARDINGS,
    layout.S_REASON,
)  # fmt: skip


@dataclass(slots=True)
class Bed:
    """One bed's board and what was announced of it last."""

    name: str
    board: AlarmBoard
    said: tuple[int, ...] | None = None
    alarms_said: bool = False


@dataclass(slots=True)
class Live:
    """Follows the ring's head; ``advance`` answers what has to be announced."""

    memory: GatewayMemory
    sessions: KnownSessions
    next: int = 0
    beds: list[Bed] = field(default_factory=list)
    clock: ClockWatch = field(default_factory=ClockWatch)
    interruptions: Interruptions | None = None
    _late: deque[tuple[int, int]] = field(default_factory=deque)  # monotonic ns, microseconds
    _step: tuple[int, float] | None = None  # monotonic ns, seconds
    _at_ns: int | None = None  # wall clock of the newest sample that was looked at

    @classmethod
    def resume(
        cls,
        memory: GatewayMemory,
        sessions: KnownSessions,
        next_: int,
        boards: Mapping[str, Any],
        interruptions: Interruptions | None = None,
    ) -> "Live":
        """Go on where the stored lane is, with the boards it kept."""
        beds = [
            Bed(name, AlarmBoard.restore(boards[name]) if boards.get(name) else AlarmBoard())
            for name in memory.devices
        ]
        for number, bed in enumerate(beds):  # what is on is called as it was: no disk may have kept its board
            bed.board.since = alarm_memory.read_since(memory, number, alarm_memory.OWN_S)
        return cls(memory, sessions, next_, beds, interruptions=interruptions)

    def advance(self) -> list[tuple[str, str, Message]]:
        """Read what is new: (stream, device, message) for every state and alarm that changed."""
        head = self.memory.head()
        window = min(round(READ_S * 1e9 / self.memory.period_ns), self.memory.capacity_ticks // 2)
        first = max(self.next, head - window)
        if first >= head:
            return self._without_samples()
        self._skip(first)
        times, samples = self.memory.read(first, head)
        self.next, self._at_ns = head, int(times[-1, 2])
        self._watch(times, samples)
        announced: list[tuple[str, str, Message]] = []
        for number, bed in enumerate(self.beds):
            rows = samples[:, :, number]
            changed = bed.board.observe(times, rows, self._conditions(bed))
            bed.board.since = {}  # from now on this is who has looked for longest
            alarm_memory.write_since(self.memory, number, bed.board.since_when())
            announced += self._state(bed, times[-1], rows[-1])
            if changed or not bed.alarms_said:
                announced.append(("alarm", bed.name, self._alarms(bed, times[-1])))
                bed.alarms_said = True
        return announced

    def acknowledged(self, given: Sequence[Acknowledgement]) -> None:
        """Who has seen which alarm, as far as is known: every row there is."""
        by_device = {bed.name: bed.board.known for bed in self.beds}
        for row in given:
            if row.device in by_device:
                by_device[row.device].setdefault(row.occurrence, row.seen)

    def _skip(self, first: int) -> None:
        """Let the boards see what is not announced any more: an alarm is called by when it came on."""
        capacity = self.memory.capacity_ticks
        begin = max(self.next, self.memory.head() - capacity + capacity // CATCH_UP)
        if begin >= first:
            return
        with suppress(Overrun):
            times, samples = self.memory.read(begin, first)
            for number, bed in enumerate(self.beds):
                bed.board.observe(times, samples[:, :, number], self._conditions(bed))

    def _without_samples(self) -> list[tuple[str, str, Message]]:
        """A loop that is dead or hangs brings none: that is an alarm, too."""
        if not alarm_memory.is_lost(self.memory):
            return []
        now = alarm_memory.moment(self.memory)
        self._at_ns = now.wall_ns
        changed = []
        for number, bed in enumerate(self.beds):
            if bed.board.look(now, alarm_memory.lost(self._conditions(bed), self.memory)):
                changed.append(bed)
            alarm_memory.write_since(self.memory, number, bed.board.since_when())
        return [("alarm", bed.name, self._alarms(bed, np.array(now))) for bed in changed]

    def _conditions(self, bed: Bed) -> Conditions:
        found = gateway_conditions(self.memory.health, self.memory.period_ns / 1e6)
        return alarm_memory.of_bed(found, self.memory, bed.name, self.interruptions)

    def boards(self) -> dict[str, Any]:
        """The boards as JSON-able values, by bed."""
        return {bed.name: bed.board.dump() for bed in self.beds}

    def gateway_alarms(self) -> GatewayAlarms | None:
        """The alarms that are on, for the record; None before the first look."""
        if self._at_ns is None:
            return None
        return GatewayAlarms(self._at_ns, {bed.name: bed.board.active() for bed in self.beds})

    def _watch(self, times: npt.NDArray[np.int64], samples: npt.NDArray[np.int32]) -> None:
        """Health words of loop and clock, for recorder and panel alike."""
        now = int(times[-1, 1])
        self._late.append((now, int(samples[:, layout.S_LATE].max())))
        while now - self._late[0][0] > LATE_WINDOW_S * 1e9:
            self._late.popleft()
        for step in self.clock.observe(times):
            self._step = (int(times[step.row, 1]), step.step_s)
        recent = self._step is not None and now - self._step[0] < STEP_SHOWN_S * 1e9
        self.memory.health["late_us"] = max(late for _, late in self._late)
        self.memory.health["clock_step_ms"] = round(self._step[1] * 1000) if self._step and recent else 0

    def _state(
        self, bed: Bed, time: npt.NDArray[np.int64], sample: npt.NDArray[np.int32]
    ) -> list[tuple[str, str, Message]]:
        key = (*sample[list(_KEY)].tolist(), int(sample[layout.S_REMAINING]) // PROGRESS_MS)
        if key == bed.said:
            return []
        bed.said = key
        return [("state", bed.name, self._message(bed, time, sample))]

    def _message(self, bed: Bed, time: npt.NDArray[np.int64], sample: npt.NDArray[np.int32]) -> DeviceState:
        """The state; whose session it is comes from the operator's side."""
        number, phase = int(sample[layout.S_SESSION]), int(sample[layout.S_PHASE])
        under_way = number > 0 and phase != layout.IDLE
        known = self.sessions.shown(bed.name, number) if under_way else None
        bed.board.parameters = known.parameters or None if known else None
        session = known.session if known else None
        if under_way and session is None:
            session = unknown_session(self.memory.boot, bed.name, number).session
        reason = int(sample[layout.S_REASON])
        return DeviceState(
            boot=self.memory.boot,
            seq=int(time[0]),
            at=instant(int(time[2])),
            phase=layout.PHASES[phase],
            cycle=max(0, int(sample[layout.S_CYCLE])),
            target_n=_newtons(sample[layout.S_TARGET]),
            peak_n=_newtons(sample[layout.S_PEAK]),
            ceiling_n=_newtons(sample[layout.S_CEILING]),
            session=session,
            region=known.region if known else None,
            remaining_s=max(0, int(sample[layout.S_REMAINING])) / 1000,
            traction_s=known.parameters[layout.P_TRACTION_S] if known and known.parameters else 0.0,
            guardings=max(0, int(sample[layout.S_GUARDINGS])),
            reason=layout.REASONS[reason] if reason else None,
        )

    def _alarms(self, bed: Bed, time: npt.NDArray[np.int64]) -> AlarmState:
        return AlarmState(
            boot=self.memory.boot,
            seq=int(time[0]),
            at=instant(int(time[2])),
            alarms=list(bed.board.active()),
        )


def _newtons(millinewtons: np.int32) -> float:
    """Newtons to the centinewton, within what the contract carries."""
    return float(min(max(round(int(millinewtons) / 1000, 2), -2000.0), 2000.0))

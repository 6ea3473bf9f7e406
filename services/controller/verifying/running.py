"""Sessions side by side in slots: whoever is over makes place for the next, so that no lane is idle."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.controller.beds import simulated
from services.controller.kernel import cache, layout, plant
from services.controller.kernel import state as at
from services.controller.kernel.faults import FAULT_KINDS
from services.controller.kernel.state import STATE_INDEX
from services.controller.kernel.step import new_parameters, new_state
from services.controller.verifying import rows as r
from services.controller.verifying.drawing import LINES, PERIODS_S, Session, draw

with cache.kept_for(Path(cache.__file__).parent, Path(__file__).parent):
    from services.controller.verifying.watching import watch

BEDS = 64
CHUNK = 500  # ticks between two looks at who is over
LONG_AGO_S = 1e9  # since the last contraction, fault: none yet
TAIL = 8  # sessions still running when everything is drawn: short of it a chunk ends early


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one session: ticks in which each invariant was broken, or a breach excused."""

    number: int
    period_s: float
    ticks: int
    reason: str
    phase: str
    broken: dict[str, int]
    first_s: dict[str, float]
    excused: dict[str, int]
    excused_first_s: dict[str, float]
    beyond_drive: int
    faults: dict[str, int]


class Slots:
    """The arrays of sessions that run side by side at one period."""

    def __init__(self, beds: int, period_s: float) -> None:
        """Empty slots."""
        self.beds, self.period_s = beds, period_s
        self.sessions: list[Session | None] = [None] * beds
        self.params = new_parameters(beds, self.period_s)
        self.staged = new_parameters(beds, self.period_s)
        self.changed = new_parameters(beds, self.period_s)
        self.state = new_state(beds)
        self.people = simulated.simulated_beds(0, beds, self.period_s)
        self.script = np.full((beds, LINES, 3), 2**62, np.int64)
        self.line, self.clock = np.zeros(beds, np.int64), np.zeros(beds, np.int64)
        self.given, self.later = np.zeros((len(r.GIVEN), beds)), np.zeros((len(r.GIVEN), beds))
        self.monitor = np.zeros((len(r.MEMORY), beds))
        self.lag_gain = np.zeros(beds)
        self.sample = np.zeros((len(layout.SAMPLES), beds), np.int32)
        self.action = np.zeros(beds, np.int32)
        self.moved, self.outputs = np.zeros(beds), np.zeros(beds)
        self.broken = np.zeros((len(r.INVARIANTS), beds))
        self.excused = np.zeros((len(r.EXCUSES), beds))
        self.counts, self.first = np.zeros_like(self.broken), np.zeros_like(self.broken)
        self.explained, self.explained_first = np.zeros_like(self.excused), np.zeros_like(self.excused)
        self.contractions = np.zeros(beds, np.int64)
        self.idle_plant = plant.new_plant(1)[:, 0]
        self.idle_state = new_state(1)[:, 0]
        self.idle_params = new_parameters(1, self.period_s)[:, 0]

    def seat(self, slot: int, session: Session) -> None:
        """Put a session into a slot: nothing of the one before is left, but what all share in column 0."""
        people = self.people
        self.sessions[slot] = session
        self.params[:, slot], self.staged[:, slot] = self.idle_params, session.parameters
        self.changed[:, slot] = session.changed
        ring_row = self.state[at.RING_ROW, slot]  # the ring turns on for all
        self.state[: at.CHANGED, slot] = self.idle_state[: at.CHANGED]
        self.state[at.RING_ROW, slot] = ring_row
        self.state[at.RING :, slot] = 0.0
        people.plant[:, slot], people.constants[:, slot] = self.idle_plant, session.constants
        people.random[:, slot] = session.random
        people.plant[plant.X_TILT, slot] = people.tilt_deg[slot] = session.parameters[layout.P_TILT]
        people.faults[slot] = 0
        people.command[:, slot], people.reading[:, slot], self.sample[:, slot] = 0, 0, 0
        self.script[slot], self.line[slot], self.clock[slot] = session.script, 0, 0
        self.given[:, slot], self.later[:, slot] = session.given, session.later
        self._watch_anew(slot, session)

    def _watch_anew(self, slot: int, session: Session) -> None:
        monitor = self.monitor
        monitor[:, slot] = 0.0
        never = [r.M_CALM, r.M_DISOBEYED, r.M_UNABLE, r.M_HINDERED, r.M_MISREAD, r.M_LIED, r.M_WEAK,
                 r.M_ASTRAY, r.M_GAVE]  # fmt: skip
        monitor[never, slot] = LONG_AGO_S
        monitor[r.M_BUSY, slot], monitor[r.M_ENDED, slot], monitor[r.M_REMAINING, slot] = 1.0, 1.0, -1.0
        monitor[r.M_PERIOD, slot], monitor[r.M_BEYOND, slot] = self.period_s, -LONG_AGO_S
        monitor[r.M_GIVE_UP, slot] = session.given[r.G_LONGEST] + 30.0
        steps = session.constants[plant.K_STEPS]
        left = (1.0 - session.constants[plant.K_DRIVE_GAIN]) ** np.arange(1.0, steps + 1.0)
        self.lag_gain[slot] = 1.0 - left[-1]
        monitor[r.M_LAG_MEAN, slot] = left.mean()  # of a change of speed, over one period
        for array, empty in ((self.counts, 0.0), (self.first, -1.0), (self.explained, 0.0),
                             (self.explained_first, -1.0)):  # fmt: skip
            array[:, slot] = empty
        self.contractions[slot] = 0

    def run(self, ticks: int, enough: int) -> int:
        """Advance all slots; returns the ticks run."""
        people = self.people
        return int(watch(
            ticks, enough, self.params, self.staged, self.changed, self.state, people.plant,
            people.constants, people.random, people.library.samples, people.library.entries, people.faults,
            people.tilt_deg, self.script, self.line, self.clock, self.given, self.later, self.monitor,
            self.lag_gain, people.command, people.reading, self.sample, self.action, self.moved,
            self.outputs, self.broken, self.excused, self.counts, self.first, self.explained,
            self.explained_first, self.contractions,
        ))  # fmt: skip

    def over(self) -> Iterator[tuple[int, Outcome]]:
        """The slots whose session is over, and what became of it."""
        for slot, session in enumerate(self.sessions):
            if session is not None and self.monitor[r.M_BUSY, slot] == 0.0:
                self.sessions[slot] = None
                yield slot, self._outcome(slot, session)

    def _outcome(self, slot: int, session: Session) -> Outcome:
        finite = np.isfinite(self.state[: len(STATE_INDEX), slot]).all() and np.isfinite(
            self.people.plant[:, slot]).all()  # fmt: skip
        self.counts[r.I_FINITE, slot] = 0.0 if finite else 1.0
        told = session.script[: self.line[slot]]
        return Outcome(
            number=session.number,
            period_s=session.period_s,
            ticks=int(self.clock[slot]),
            reason=layout.REASONS[self.sample[layout.S_REASON, slot]],
            phase=layout.PHASES[self.sample[layout.S_PHASE, slot]],
            broken=_named(r.INVARIANT_NAMES, self.counts[:, slot]),
            first_s=_moments(r.INVARIANT_NAMES, self.first[:, slot], session.period_s),
            excused=_named(r.EXCUSE_NAMES, self.explained[:, slot]),
            excused_first_s=_moments(r.EXCUSE_NAMES, self.explained_first[:, slot], session.period_s),
            beyond_drive=int(self.contractions[slot]),
            faults=_injected(told),
        )


def _named(names: tuple[str, ...], counts: np.ndarray) -> dict[str, int]:
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


def _moments(names: tuple[str, ...], ticks: np.ndarray, period_s: float) -> dict[str, float]:
    return {
        name: round(float(tick) * period_s, 3) for name, tick in zip(names, ticks, strict=True) if tick >= 0
    }


def _injected(told: np.ndarray) -> dict[str, int]:
    """How often each kind of fault was set in the lines of a script that came to pass."""
    counts: dict[str, int] = {}
    standing = 0
    for _, kind, value in told.tolist():
        if kind == 1:
            for bit, name in enumerate(FAULT_KINDS):
                if (value & ~standing) >> bit & 1:
                    counts[name] = counts.get(name, 0) + 1
            standing = value
    return counts


def load() -> None:
    """Load the compiled code, or compile it, without running a session."""
    with cache.one_at_a_time():
        Slots(1, PERIODS_S[0]).run(0, 0)


def outcomes(
    seed: int, numbers: list[int], faults: tuple[str, ...], beds: int = BEDS,
    between: Callable[[float], None] | None = None,
) -> Iterator[Outcome]:  # fmt: skip
    """Run these sessions of a seed, period by period; `between` hears of the bed-seconds simulated."""
    for period_s in dict.fromkeys(PERIODS_S):
        mine = [number for number in numbers if PERIODS_S[number % len(PERIODS_S)] == period_s]
        if mine:
            yield from _side_by_side(Slots(min(beds, len(mine)), period_s), seed, mine, faults, between)


def _side_by_side(
    slots: Slots, seed: int, numbers: list[int], faults: tuple[str, ...],
    between: Callable[[float], None] | None,
) -> Iterator[Outcome]:  # fmt: skip
    waiting = iter(numbers)
    seated = 0
    for slot in range(slots.beds):
        slots.seat(slot, draw(seed, next(waiting), faults))
        seated += 1
    while seated:
        busy = sum(session is not None for session in slots.sessions)
        ran = slots.run(CHUNK, busy - max(1, min(TAIL, busy)))
        if between is not None:
            between(ran * slots.period_s * busy)
        for slot, outcome in slots.over():
            yield outcome
            number = next(waiting, None)
            seated -= number is None
            if number is not None:
                slots.seat(slot, draw(seed, number, faults))

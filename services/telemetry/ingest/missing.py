"""Which holes to ask the gateways for and when, and when to give one up: decisions only, no broker, no store.

A hole is asked for when it has not changed for ``ask_s``: a backlog that fills it is left to. Asked again
with doubled patience, at most MOST_BACK_OFF_S, and all together at most ``per_s`` times a second. Time counts
only while its gateway is heard from: nobody is asked who is not there, and a clinic that is closed for a week
has not failed to answer. A gateway answers with the rows or with a `samples.lost` event; a hole that none of
both has closed in ``give_up_s`` is named, so that `committed` can go on. What comes later is kept, too.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from services.telemetry.holes import Asking, Hole, waiting_since
from services.telemetry.models import Gap, Place

MOST_BACK_OFF_S: Final = 60.0
PER_S: Final = 20.0
MOST_STEP_S: Final = 5.0  # between two looks; beyond it the store was away, and nobody could be asked
NEVER_ANSWERED: Final = "never answered"
IsHeard = Callable[[Place], bool]


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be done now: ask, name, and what to write down about which hole (None: forget it)."""

    asks: list[Hole] = field(default_factory=list)
    named: list[Gap] = field(default_factory=list)
    changes: dict[Hole, Asking | None] = field(default_factory=dict)


@dataclass(slots=True)
class _Open:
    """One hole as long as it keeps its bounds."""

    asking: Asking
    ask_at: float  # in seconds waited


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Missing:
    """Remembers every open hole of a worker; all times but ``wall`` are monotonic seconds."""

    ask_s: float
    give_up_s: float
    per_s: float = PER_S
    wall: Callable[[], datetime] = _now
    _open: dict[Hole, _Open] = field(default_factory=dict)
    _allowance: float = 1.0
    _looked_at: float | None = None

    def recall(self, known: Mapping[Hole, Asking]) -> None:
        """Go on with what an earlier owner of these sources wrote down; a first question is due soon."""
        for hole, asking in known.items():
            self._open[hole] = _Open(asking, asking.waited_s + self.ask_s)

    def forget(self, site: str) -> None:
        """Another worker asks for this site's holes now, and what is written down about them is its own."""
        self._open = {hole: state for hole, state in self._open.items() if hole.source.place.site != site}

    def look(self, holes: Iterable[Hole], now: float, is_heard: IsHeard) -> Look:
        """Given every hole there is: what to do about them. Call it a few times a second."""
        elapsed = 0.0 if self._looked_at is None else min(now - self._looked_at, MOST_STEP_S)
        self._looked_at = now
        self._allowance = min(self._allowance + elapsed * self.per_s, self.per_s)
        look, before = Look(), self._open
        self._wait(elapsed, is_heard)
        self._open = {
            hole: before.get(hole) or _Open(waiting_since(self.wall()), self.ask_s) for hole in holes
        }
        look.changes.update(
            (hole, None) for hole, state in before.items() if state.asking.asks and hole not in self._open
        )
        self._name(look)
        self._ask(look, is_heard)
        return look

    def _wait(self, elapsed: float, is_heard: IsHeard) -> None:
        for hole, state in self._open.items():
            if is_heard(hole.source.place):
                state.asking = replace(state.asking, waited_s=state.asking.waited_s + elapsed)

    def _name(self, look: Look) -> None:
        for hole, state in self._open.items():
            if state.asking.asks and state.asking.waited_s >= self.give_up_s:
                look.named.append(Gap(hole.kind, hole.source, hole.first, hole.after, NEVER_ANSWERED))

    def _ask(self, look: Look, is_heard: IsHeard) -> None:
        """Those who have waited longest beyond their time first, as many as may be asked now."""
        due = [
            (state.ask_at - state.asking.waited_s, hole)
            for hole, state in self._open.items()
            if state.ask_at <= state.asking.waited_s and is_heard(hole.source.place)
        ]
        for _, hole in sorted(due, key=lambda pair: pair[0])[: int(self._allowance)]:
            state = self._open[hole]
            state.asking = replace(state.asking, asks=state.asking.asks + 1)
            patience_s = min(self.ask_s * 2.0 ** min(state.asking.asks, 30), MOST_BACK_OFF_S)
            state.ask_at = state.asking.waited_s + max(patience_s, self.ask_s)
            self._allowance -= 1
            look.asks.append(hole)
            look.changes[hole] = state.asking

"""The board of one bed: its conditions followed through their states, joined into what is shown.

The same samples give the same board wherever they are followed: in the recorder (stream `alarm`), in the
panel and in the record. An occurrence is called by its condition and by when that came on.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from broker.messages import ActiveAlarm
from services.controller.alarms.states import PRESENTED, Occurrence, acknowledge, advance, state
from services.controller.alarms.table import (
    ALARMS,
    BY_CONDITION,
    LIVE,
    NS_PER_S,
    PRIORITIES,
    PULLS_NOTHING,
    SECOND_CHANNEL_LOST,
    UNASKED_DN,
    UNASKED_TENSION,
    UNBELIEVED,
    UNTIL_SEEN,
    WHILE_ON,
    Alarm,
    Condition,
    Conditions,
    Parameter,
    Row,
    Samples,
    Times,
    text,
)
from services.controller.kernel import layout


class Seen(NamedTuple):
    """Who acknowledged an occurrence at the bed, and when (wall clock, ns)."""

    name: str
    account: str | None
    at_ns: int


class Moment(NamedTuple):
    """A tick's times: its number, CLOCK_MONOTONIC and CLOCK_REALTIME (ns)."""

    tick: int
    steady_ns: int
    wall_ns: int


@dataclass(slots=True)
class _Shown:
    """An occurrence with the numbers of its text, and who has seen it."""

    held: Occurrence
    at_ns: int  # wall clock: when it came on
    value: float | None = None
    limit: float | None = None
    about_ns: int | None = None  # wall clock of what the text is about
    seen: Seen | None = None


@dataclass(slots=True)
class AlarmBoard:
    """The alarms of one bed, from its samples and from what the gateway knows of itself.

    Pure bookkeeping: no clock of its own (delays are measured on the samples' monotonic times), no I/O.
    ``parameters`` are the bed's compiled parameters, for the limits some texts name; ``known`` the
    acknowledgements that were given, by occurrence; ``since`` when conditions came on (monotonic, ns), by
    somebody who has looked for longer: it counts for the first sample and for the gateway's own conditions.
    """

    parameters: Sequence[float] | None = None
    _bits: int = 0
    _on: dict[str, _Shown] = field(default_factory=dict)
    _last: Samples | None = None
    _last_ns: int = 0  # monotonic, of that sample
    _before_ns: int = 0  # of the one before it
    _now_ns: int = 0  # monotonic, of the last look
    _had_effort: bool = False  # the bed has a second sensor channel
    known: dict[str, Seen] = field(default_factory=dict)
    since: Mapping[str, int] = field(default_factory=dict)

    def observe(self, times: Times, samples: Samples, gateway: Conditions | None = None) -> bool:
        """Take the next samples (int64[n, 3], int32[n, SAMPLES], n >= 1); True when the board changed."""
        before = self._signature()
        bits = self._facts(samples)
        woke_ns = [self._before_ns, self._last_ns, *times[:, 1].tolist()]
        for i in self.changes(samples):
            limits_from = samples[i - 1] if i else (samples[0] if self._last is None else self._last)
            gap_ns = _longest_gap_ns(woke_ns[i : i + 3])
            self._take_bits(int(bits[i]), Moment(*times[i].tolist()), samples[i], limits_from, gap_ns)
        self._had_effort |= bool((samples[:, layout.S_EFFORT] > layout.NO_EFFORT).any())
        self._last, (self._before_ns, self._last_ns) = samples[-1].copy(), woke_ns[-2:]
        self._look(Moment(*times[-1].tolist()), gateway or {})
        return self._signature() != before

    def look(self, now: Moment, gateway: Conditions) -> bool:
        """Let the time pass without a sample: a loop that hangs brings none; True when the board changed."""
        before = self._signature()
        self._look(now, gateway)
        return self._signature() != before

    def changes(self, samples: Samples) -> list[int]:
        """The rows of the next samples in which a condition of the kernel comes or goes."""
        bits = self._facts(samples)
        previous = np.concatenate((np.array([self._bits], bits.dtype), bits[:-1]))
        return np.flatnonzero(bits != previous).tolist()

    def active(self) -> tuple[ActiveAlarm, ...]:
        """What is shown now: the most urgent first, of those what nobody has seen, of those the newest."""
        rows = self._shown()
        rows.sort(
            key=lambda row: (PRIORITIES.index(row[0].priority), bool(row[1].seen), -row[1].held.since_ns)
        )
        return tuple(self._message(alarm, shown) for alarm, shown in rows)

    def barring(self) -> ActiveAlarm | None:
        """The most urgent alarm that lets nobody be confirmed or started here; None: nothing is in the way.

        By its own conditions the kernel refuses, with the values of its tick: those are left to it.
        """
        return next((one for one in self.active() if _bars(BY_CONDITION[one.condition], one)), None)

    def acknowledge(self, occurrence: str, seen: Seen) -> Seen | None:
        """Who has seen this one occurrence: this one, or who was first; None when it is not shown."""
        condition = occurrence.rpartition("-")[0]
        shown = self._on.get(condition)
        if shown is None or name_of(condition, shown.held.since_ns) != occurrence:
            return None
        if self._state(BY_CONDITION[condition], shown) not in PRESENTED:
            return None
        if shown.seen is not None:
            return shown.seen
        self.known[occurrence] = seen
        self._apply_known(self._now_ns)
        return seen

    def seen(self, condition: str) -> Seen | None:
        """Who acknowledged the condition's present occurrence."""
        shown = self._on.get(condition)
        return shown.seen if shown else None

    def since_when(self) -> dict[str, int]:
        """Since when (monotonic, ns) each condition is on that is held here, for whoever looks later."""
        return {name: shown.held.since_ns for name, shown in list(self._on.items())}

    def dump(self, *, whole: bool = False) -> dict[str, Any]:
        """What a restarted recorder needs to go on with the same occurrences; JSON-able.

        ``whole``: with the last sample, for a reader that goes on exactly behind it.
        """
        occurrences = {
            name: [one.held.since_ns, one.at_ns, one.value, one.limit, one.held.raised, one.held.gone_ns,
                   one.about_ns, one.seen]
            for name, one in self._on.items()
        }  # fmt: skip
        dumped: dict[str, Any] = {"bits": self._bits, "on": occurrences, "now": self._now_ns}
        dumped["effort"] = self._had_effort
        if whole and self._last is not None:
            dumped["last"] = [self._last_ns, self._last.tolist(), self._before_ns]
        return dumped

    @classmethod
    def restore(cls, dumped: Mapping[str, Any], parameters: Sequence[float] | None = None) -> "AlarmBoard":
        """The board that ``dump`` described; conditions the table no longer knows are dropped."""
        occurrences = {name: _restored(*row) for name, row in dumped["on"].items() if name in BY_CONDITION}
        last_ns, last, *older = dumped.get("last", (0, None))
        sample = None if last is None else np.array(last, np.int32)
        before_ns = older[0] if older else 0
        now_ns, had_effort = dumped.get("now", last_ns), bool(dumped.get("effort"))
        bits = int(dumped["bits"])
        return cls(parameters, bits, occurrences, sample, last_ns, before_ns, now_ns, had_effort)

    # --- conditions ----------------------------------------------------------------------------------------
    def _facts(self, samples: Samples) -> Times:
        """The kernel's conditions, and what the samples tell beside them; int64[n]."""
        is_there = samples[:, layout.S_EFFORT] > layout.NO_EFFORT
        is_lost = (np.logical_or.accumulate(is_there) | self._had_effort) & ~is_there
        bits: Times = samples[:, layout.S_CONDITIONS].astype(np.int64)
        bits[is_lost] |= SECOND_CHANNEL_LOST
        bits[_is_unasked(samples)] |= UNASKED_TENSION
        return bits

    def _take_bits(
        self, bits: int, now: Moment, sample: Samples, before: Samples, gap_ns: int | None
    ) -> None:
        """Follow the kernel's conditions that changed in one sample, after a gap of so long."""
        is_first = self._last is None and not self._bits
        for alarm in ALARMS:
            if (bits ^ self._bits) & alarm.bit:
                found = Condition(
                    _value(alarm, sample, gap_ns),
                    self._limit(alarm, before),
                    since_ns=self.since.get(alarm.condition) if is_first else None,
                )
                self._turn(alarm, now, found if bits & alarm.bit else None)
        self._bits = bits

    def _look(self, now: Moment, gateway: Conditions) -> None:
        self._now_ns = now.steady_ns
        if not gateway and not self._on and not self._bits:
            return  # nearly always
        for alarm in ALARMS:
            if alarm.bit:
                found = Condition() if alarm.bit & self._bits else None
            else:
                found = self._dated(alarm, gateway.get(alarm.condition))
            if found is not None or alarm.condition in self._on:
                self._turn(alarm, now, found)
        self._complete()
        self._apply_known(now.steady_ns)

    def _dated(self, alarm: Alarm, found: Condition | None) -> Condition | None:
        """The gateway's condition, since when whoever announces it says."""
        since_ns = self.since.get(alarm.condition)
        if found is None or found.since_ns is not None or since_ns is None:
            return found
        return Condition(found.value, found.limit, found.at_ns, since_ns)

    def _turn(self, alarm: Alarm, now: Moment, found: Condition | None) -> None:
        """One condition is on with these numbers, or off."""
        shown = self._on.get(alarm.condition)
        before = shown.held if shown else None
        held = advance(alarm.rule, before, now.steady_ns, on=found is not None)
        if held is None:
            self._on.pop(alarm.condition, None)
        elif shown is None or before is None or held.since_ns != before.since_ns:
            self._on[alarm.condition] = _begun(alarm, held, now, found or Condition())
        else:
            shown.held = held
            if found is not None and not alarm.bit:
                self._follow(alarm, shown, now, found, was_raised=before.raised)

    def _follow(
        self, alarm: Alarm, shown: _Shown, now: Moment, found: Condition, *, was_raised: bool
    ) -> None:
        """A gateway's condition that goes on: its text names what it was when the delay was over."""
        if found.since_ns is not None and found.since_ns != shown.held.since_ns:
            self._on[alarm.condition] = _begun(alarm, shown.held, now, found)
        elif not was_raised:
            shown.value, shown.limit = found.value, found.limit

    def _limit(self, alarm: Alarm, before: Samples) -> float | None:
        """The limit that was in force in the sample before the condition came on."""
        if isinstance(alarm.limit, Row):
            return alarm.limit.of(before)
        if isinstance(alarm.limit, Parameter) and self.parameters is not None:
            return float(self.parameters[alarm.limit.index])
        return None

    def _complete(self) -> None:
        """The limits of a session that became known only after the condition had come on."""
        for name, shown in self._on.items():
            alarm = BY_CONDITION[name]
            if shown.limit is None and isinstance(alarm.limit, Parameter) and self.parameters is not None:
                shown.limit = float(self.parameters[alarm.limit.index])

    # --- acknowledging -------------------------------------------------------------------------------------
    def _apply_known(self, now_ns: int) -> None:
        """Acknowledge what is known to be acknowledged."""
        for name, shown in list(self._on.items()):
            seen = self.known.get(name_of(name, shown.held.since_ns))
            if seen is None or shown.seen is not None or not shown.held.raised:
                continue
            held = acknowledge(BY_CONDITION[name].rule, shown.held, now_ns)
            if held is None:
                del self._on[name]
            else:
                shown.held, shown.seen = held, seen

    # --- showing -------------------------------------------------------------------------------------------
    def _shown(self) -> list[tuple[Alarm, _Shown]]:
        """What is shown; other threads ask while samples come, so from a copy."""
        rows = [(BY_CONDITION[name], shown) for name, shown in list(self._on.items())]
        return [(alarm, shown) for alarm, shown in rows if self._state(alarm, shown) in PRESENTED]

    def _state(self, alarm: Alarm, shown: _Shown) -> Any:
        return state(alarm.rule, shown.held, self._now_ns)

    def _message(self, alarm: Alarm, shown: _Shown) -> ActiveAlarm:
        numbers = (shown.value, shown.limit, shown.about_ns)
        return ActiveAlarm(
            condition=alarm.condition,
            priority=alarm.priority,
            since=_instant(shown.at_ns),
            latched=alarm.latching != LIVE,
            text={"de": text(alarm, "de", *numbers), "en": text(alarm, "en", *numbers)},
            value=shown.value,
            limit=shown.limit,
            hazard=alarm.hazard,
            occurrence=name_of(alarm.condition, shown.held.since_ns),
            state=self._state(alarm, shown),
            acknowledged_at=_instant(shown.seen.at_ns) if shown.seen else None,
            acknowledged_by=shown.seen.account if shown.seen else None,
        )

    def _signature(self) -> set[tuple[str, int, str, bool]]:
        return {
            (alarm.condition, shown.held.since_ns, self._state(alarm, shown), shown.limit is None)
            for alarm, shown in self._shown()
        }


def name_of(condition: str, since_ns: int) -> str:
    """What an occurrence is called, within a boot: its condition, and since when (monotonic, ns)."""
    return f"{condition}-{since_ns}"


def _bars(alarm: Alarm, shown: ActiveAlarm) -> bool:
    if alarm.bars == UNTIL_SEEN:
        return shown.acknowledged_at is None
    return alarm.bars == WHILE_ON and not alarm.is_the_kernels


def _begun(alarm: Alarm, held: Occurrence, now: Moment, found: Condition) -> _Shown:
    """A new occurrence: since now, or since when it is known to have been on."""
    if found.since_ns is not None and found.since_ns <= now.steady_ns:
        held = Occurrence(found.since_ns, held.raised, held.gone_ns)
        held = advance(alarm.rule, held, now.steady_ns, on=True) or held
    at_ns = now.wall_ns - (now.steady_ns - held.since_ns)
    return _Shown(held, at_ns, found.value, found.limit, found.at_ns)


def _restored(
    since_ns: int,
    at_ns: int,
    value: float | None,
    limit: float | None,
    raised: bool,  # noqa: FBT001  (a row of the dump)
    gone_ns: int | None = None,
    about_ns: int | None = None,
    seen: Sequence[Any] | None = None,
) -> _Shown:
    held = Occurrence(since_ns, raised, gone_ns, acknowledged=seen is not None)
    return _Shown(held, at_ns, value, limit, about_ns, Seen(*seen) if seen else None)


def _is_unasked(samples: Samples) -> npt.NDArray[np.bool_]:
    """Samples with a measured tension that nothing pulls, and nothing lets out: bool[n]."""
    has_cell = samples[:, layout.S_STATUS] & layout.STATUS_FORCE_VALID != 0
    is_believed = samples[:, layout.S_CONDITIONS] & UNBELIEVED == 0
    is_measured = has_cell & is_believed & (samples[:, layout.S_AGE] == 0)
    is_left = (samples[:, layout.S_FORCE] > UNASKED_DN) & (samples[:, layout.S_VELOCITY] >= 0)
    unasked: npt.NDArray[np.bool_] = (
        np.isin(samples[:, layout.S_PHASE], PULLS_NOTHING) & is_measured & is_left
    )
    return unasked


def _instant(wall_ns: int) -> datetime:
    return datetime.fromtimestamp(wall_ns / NS_PER_S, UTC)


def _longest_gap_ns(woke_ns: Sequence[int]) -> int | None:
    """The longest time between neighbours of some ticks, of those that are known (0: not)."""
    return max((after - before for before, after in itertools.pairwise(woke_ns) if before), default=None)


def _value(alarm: Alarm, sample: Samples, gap_ns: int | None) -> float | None:
    """The number of the alarm's text, for one that has a number."""
    if isinstance(alarm.value, Row):
        return alarm.value.of(sample)
    return gap_ns / 1e6 if alarm.value is not None and gap_ns is not None else None

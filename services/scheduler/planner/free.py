"""Which starts are free: a day of a device or of a therapist is one integer, a bit a minute.

A place is free for k minutes where k consecutive bits are set; that is a handful of shifts, so that a cure's
whole horizon is looked through in a few milliseconds.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import chain
from math import ceil
from uuid import UUID

from services.scheduler.planner.calendar import (
    DAY_MIN,
    instant,
    minute_of,
    moment_of,
    opening_spans,
    outage_span,
    spans,
)
from services.scheduler.planner.problem import (
    Booked,
    Device,
    Outage,
    Problem,
    Request,
    Site,
    Therapist,
    Window,
    Wishes,
)

TAIL_MIN = 6 * 60  # an appointment with its clean-up that starts before midnight ends before this after it


@dataclass(frozen=True, slots=True)
class Start:
    """A free start of one day, and who could serve it."""

    minute: int  # since the epoch
    time: int  # minutes after local midnight, as the clock shows
    devices: tuple[str, ...]
    therapists: tuple[UUID, ...]


def run_of(bits: int, length: int) -> int:
    """Where ``length`` consecutive bits are set: the bit of each such run's first minute."""
    have = 1
    while have < length:
        step = min(have, length - have)
        bits &= bits >> step
        have += step
    return bits


def bits_of(span: Window, base: int, size: int) -> int:
    """The bits of [from, to) epoch minutes in a day that begins at ``base``."""
    start, end = max(span[0] - base, 0), min(span[1] - base, size)
    return ((1 << (end - start)) - 1) << start if end > start else 0


def each_bit(bits: int) -> Iterator[int]:
    """Positions of the bits that are set, low first."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


class Diary:
    """One site from ``first`` to ``last``: what is open, on shift and taken, as bits a day."""

    def __init__(
        self, problem: Problem, site: Site, first: date, last: date, besides: UUID | None = None
    ) -> None:
        self.problem, self.site, self.zone = problem, site, site.zone
        self.days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        self.base = [instant(site.zone, day, 0) for day in self.days]
        ends = [*self.base[1:], instant(site.zone, last + timedelta(days=1), 0)]
        self.length = [end - start for start, end in zip(self.base, ends, strict=True)]
        self.size = [length + TAIL_MIN for length in self.length]
        self.devices = [device for device in problem.devices if device.site == site.id]
        self.therapists = [therapist for therapist in problem.therapists if therapist.site == site.id]
        people: list[str | UUID] = [*(d.id for d in self.devices), *(t.id for t in self.therapists)]
        self.taken = {key: [0] * len(self.days) for key in people}
        self._take(problem.booked, besides)

    def _take(self, booked: Iterable[Booked], besides: UUID | None) -> None:
        begin, end = self.base[0], self.base[-1] + self.size[-1]
        for one in booked:
            if one.site != self.site.id or (besides is not None and one.cure == besides):
                continue
            span = span_of(one)
            if span[1] + self.site.clean_up_min <= begin or span[0] >= end:
                continue
            device = self.taken.get(one.device or "")
            therapist = self.taken.get(one.therapist) if one.therapist else None
            if device is not None:
                self.paint(device, (span[0], span[1] + self.site.clean_up_min))
            if therapist is not None:
                self.paint(therapist, span)

    def paint(self, row: list[int], span: Window) -> None:
        """Set the span's bits in every day that it touches."""
        first = max((span[0] - self.base[0]) // DAY_MIN - 1, 0)
        last = min((span[1] - self.base[0]) // DAY_MIN + 2, len(row))
        for n in range(first, last):
            row[n] |= bits_of(span, self.base[n], self.size[n])

    def _daily(self, windows_of: Callable[[date], Iterable[Window]]) -> list[int]:
        row = [0] * len(self.days)
        for n in range(-1, len(self.days) + 1):
            for span in windows_of(self.days[0] + timedelta(days=n)):
                self.paint(row, span)
        return row

    def opening(self) -> list[int]:
        """Opening hours as bits of every day."""
        return self._daily(lambda day: opening_spans(self.site, day))

    def _outages(self, outages: Iterable[Outage]) -> list[int]:
        row = [0] * len(self.days)
        for outage in outages:
            self.paint(row, outage_span(outage))
        return row

    def device_starts(self, device: Device) -> list[int]:
        """Free starts of a device by what is booked there and its outages."""
        taken, out, length = self.taken[device.id], self._outages(device.outages), self.site.appointment_min
        whole = length + self.site.clean_up_min
        return [
            run_of(~out[n] & all_bits(size), length) & run_of(~taken[n] & all_bits(size), whole)
            for n, size in enumerate(self.size)
        ]

    def therapist_starts(self, therapist: Therapist) -> list[int]:
        """Free starts of a therapist by shifts, absences and what is booked."""
        taken, out = self.taken[therapist.id], self._outages(therapist.away)
        shift = self._daily(lambda day: spans(self.zone, therapist.shifts, day))
        return [run_of(on & ~out[n] & ~taken[n], self.site.appointment_min) for n, on in enumerate(shift)]

    def grid(self, n: int) -> int:
        """The minutes of a day at which an appointment may start by the clock."""
        if self.length[n] == DAY_MIN:
            return regular_grid(self.site.grid_min)
        every = self.site.grid_min
        return sum(1 << m for m in range(self.length[n]) if self.clock(n, m) % every == 0)

    def clock(self, n: int, minute: int) -> int:
        """What the clock shows ``minute`` minutes after a day began, in minutes after midnight."""
        if self.length[n] == DAY_MIN:
            return minute
        local = moment_of(self.base[n] + minute, self.zone)
        return local.hour * 60 + local.minute


@lru_cache(maxsize=16)
def regular_grid(every: int) -> int:
    """The bits of the starts of a day of 24 hours."""
    return sum(1 << minute for minute in range(0, DAY_MIN, every))


def all_bits(size: int) -> int:
    """So many bits set."""
    return (1 << size) - 1


def span_of(booked: Booked) -> Window:
    """A booking as epoch minutes; a minute that it touches belongs to it."""
    return minute_of(booked.starts_at), ceil(booked.ends_at.timestamp() / 60)


def patient_spans(problem: Problem, request: Request, site: Site) -> list[Window]:
    """Where no session of this patient may start, because of other appointments and the rest around them."""
    rest = ceil(site.rest_h * 60)
    return [
        (start - rest - site.appointment_min + 1, end + rest)
        for one in problem.booked
        if one.patient == request.patient and (request.cure is None or one.cure != request.cure)
        for start, end in (span_of(one),)
    ]


@dataclass(frozen=True, slots=True)
class Free:
    """The starts that every rule about a single appointment allows; days without one are left out."""

    days: dict[date, tuple[Start, ...]]
    diary: Diary

    def gap_minutes(self, day: date, start: Start, device: str) -> int:
        """What an appointment there adds to the idle minutes between the device's first and last that day.

        Below zero when it fills a gap. Each opening window counts by itself: a lunch break is not idle.
        """
        diary, n = self.diary, (day - self.diary.days[0]).days
        site, base = diary.site, diary.base[n]
        length = site.appointment_min + site.clean_up_min
        at = start.minute - base
        for window in chain(opening_spans(site, day), opening_spans(site, day - timedelta(days=1))):
            if window[0] <= start.minute < window[1]:
                taken = diary.taken[device][n] & bits_of(
                    (window[0], window[1] + site.clean_up_min), base, diary.size[n]
                )
                return _gap_change(taken, at, length)
        return 0


def _gap_change(taken: int, at: int, length: int) -> int:
    before, after = taken & all_bits(at), taken >> (at + length)
    if before and after:
        return -length
    if before:
        return at - before.bit_length()
    return (after & -after).bit_length() - 1 if after else 0


def free_starts(problem: Problem, request: Request, first: date, last: date) -> Free:
    """Every start from ``first`` to ``last`` at which one appointment of the request could be."""
    site, wishes = problem.sites[request.site], request.wishes
    diary = Diary(problem, site, first, last, request.cure)
    devices = [
        (device.id, diary.device_starts(device))
        for device in diary.devices
        if request.region in device.regions and wishes.device in {None, device.id}
    ]
    therapists = [
        (therapist.id, diary.therapist_starts(therapist))
        for therapist in diary.therapists
        if wishes.therapist in {None, therapist.id}
    ]
    opening, patient = diary.opening(), [0] * len(diary.days)
    for span in patient_spans(problem, request, site):
        diary.paint(patient, span)
    now = minute_of(problem.now) + 1
    days: dict[date, tuple[Start, ...]] = {}
    for n, day in enumerate(diary.days):
        if day < request.earliest or day.weekday() not in wishes.weekdays:
            continue
        allowed = run_of(opening[n], site.appointment_min) & diary.grid(n) & ~patient[n]
        allowed &= bits_of((now, diary.base[n] + diary.length[n]), diary.base[n], diary.length[n])
        allowed &= union(row[n] for _, row in devices) & union(row[n] for _, row in therapists)
        starts = tuple(_starts(diary, n, allowed, wishes, devices, therapists))
        if starts:
            days[day] = starts
    return Free(days, diary)


def _starts(
    diary: Diary,
    n: int,
    allowed: int,
    wishes: Wishes,
    devices: list[tuple[str, list[int]]],
    therapists: list[tuple[UUID, list[int]]],
) -> Iterator[Start]:
    length = diary.site.appointment_min
    for minute in each_bit(allowed):
        time = diary.clock(n, minute)
        if wishes.times and not any(a <= time and time + length <= b for a, b in wishes.times):
            continue
        yield Start(
            diary.base[n] + minute,
            time,
            tuple(key for key, row in devices if row[n] >> minute & 1),
            tuple(key for key, row in therapists if row[n] >> minute & 1),
        )


def union(rows: Iterable[int]) -> int:
    """All bits of all rows."""
    bits = 0
    for row in rows:
        bits |= row
    return bits

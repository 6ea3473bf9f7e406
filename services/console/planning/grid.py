"""The calendar's picture: columns of a day's devices or therapists, or of a week's days, with blocks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from math import ceil, floor
from typing import Final

from services.console.planning.models import Appointment

STEP_MIN: Final = 5  # a row of the grid
SNAP_MIN: Final = 15  # what a drag falls on: the planner's own raster
HOUR_MIN: Final = 60
DAY: Final = timedelta(days=1)
FIRST_HOUR, LAST_HOUR = 8, 18  # shown at least


@dataclass(frozen=True, slots=True)
class Span:
    """A time at which a column's resource is not there: closed, out, off duty."""

    starts_at: datetime
    ends_at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """Where an appointment stands: its first row, so many rows, its lane among those at the same time."""

    appointment: Appointment
    first: int
    rows: int
    lane: int
    lanes: int


@dataclass(frozen=True, slots=True)
class Shade:
    """Where a span stands."""

    text: str
    first: int
    rows: int


@dataclass(frozen=True, slots=True)
class Column:
    """A day of one resource: what is dragged onto it gets this day, device and therapist."""

    title: str
    note: str
    day: date
    device: str
    therapist: str
    blocks: Sequence[Block]
    shades: Sequence[Shade]


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours that a calendar shows."""

    first: int
    last: int

    @property
    def rows(self) -> int:
        """Rows of the grid."""
        return (self.last - self.first) * HOUR_MIN // STEP_MIN

    def all(self) -> list[tuple[int, str]]:
        """The first row and the name of each hour."""
        per_hour = HOUR_MIN // STEP_MIN
        return [((hour - self.first) * per_hour, f"{hour:02}:00") for hour in range(self.first, self.last)]

    def row(self, day: date, at: datetime) -> float:
        """The row of a time, as a fraction, within what is shown."""
        minutes = (at - datetime.combine(day, time())).total_seconds() / 60 - self.first * HOUR_MIN
        return min(max(minutes / STEP_MIN, 0.0), float(self.rows))


def hours_of(moments: Iterable[tuple[datetime, datetime]], opening: Iterable[tuple[str, str]]) -> Hours:
    """The hours in which anything is: appointments, and when the site is open (``08:00``)."""
    first, last = FIRST_HOUR, LAST_HOUR
    for begin, end in moments:
        first = min(first, begin.hour)
        last = max(last, 24 if end.date() > begin.date() else end.hour + bool(end.minute))
    for opens, closes in opening:
        first = min(first, int(opens[:2]))
        last = max(last, int(closes[:2]) + (closes[3:5] != "00"))
    return Hours(max(first, 0), min(last, 24))


def blocks_of(appointments: Iterable[Appointment], day: date, hours: Hours) -> list[Block]:
    """The blocks of a day: those at the same time stand beside each other."""
    found: list[Block] = []
    cluster: list[Appointment] = []
    until = datetime.combine(day, time())
    for appointment in sorted(appointments, key=lambda it: (it.starts_at, it.id)):
        if cluster and appointment.starts_at >= until:
            found += _beside(cluster, day, hours)
            cluster = []
        cluster.append(appointment)
        until = max(until, appointment.ends_at)
    return found + _beside(cluster, day, hours)


def _beside(cluster: Sequence[Appointment], day: date, hours: Hours) -> list[Block]:
    """Each in the first lane that is free again."""
    free_from: list[datetime] = []
    lanes: list[int] = []
    for appointment in cluster:
        lane = next((i for i, at in enumerate(free_from) if at <= appointment.starts_at), len(free_from))
        free_from[lane : lane + 1] = [appointment.ends_at]
        lanes.append(lane)
    return [
        Block(it, *_rows(day, it.starts_at, it.ends_at, hours), lane, len(free_from))
        for it, lane in zip(cluster, lanes, strict=True)
    ]


def shades_of(spans: Iterable[Span], day: date, hours: Hours) -> list[Shade]:
    """The spans of a day as far as they are in sight."""
    begin = datetime.combine(day, time())
    on_day = [it for it in spans if it.starts_at < begin + DAY and it.ends_at > begin]
    found = [Shade(it.text, *_rows(day, it.starts_at, it.ends_at, hours)) for it in on_day]
    return [it for it in found if it.rows > 0]


def closed_of(day: date, opening: Sequence[tuple[str, str]], text: str) -> list[Span]:
    """Before, between and after the hours that a site is open on a day."""
    begin = datetime.combine(day, time())
    moments = [begin, *(clock_on(day, edge) for hours in sorted(opening) for edge in hours), begin + DAY]
    return [
        Span(begin, end, text) for begin, end in zip(moments[::2], moments[1::2], strict=True) if begin < end
    ]


def clock_on(day: date, text: str) -> datetime:
    """A time of day as it is written, ``24:00`` among them."""
    hours, minutes = text.split(":")[:2]
    return datetime.combine(day, time()) + timedelta(hours=int(hours), minutes=int(minutes))


def _rows(day: date, begin: datetime, end: datetime, hours: Hours) -> tuple[int, int]:
    first, last = floor(hours.row(day, begin)), ceil(hours.row(day, end))
    return first, last - first

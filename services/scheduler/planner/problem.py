"""What the planner is told and what it answers: plain values.

Instants are aware datetimes. Daily hours are minutes after local midnight of the site (a window may run
past 1440: it then ends on the next day), so that an opening hour stays 08:00 on both sides of a clock change
while 45 minutes stay 45 minutes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.kit.language import Text
from services.scheduler.planner.cadences import Cadence

Window = tuple[int, int]  # minutes after local midnight, from and to
Week = tuple[tuple[Window, ...], ...]  # seven days, Monday first

MOST_SESSIONS: Final = (
    30  # a cure has 15 to 20 sessions; twice 15 is the longest that is ever planned at once
)
ALL_DAYS: Final = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Outage:
    """A span in which a device is out of order or a therapist is away."""

    starts_at: datetime
    ends_at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """A clinic: where and when it is open, and what an appointment takes there."""

    id: str
    zone: str  # IANA name, such as Europe/Berlin
    state: str  # ISO 3166-2, such as DE-BE: whose public holidays are kept; empty: none
    opening: Week
    closed: Mapping[date, str] = field(default_factory=dict)  # further closed days and why
    appointment_min: int = 45
    clean_up_min: int = 15  # the device alone is taken by it, not the therapist
    rest_h: float = 20.0  # least time from the end of a patient's session to the next one's start
    grid_min: int = 15  # appointments start on multiples of this after the hour


@dataclass(frozen=True, slots=True)
class Device:
    """A bed: unique within its site."""

    id: str
    site: str
    regions: frozenset[str]
    outages: tuple[Outage, ...] = ()


@dataclass(frozen=True, slots=True)
class Therapist:
    """One who attends appointments, one at a time, within weekly shifts."""

    id: UUID
    site: str
    shifts: Week
    name: str = ""
    away: tuple[Outage, ...] = ()


@dataclass(frozen=True, slots=True)
class Booked:
    """An appointment that is there already. What is confirmed stays where it is."""

    id: UUID
    patient: UUID
    site: str
    device: str | None
    therapist: UUID | None
    starts_at: datetime
    ends_at: datetime  # without clean-up
    cure: UUID | None = None
    number: int = 0
    confirmed: bool = True
    region: str = ""  # unknown: only a device that treats all that this one treats can take it over


@dataclass(frozen=True, slots=True)
class Problem:
    """A chain, or that part of it which matters: the site asked for and all appointments of the patients."""

    now: datetime
    sites: Mapping[str, Site]
    devices: tuple[Device, ...]
    therapists: tuple[Therapist, ...]
    booked: tuple[Booked, ...] = ()

    def today(self, site: str) -> date:
        """The day that it is at a site; at one that is not known, the day of the clock as it is."""
        known = self.sites.get(site)
        return (self.now.astimezone(ZoneInfo(known.zone)) if known else self.now).date()


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the patient wishes; every wish is kept or the request refused, with alternatives."""

    times: tuple[Window, ...] = ()  # the whole appointment lies in one of them; empty: any time
    weekdays: frozenset[int] = ALL_DAYS  # 0 is Monday
    device: str | None = None
    therapist: UUID | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """One appointment of a plan."""

    number: int
    starts_at: datetime
    ends_at: datetime
    device: str
    therapist: UUID


@dataclass(frozen=True, slots=True)
class Request:
    """A cure to be placed whole.

    ``fixed`` are its appointments that stay as they are (held, confirmed, or moved there by hand): the others
    are placed around them. ``cure`` names it: what is booked for the same cure and not fixed is replaced.
    """

    patient: UUID
    site: str
    region: str
    sessions: int
    cadence: Cadence
    earliest: date
    wishes: Wishes = field(default_factory=Wishes)
    fixed: tuple[Placed, ...] = ()
    cure: UUID | None = None
    start_within_days: int = 14  # the first session at most so many days after ``earliest``
    longest_pause_days: int = 14  # between two sessions; beyond, it is another cure


@dataclass(frozen=True, slots=True, order=True)
class Figures:
    """What is minimised, in this order."""

    cadence_violations: int  # sessions after their week; neighbours too close or too far apart
    cadence_days: int  # by how many days, all together
    distinct_times: int
    start_days: int  # from ``earliest`` to the first session
    devices_and_therapists: int  # how many different ones the patient meets
    gap_minutes: int  # idle between two bookings of a device's day: what these appointments add (or fill)


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that forbids something, in the words of its table with this case's values."""

    id: str
    text: Text

    def row(self) -> dict[str, str]:
        """As the API gives it."""
        return {"id": self.id, "text_de": self.text["de"], "text_en": self.text["en"]}


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole series. ``proven``: no better one exists; otherwise the best that was found in time."""

    appointments: tuple[Placed, ...]
    figures: Figures
    proven: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """No series fits. ``proven``: none exists; otherwise none was found in time."""

    reasons: tuple[Reason, ...]
    proven: bool = True


@dataclass(frozen=True, slots=True)
class Effort:
    """How long the planner may think. One worker: a clinic's server has few cores and other work."""

    place_s: float = 2.0
    replan_s: float = 20.0
    batch_s: float = 30.0
    seed: int = 1

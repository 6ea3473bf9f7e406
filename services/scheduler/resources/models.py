"""Sites, beds, therapists and outages, as they are sent and shown."""

import tomllib
from datetime import date, datetime, time
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Annotated, Final, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from broker.fields import Region, Slug
from services.scheduler.clock import SLOT_MIN

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2099, 12, 31)  # beyond them a date is mistyped
MOST_PARTS = 6  # of a day's hours
MOST_CLOSED = 400


def in_slots(minutes: int) -> int:
    """Refuses what does not fit the raster."""
    if minutes % SLOT_MIN:
        raise ValueError(f"{minutes} min: times are kept in steps of {SLOT_MIN} min")
    return minutes


def _clock(text: str) -> str:
    try:
        at = time.fromisoformat(text) if text != "24:00" else None
    except ValueError:
        raise ValueError(f"{text[:20]!r} is no time of day: hh:mm is expected") from None
    if at and (at.second or at.microsecond or at.tzinfo or at.minute % SLOT_MIN):
        raise ValueError(f"{text[:20]!r}: hh:mm in steps of {SLOT_MIN} min is expected")
    return f"{at:%H:%M}" if at else text


def _in_order(parts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each part begins before it ends, and they do not overlap."""
    edges = [edge for part in sorted(parts) for edge in part]
    for earlier, later in pairwise(edges):
        if earlier > later:
            raise ValueError(f"{earlier} comes before {later}: parts of a day lie behind one another")
    if any(start == end for start, end in parts):
        raise ValueError("a part of a day ends where it begins")
    return sorted(parts)


def _plausible(day: date) -> date:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"{day}: a day from {FIRST_DAY} to {LAST_DAY} is expected")
    return day


def _plausible_moment(at: datetime) -> datetime:
    _plausible(at.date())
    return at


@cache
def _zones() -> frozenset[str]:
    """Every time zone's name: found by opening six hundred files, so looked for once."""
    return frozenset(available_timezones())


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError(f"{name[:60]!r} is no time zone: one like Europe/Berlin is expected")
    return name


def _state(name: str) -> str:
    from services.scheduler.resources.calendar import holidays_of

    holidays_of(name, FIRST_DAY.year)
    return name


def _written(text: str) -> str:
    if "\0" in text:
        raise ValueError("a NUL byte is no letter")
    return text.strip()


ClockTime = Annotated[str, AfterValidator(_clock)]
Parts = Annotated[list[tuple[ClockTime, ClockTime]], Field(max_length=MOST_PARTS), AfterValidator(_in_order)]
Hours = dict[Weekday, Parts]
Day = Annotated[date, AfterValidator(_plausible)]
Moment = Annotated[AwareDatetime, AfterValidator(_plausible_moment)]
Written = Annotated[str, AfterValidator(_written)]
Reason = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_written)]
Minutes = Annotated[int, AfterValidator(in_slots)]


class Sent(BaseModel):
    """A body: what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Site(Sent):
    """Where, when, and how long."""

    state: Annotated[str, Field(max_length=20), AfterValidator(_state)]
    zone: Annotated[str, Field(max_length=60), AfterValidator(_zone)]
    hours: Hours
    closed: Annotated[list[Day], Field(max_length=MOST_CLOSED)] = []
    appointment_min: Annotated[Minutes, Field(ge=35, le=120)] = 45
    clean_up_min: Annotated[Minutes, Field(ge=0, le=60)] = 15
    rest_h: Annotated[int, Field(ge=0, le=96)] = 20

    @property
    def clock(self) -> ZoneInfo:
        """Its time zone."""
        return ZoneInfo(self.zone)

    @classmethod
    def default(cls) -> "Site":
        """What a site is until the clinic says otherwise."""
        return _default()


@cache
def _default() -> Site:
    text = (files("services.scheduler.resources") / "defaults.toml").read_text()
    return Site.model_validate(tomllib.loads(text))


class Bed(Sent):
    """What the clinic says of a bed that a gateway announced."""

    in_use: bool


class Therapist(Sent):
    """Who treats, and when."""

    name: Annotated[Written, Field(min_length=1, max_length=80)]
    site: Slug
    shifts: Hours
    active: bool = True


class Outage(Sent):
    """A bed or a therapist that is not there for a time."""

    site: Slug
    device: Slug | None = None
    therapist: UUID | None = None
    from_: Annotated[Moment, Field(alias="from")]
    to: Moment
    reason: Reason

    @model_validator(mode="after")
    def _one_for_a_time(self) -> Self:
        if (self.device is None) == (self.therapist is None):
            raise ValueError("an outage is of a device or of a therapist: name one")
        if self.from_ >= self.to:
            raise ValueError(f"it ends at {self.to.isoformat()}, before it begins")
        return self


class Device(BaseModel):
    """A bed as it is known."""

    site: str
    device: str
    gateway: str
    regions: list[Region]
    heat: bool
    in_use: bool
    is_there: bool
    sealing_key: str | None = None

    @property
    def usable(self) -> bool:
        """Whether it may be planned with at all."""
        return self.in_use and self.is_there

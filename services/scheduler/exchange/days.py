"""Dates as FHIR searches by them: a prefix, and a day, a minute or a second, which are spans of time."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_

from services.kit.fhir import FhirInvalid
from services.scheduler.clock import us_of
from services.scheduler.resources.calendar import moment
from services.scheduler.resources.models import FIRST_DAY, LAST_DAY

PREFIXES: Final = ("eq", "ge", "gt", "le", "lt", "sa", "eb")
_ASKED: Final = re.compile(
    r"(?P<prefix>[a-z]{2})?(?P<day>\d{4}-\d\d-\d\d)"
    r"(?P<time>T\d\d:\d\d(?P<seconds>:\d\d)?(Z|[+-]\d\d:\d\d))?"
)


@dataclass(frozen=True, slots=True)
class When:
    """A span of time, and on which side of it the start of an appointment has to be."""

    prefix: str
    day: date
    at: datetime | None = None  # none: the whole day
    length: timedelta = timedelta(0)  # of what ``at`` names: a minute or a second

    def holds(self, starts_us: ColumnElement[int], zone: ZoneInfo) -> ColumnElement[bool]:
        """For starts in this zone."""
        if self.at is None:
            first = moment(self.day, "00:00", zone)
            end = moment(self.day + timedelta(1), "00:00", zone)
        else:
            first, end = us_of(self.at), us_of(self.at + self.length)
        return {
            "eq": and_(starts_us >= first, starts_us < end),
            "ge": starts_us >= first,
            "gt": starts_us >= end,
            "sa": starts_us >= end,
            "le": starts_us < end,
            "lt": starts_us < first,
            "eb": starts_us < first,
        }[self.prefix]


def when(text: str) -> When:
    """What a `date` asks for. Raises FhirInvalid."""
    fits = _ASKED.fullmatch(text)
    prefix = (fits["prefix"] or "eq") if fits else ""
    if fits is None or prefix not in PREFIXES:
        raise _refused(text)
    try:
        day = date.fromisoformat(fits["day"])
        at = datetime.fromisoformat(fits["day"] + fits["time"]) if fits["time"] else None
    except ValueError:
        raise _refused(text) from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise _refused(text)
    return When(prefix, day, at, timedelta(seconds=1) if fits["seconds"] else timedelta(minutes=1))


def _refused(text: str) -> FhirInvalid:
    known = ", ".join(PREFIXES)
    english = (
        f"is {text[:40]!r}: a day from {FIRST_DAY} to {LAST_DAY} (2026-11-24) or a time with its zone "
        f"(2026-11-24T09:00:00Z, in an address the + of a zone is %2B) is needed, behind one of {known}"
    )
    german = (
        f"date ist {text[:40]!r}: nötig ist ein Tag von {FIRST_DAY} bis {LAST_DAY} oder ein Zeitpunkt mit "
        f"Zeitzone, davor eines von {known}"
    )
    return FhirInvalid([("date", english)], {"de": german, "en": f"date {english}"})

"""A feed as an iCalendar: stable ids, a sequence that grows with every change, the site's own time zone."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.kit.language import Language, Text
from services.kit.moments import instant_of
from services.scheduler.booking.models import Appointment

REFRESH: Final = timedelta(hours=1)
_STATUS: Final = {"cancelled": "CANCELLED", "missed": "CANCELLED"}
_REGIONS: Final[Mapping[str, Text]] = {
    "lumbar": {"de": "LWS", "en": "lumbar"},
    "cervical": {"de": "HWS", "en": "cervical"},
}
_TITLES: Final[Mapping[str, Text]] = {
    "patient": {"de": "Termine", "en": "Appointments"},
    "device": {"de": "Liege {subject}", "en": "Bed {subject}"},
    "therapist": {"de": "Dienstplan: Behandlungen", "en": "Shift: treatments"},
}
_SUMMARIES: Final[
    Mapping[str, Text]
] = {  # a patient's says nothing of a treatment: others see a calendar, too
    "patient": {"de": "Termin", "en": "Appointment"},
    "device": {"de": "{region}, Sitzung {number}", "en": "{region}, session {number}"},
    "therapist": {"de": "{region}, Sitzung {number}, {device}", "en": "{region}, session {number}, {device}"},
}


def calendar(
    feed: Mapping[str, Any], found: Sequence[Appointment], changes: Mapping[str, tuple[int, int]],
    zones: Mapping[str, ZoneInfo],
) -> bytes:  # fmt: skip
    """The bytes; the same appointments give the same bytes. ``zones``: of each site."""
    from icalendar import Calendar

    language: Language = "en" if feed["language"] == "en" else "de"
    made = Calendar()
    made.add("prodid", "-//Spondyl//Scheduler//EN")
    made.add("version", "2.0")
    made.add("method", "PUBLISH")
    made.add("uid", str(feed["feed"]))
    made.add("x-wr-calname", _TITLES[feed["kind"]][language].format(subject=feed["subject"]))
    made.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    made.add("x-published-ttl", REFRESH)
    for one in found:
        made.add_component(_event(feed["kind"], language, one, changes, zones[one.site]))
    made.add_missing_timezones()
    content: bytes = made.to_ical()
    return content


def etag(content: bytes) -> str:
    """What tells two states of a feed apart."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _event(
    kind: str, language: Any, one: Appointment, changes: Mapping[str, tuple[int, int]], zone: ZoneInfo
) -> Any:
    from icalendar import Event

    sequence, changed_us = changes.get(str(one.appointment), (0, 0))
    changed = instant_of(changed_us).replace(microsecond=0)
    words = {"number": one.number, "device": one.device, "region": _REGIONS[one.region][language]}
    event = Event()
    event.add("uid", f"{one.appointment}@spondyl")
    event.add("sequence", sequence)
    event.add("dtstamp", changed)
    event.add("last-modified", changed)
    event.add("dtstart", one.starts_at.astimezone(zone))
    event.add("dtend", one.ends_at.astimezone(zone))
    event.add("summary", _SUMMARIES[kind][language].format(**words))
    event.add("location", one.site)
    event.add("status", _STATUS.get(one.state, "CONFIRMED"))
    event.add("class", "PRIVATE")
    return event

"""Opening hours, shifts and public holidays as moments: the site's clock, summer time included."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from services.scheduler.clock import us_of
from services.scheduler.resources.models import WEEKDAYS, Hours, Site

LANGUAGE_OF: Final = {"de": "de", "en": "en_US"}
Span = tuple[int, int]  # microseconds since the epoch: from, up to


@lru_cache(maxsize=200)
def holidays_of(state: str, year: int, language: str = "de") -> dict[date, str]:
    """The public holidays of a state, "DE-BE". Raises ValueError when there is none of this name."""
    import holidays

    country, _, subdivision = state.partition("-")
    try:
        found = holidays.country_holidays(
            country, subdivision or None, years=year, language=LANGUAGE_OF.get(language, language)
        )
    except (NotImplementedError, KeyError):
        raise ValueError(f"{state[:20]!r} is no state whose holidays are known: one like DE-BE") from None
    return dict(found)


def holiday(site: Site, day: date, language: str = "de") -> str | None:
    """The public holiday that a day is there, by its name."""
    return holidays_of(site.state, day.year, language).get(day)


def moment(day: date, clock: str, zone: ZoneInfo) -> int:
    """A time of day there. One that summer time skips is taken an hour later; one that comes twice, first."""
    base = datetime.combine(day + timedelta(1) if clock == "24:00" else day, time.min)
    at = base if clock == "24:00" else datetime.combine(day, time.fromisoformat(clock))
    return us_of(at.replace(tzinfo=zone))


def spans(hours: Hours, day: date, zone: ZoneInfo) -> list[Span]:
    """What a weekly table comes to on this day."""
    parts = hours.get(WEEKDAYS[day.weekday()], [])
    found = [(moment(day, start, zone), moment(day, end, zone)) for start, end in parts]
    return [(start, end) for start, end in found if start < end]


def open_spans(site: Site, day: date) -> list[Span]:
    """When the site is open on this day: nothing on its closed days and on public holidays."""
    if day in site.closed or holiday(site, day):
        return []
    return spans(site.hours, day, site.clock)


def local_day(at_us: int, zone: ZoneInfo) -> date:
    """The day there."""
    from services.kit.moments import instant_of

    return instant_of(at_us).astimezone(zone).date()

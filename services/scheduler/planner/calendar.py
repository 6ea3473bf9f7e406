"""When a site is open: local hours, public holidays, clock changes. Minutes are counted from the epoch."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from services.kit.language import Language
from services.scheduler.planner.problem import Outage, Site, Week, Window

DAY_MIN: Final = 24 * 60
_LIBRARY_LANGUAGES: Final[dict[Language, str]] = {"de": "de", "en": "en_US"}


def minute_of(moment: datetime) -> int:
    """Whole minutes since the epoch."""
    return int(moment.timestamp() // 60)


def moment_of(minute: int, zone: str) -> datetime:
    """The aware local datetime of a minute since the epoch."""
    return datetime.fromtimestamp(minute * 60, UTC).astimezone(ZoneInfo(zone))


@lru_cache(maxsize=4096)
def instant(zone: str, day: date, minutes: int) -> int:
    """The epoch minute at which the site's clock shows ``minutes`` after midnight of ``day``.

    A time that the clock skips is the one an hour later; one that it shows twice is the first of both.
    """
    wall = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minutes)
    return minute_of(wall.replace(tzinfo=ZoneInfo(zone)))


@lru_cache(maxsize=256)
def _holidays(state: str, year: int, language: str) -> dict[date, str]:
    import holidays

    country, _, subdivision = state.partition("-")
    try:
        found = holidays.country_holidays(
            country, subdiv=subdivision or None, years=year, language=language, observed=False
        )
    except NotImplementedError:
        return {}
    return dict(found.items())


def holiday(site: Site, day: date, language: Language = "de") -> str | None:
    """The name of the public holiday of the site's state, if it is one."""
    if not site.state:
        return None
    return _holidays(site.state, day.year, _LIBRARY_LANGUAGES[language]).get(day)


@lru_cache(maxsize=64)
def state_name(state: str) -> str:
    """A state's name as its people write it, such as Berlin for DE-BE."""
    import holidays

    country, _, subdivision = state.partition("-")
    try:
        aliases = holidays.country_holidays(country).get_subdivision_aliases()
    except NotImplementedError:
        return state
    names = aliases.get(subdivision) or [state]
    return str(names[0])


def is_special(site: Site, day: date) -> bool:
    """Whether a day is closed that would be open by its weekday's hours: a holiday or a day off."""
    return bool(site.opening[day.weekday()]) and (day in site.closed or holiday(site, day) is not None)


def hours(site: Site, day: date) -> tuple[Window, ...]:
    """Opening hours of that date; none on a holiday or a closed day."""
    if day in site.closed or holiday(site, day) is not None:
        return ()
    return site.opening[day.weekday()]


def spans(zone: str, week: Week, day: date) -> Iterator[Window]:
    """A weekly plan's windows of one date as epoch minutes."""
    for start, end in week[day.weekday()]:
        yield instant(zone, day, start), instant(zone, day, end)


def opening_spans(site: Site, day: date) -> Iterator[Window]:
    """Opening hours of one date as epoch minutes."""
    for start, end in hours(site, day):
        yield instant(site.zone, day, start), instant(site.zone, day, end)


def outage_span(outage: Outage) -> Window:
    """An outage as epoch minutes; a minute that it touches belongs to it."""
    return minute_of(outage.starts_at), -int(-outage.ends_at.timestamp() // 60)


def overlap(one: Window, other: Window) -> bool:
    """Whether two spans have a minute in common."""
    return one[0] < other[1] and other[0] < one[1]


def covered(span: Window, parts: Iterable[Window]) -> bool:
    """Whether the span lies in the parts, which may follow each other without a break."""
    reached = span[0]
    for start, end in sorted(parts):
        if start <= reached < end:
            reached = end
    return reached >= span[1]

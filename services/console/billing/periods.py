"""From when to when revenue is asked for: this month, the last one, the quarter, the year, or two days."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from services.console.billing import typed
from services.console.sessions.asking import refusal

MOST_DAYS: Final = 3660  # a question that nobody has


@dataclass(frozen=True, slots=True)
class Period:
    """First and last day."""

    since: date
    until: date


def _month(today: date) -> Period:
    return Period(today.replace(day=1), _last_of_month(today))


def _last_month(today: date) -> Period:
    return _month(today.replace(day=1) - timedelta(days=1))


def _quarter(today: date) -> Period:
    first = today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1)
    return Period(first, _last_of_month(first.replace(month=first.month + 2)))


def _year(today: date) -> Period:
    return Period(today.replace(month=1, day=1), today.replace(month=12, day=31))


KNOWN: Final[Mapping[str, Callable[[date], Period]]] = {
    "month": _month, "last-month": _last_month, "quarter": _quarter, "year": _year,
}  # fmt: skip


def chosen(name: str, since: str, until: str, today: date) -> tuple[str, Period]:
    """The period that is asked for, and what it is called: "dates" for two days. Raises BadSearch."""
    if since or until:
        found = Period(typed.day(since, "from"), typed.day(until, "to"))
        if found.since > found.until:
            raise refusal("bad_order", "to", since=since, until=until)
        if (found.until - found.since).days > MOST_DAYS:
            raise refusal(
                "rev_too_long", "to", days=str((found.until - found.since).days), most=str(MOST_DAYS)
            )
        return "dates", found
    known = name if name in KNOWN else "year"
    return known, KNOWN[known](today)


def _last_of_month(day: date) -> date:
    following = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return following - timedelta(days=1)

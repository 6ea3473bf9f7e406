"""Whether a programme is done: due days, done days, and days that nobody has heard of. Pure.

A programme says how many days a week, never which. Of each stretch of seven days, counted back from the
last one, as many are due as its open days have of a whole week; what is done beyond that makes up for no
other week. A telephone may be offline: a day without an entry is "nothing" only when something came from it
later. Until then it is missing, and it counts neither for nor against.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

Status = Literal["done", "nothing", "missing", "closed", "outside"]
Why = Literal["supervised", "paused", "suspended", "pain"]
WEEK: Final = 7
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Closed:
    """Days on which nothing was open at home, the first and the last among them; ``last`` None: still."""

    why: Why
    first: date
    last: date | None

    def holds(self, day: date) -> bool:
        """Whether it closes that day."""
        return self.first <= day and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of one programme, by days of its site."""

    first: date
    last: date  # the last that is planned, or the one that it ended on
    days_per_week: tuple[tuple[date, int], ...]  # from that day on, oldest first
    closed: tuple[Closed, ...] = ()
    done_s: Mapping[date, int] | None = None  # seconds, of each day with something done
    heard: date | None = None  # when its telephone was heard of last; None: never

    def status(self, day: date) -> Status:
        """What a day was."""
        if day in (self.done_s or {}):
            return "done"
        if not self.first <= day <= self.last:
            return "outside"
        if self.why_closed(day):
            return "closed"
        return "missing" if self.heard is None or day >= self.heard else "nothing"

    def why_closed(self, day: date) -> Why | None:
        """Why nothing was open."""
        return next((one.why for one in self.closed if one.holds(day)), None)

    def per_week(self, day: date) -> int:
        """How many days a week were set then."""
        known = [count for since, count in self.days_per_week if since <= day]
        return known[-1] if known else self.days_per_week[0][1]


@dataclass(frozen=True, slots=True)
class Adherence:
    """Of some days: ``due`` and ``done`` of those that are known; ``percent`` None: nothing was due."""

    percent: int | None
    done: int
    due: int
    missing: int
    closed: int
    seconds: int

    def as_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "percent": self.percent, "done": self.done, "due": self.due, "missing": self.missing,
            "closed": self.closed, "minutes": round(self.seconds / 60, 1),
        }  # fmt: skip


def adherence(past: Past, first: date, last: date) -> Adherence:
    """How much of what was due between two days was done, both among them."""
    found: dict[Status, int] = {"done": 0, "nothing": 0, "missing": 0, "closed": 0, "outside": 0}
    due = met = 0
    for stretch in _stretches(first, last):
        statuses = [past.status(day) for day in stretch]
        for status in statuses:
            found[status] += 1
        done = statuses.count("done")
        wanted = _due(past.per_week(stretch[0]), done + statuses.count("nothing"))
        due, met = due + wanted, met + min(done, wanted)
    seconds = sum(count for day, count in (past.done_s or {}).items() if first <= day <= last)
    percent = _half_up(100 * met, due) if due else None
    return Adherence(percent, found["done"], due, found["missing"], found["closed"], seconds)


def days(first: date, last: date) -> Iterator[date]:
    """From one to the other, both among them."""
    return (first + number * _DAY for number in range((last - first).days + 1))


@dataclass(frozen=True, slots=True)
class Pain:
    """What a day hurt, 0-10: the most that was said of it, and before and after its last session."""

    most: int | None = None
    before: int | None = None
    after: int | None = None


def pains(entries: Iterable[Mapping[str, Any]]) -> dict[date, Pain]:
    """By day, of the sessions and reports of one programme, oldest first."""
    found: dict[date, Pain] = {}
    for row in entries:
        data, known = row["data"], found.get(row["day"], Pain())
        before, after = _nrs(data, "pain_before"), _nrs(data, "pain_after")
        said = [value for value in (known.most, before, after, _nrs(data, "pain_nrs")) if value is not None]
        if not said:
            continue
        found[row["day"]] = Pain(
            max(said),
            known.before if before is None else before,
            known.after if after is None else after,
        )
    return found


def rise(by_day: Mapping[date, Pain], last: date, least_days: int) -> float | None:
    """By how much the mean of the days' worst pain rose from one week to the next; None: too few days."""
    weeks = []
    for begin in (last - 13 * _DAY, last - 6 * _DAY):
        said = [by_day[day].most for day in days(begin, begin + 6 * _DAY) if day in by_day]
        weeks.append([value for value in said if value is not None])
    if min(len(week) for week in weeks) < least_days:
        return None
    before, now = (sum(week) / len(week) for week in weeks)
    return now - before


def _stretches(first: date, last: date) -> Iterator[list[date]]:
    """Sevens counted back from the last day, newest day first; the earliest may be shorter."""
    back = [last - number * _DAY for number in range((last - first).days + 1)]
    for begin in range(0, len(back), WEEK):
        yield back[begin : begin + WEEK]


def _due(per_week: int, open_days: int) -> int:
    return _half_up(per_week * open_days, WEEK)


def _half_up(number: int, by: int) -> int:
    return (2 * number + by) // (2 * by)


def _nrs(data: Mapping[str, Any], name: str) -> int | None:
    value = data.get(name)
    return round(value) if isinstance(value, int | float) else None

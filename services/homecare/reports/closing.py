"""On which days nothing of a programme was open at home, and why."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from typing import Final

from services.homecare.models import Programme
from services.homecare.programmes.standing import HEARD_OF
from services.homecare.reports.adherence import Closed, Why, days
from services.homecare.reports.models import Row
from services.kit.moments import instant_of

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Clock:
    """A site's wall clock; None: this machine's."""

    zone: tzinfo | None

    def day(self, at_us: int) -> date:
        """The day that it was."""
        return instant_of(at_us).astimezone(self.zone).date()


@dataclass(frozen=True, slots=True)
class Events:
    """What closed and opened a programme: rows of its tables, oldest first."""

    programme: Programme
    turns: Sequence[Row]
    suspensions: Sequence[Row]  # of the person
    standing: Sequence[Row]  # of the person
    reports: Sequence[Row]  # of pain, each with its answer
    again_us: Mapping[str, int]  # when an exercise that stayed off was allowed again


def closed(told: Events, clock: Clock, first: date, started: date | None, today: date) -> Iterator[Closed]:
    """Whenever nothing was open. ``started``: the day on which something was open first."""
    if started is None or started > first:
        yield Closed("supervised", first, started - _DAY if started else None)
    yield from _paused(told.turns, clock)
    yield from _suspended(told, clock)
    yield from _hurt(told, clock, today)


def _suspended(told: Events, clock: Clock) -> Iterator[Closed]:
    regions = (None, *HEARD_OF[told.programme.region])
    mine = [row for row in told.suspensions if row["region"] in regions]
    for row in mine:
        yield _closed("suspended", clock, row["since_us"], row["restored_us"])
    if told.programme.suspended and not any(row["restored_us"] is None for row in mine):  # by a decision
        refused = [row for row in told.standing if row["region"] in regions and row["outcome"] == "refused"]
        if refused:
            yield _closed("suspended", clock, max(row["said_us"] for row in refused), None)


def _paused(turns: Iterable[Row], clock: Clock) -> Iterator[Closed]:
    since_us: int | None = None
    for row in turns:
        if row["kind"] == "paused":
            since_us = row["at_us"] if since_us is None else since_us
        elif row["kind"] == "resumed" and since_us is not None:
            yield _closed("paused", clock, since_us, row["at_us"])
            since_us = None
    if since_us is not None:
        yield _closed("paused", clock, since_us, None)


def _hurt(told: Events, clock: Clock, today: date) -> Iterator[Closed]:
    """Days on which every exercise of home was locked by reports of pain or stayed off."""
    judged = told.programme.decision.exercises
    names = {one.exercise for one in judged if one.verdict == "home"}
    locks = [
        (name, _closed("pain", clock, row["received_us"], _opened_us(name, row["answer"], told.again_us)))
        for row in told.reports
        for name in (names if row["exercise"] is None else {row["exercise"]} & names)
    ]
    for day in days(min((lock.first for _, lock in locks), default=today), today):
        if locks and names <= {name for name, lock in locks if lock.holds(day)}:
            yield Closed("pain", day, day)


def _opened_us(name: str, answer: Row | None, again_us: Mapping[str, int]) -> int | None:
    if answer is None:
        return None
    if answer["decision"] != "stays_off":
        return int(answer["at_us"])
    allowed_us = again_us.get(name, 0)
    return allowed_us if allowed_us > answer["at_us"] else None


def _closed(why: Why, clock: Clock, first_us: int, last_us: int | None) -> Closed:
    return Closed(why, clock.day(first_us), None if last_us is None else clock.day(last_us))

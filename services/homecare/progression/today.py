"""What a programme says for a day: each exercise's dose and whether it is open, within the caps."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from services.homecare.exercises.library import library
from services.homecare.exercises.models import Exercise, Level
from services.homecare.models import MINUTES_PER_DAY, Decision, Judged, Wanted

Status = Literal["open", "supervision", "centre", "pain", "off", "suspended", "paused", "over_cap", "refused"]
EVERYTHING: Final = "*"  # locks the whole programme


class Item(BaseModel):
    """One exercise of a day. ``level`` counts from 0; ``signed`` of ``supervised_sessions`` were signed.

    ``most_s``: of that day at most, whoever stops and begins again.
    """

    model_config = ConfigDict(frozen=True)

    exercise: str
    status: Status
    level: int
    sets: int
    repetitions: int
    hold_s: int
    rest_s: int
    move_s: int
    each_side: bool
    seconds: int
    most_s: int
    force_n: float | None
    signed: int
    supervised_sessions: int


class Day(BaseModel):
    """A day of a programme."""

    model_config = ConfigDict(frozen=True)

    day: date
    is_inside: bool  # between the programme's first and last day
    is_rest_day: bool  # the week has had its days
    items: tuple[Item, ...]
    seconds: int  # of what is open
    cap_s: int  # of this day, after what the week has had


class Course(BaseModel):
    """Where a programme stands: levels by exercise, locks, signatures, and seconds done by day."""

    model_config = ConfigDict(frozen=True)

    state: Literal["supervised", "running", "paused", "completed", "ended"] = "running"
    is_suspended: bool = False
    levels: Mapping[str, int] = {}
    locked: frozenset[str] = frozenset()  # by pain, unanswered; EVERYTHING: all of it
    off: frozenset[str] = frozenset()  # answered: stays off
    signed: Mapping[str, int] = {}  # supervised sessions that went well
    done_s: Mapping[date, int] = {}  # seconds a day, whatever was done for this region
    elsewhere_s: Mapping[date, int] = {}  # the same of the person's other programmes


def last_day(wanted: Wanted) -> date:
    """The programme's last."""
    return wanted.starts_on + timedelta(weeks=wanted.weeks) - timedelta(days=1)


def plan(wanted: Wanted, decision: Decision, course: Course, on: date) -> Day:
    """That day. What does not fit under the caps is shorter or not open, the last exercises first."""
    is_inside = wanted.starts_on <= on <= last_day(wanted)
    week = {
        day: seconds for day, seconds in course.done_s.items() if _monday(day) == _monday(on) and day < on
    }
    is_rest_day = len(week) >= decision.caps.days_per_week
    left_s = decision.caps.minutes_per_week * 60 - sum(week.values())
    persons_s = MINUTES_PER_DAY * 60 - course.elsewhere_s.get(
        on, 0
    )  # the day is the person's, not the region's
    cap_s = max(0, min(decision.caps.minutes_per_day * 60, left_s, persons_s))
    items = tuple(_items(decision, course, cap_s))
    return Day(
        day=on, is_inside=is_inside, is_rest_day=is_rest_day, items=items, cap_s=cap_s,
        seconds=sum(one.seconds for one in items if one.status == "open"),
    )  # fmt: skip


def _items(decision: Decision, course: Course, cap_s: int) -> Iterator[Item]:
    left_s = cap_s
    for judged in decision.exercises:
        row = library().of(judged.exercise)
        at = min(course.levels.get(judged.exercise, judged.start_level), judged.ceiling_level)
        status = _status(judged, course)
        dose = _within(row, row.levels[at], min(left_s, judged.most_minutes_per_session * 60))
        if status == "open" and dose is None:
            status = "over_cap"
        dose = dose or row.levels[at]
        item = _item(judged, row, status, at, dose, course)
        if status == "open":
            left_s -= item.seconds
        yield item


def _status(judged: Judged, course: Course) -> Status:
    """The first that holds, from the strictest."""
    name, signed = judged.exercise, course.signed.get(judged.exercise, 0)
    found: tuple[tuple[bool, Status], ...] = (
        (judged.verdict == "refused", "refused"),
        (name in course.off, "off"),
        (course.is_suspended, "suspended"),
        (bool(course.locked & {name, EVERYTHING}), "pain"),
        (course.state in ("paused", "completed", "ended"), "paused"),
        (judged.verdict == "centre", "centre"),
        (judged.verdict == "supervised" or signed < judged.supervised_sessions, "supervision"),
    )
    return next((status for holds, status in found if holds), "open")


def _within(row: Exercise, dose: Level, most_s: int) -> Level | None:
    """The dose with as many sets as fit; None where not one does."""
    for sets in range(dose.sets, 0, -1):
        fitting = dose.model_copy(update={"sets": sets})
        if row.seconds(fitting) <= most_s:
            return fitting
    return None


def _item(judged: Judged, row: Exercise, status: Status, at: int, dose: Level, course: Course) -> Item:
    return Item(
        exercise=row.id, status=status, level=at, sets=dose.sets, repetitions=dose.repetitions,
        hold_s=dose.hold_s, rest_s=dose.rest_s, move_s=row.move_s, each_side=row.each_side,
        seconds=row.seconds(dose), most_s=judged.most_minutes_per_day * 60,
        force_n=judged.force_n, signed=course.signed.get(row.id, 0),
        supervised_sessions=judged.supervised_sessions,
    )  # fmt: skip


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())

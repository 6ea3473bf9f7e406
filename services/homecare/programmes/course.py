"""Where programmes stand: levels, locks, signatures and minutes, from what was signed, done and answered.

A report of pain locks its exercise until a clinician has answered it, whatever else happens. One that is
answered "stays off" stays off until a later version names it in ``again``. Both hold for the person, in
whichever of their programmes it was; and so do the minutes of a day.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Table, select

from services.homecare.diary import marks
from services.homecare.diary.tables import ANSWERS, ENTRIES, PAINS
from services.homecare.models import Judged, Programme
from services.homecare.programmes.people import people
from services.homecare.programmes.tables import PROGRAMMES, SUPERVISED, VERSIONS
from services.homecare.progression.levels import Answered, Done, Happened, Hurt, level
from services.homecare.progression.today import EVERYTHING, Course
from services.homecare.tables import ZONES
from services.kit.moments import instant_of

Row = dict[str, Any]
MOST_S: Final = 24 * 3600  # of a day; a telephone may say anything
MOST_STRONGER: Final = 1.1  # body weight varies; default, for clinical review


@dataclass(slots=True)
class _Past:
    """Everything that was kept of one programme, oldest first."""

    signed: list[Row] = field(default_factory=list)
    entries: list[Row] = field(default_factory=list)
    pains: list[Row] = field(default_factory=list)
    answers: dict[str, Row] = field(default_factory=dict)  # by the report
    again_us: dict[str, int] = field(default_factory=dict)  # when an exercise was last allowed again


def of(connection: Connection, programme: Programme, on: date | None = None) -> Course:
    """Where one stands; ``on``: the day that its levels are for, else the day of the last entry."""
    return courses(connection, [programme], on)[programme.id]


def courses(
    connection: Connection, programmes: Sequence[Programme], on: date | None = None, *, brief: bool = False
) -> dict[UUID, Course]:
    """Where many stand; a handful of queries however many they are.

    ``brief``: locks and signatures alone, without what was done: no levels and minutes by it.
    """
    mine = _of_people(connection, programmes)
    pasts = _pasts(connection, sorted({one for every in mine.values() for one in every}), brief=brief)
    days = {site: _Days(connection, site) for site in {one.site for one in programmes}}
    found = {}
    for one in programmes:
        past, others = pasts[str(one.id)], [name for name in mine[one.id] if name != str(one.id)]
        course = _course(one, _person_s(past, [pasts[name] for name in others]), days[one.site], on)
        found[one.id] = course.model_copy(update=_minutes(past, pasts, others, mine[one.id], one.region))
    return found


def locks(connection: Connection, programmes: Sequence[Programme]) -> dict[UUID, list[Row]]:
    """Reports of pain that no clinician has answered yet, oldest first."""
    pasts = _pasts(connection, [str(one.id) for one in programmes], brief=True)
    return {one.id: _unanswered(pasts[str(one.id)]) for one in programmes}


def _course(programme: Programme, past: _Past, days: "_Days", on: date | None) -> Course:
    names = [one.exercise for one in programme.decision.exercises]
    return Course(
        state=programme.state,
        is_suspended=programme.suspended is not None,
        levels={
            one.exercise: level(one, _history(one, past, days), on) for one in programme.decision.exercises
        },
        locked=frozenset(row["exercise"] or EVERYTHING for row in _unanswered(past)),
        off=frozenset(name for name in names if _is_off(name, past)),
        signed={one.exercise: signed(one, past.signed) for one in programme.decision.exercises},
    )


def _of_people(connection: Connection, programmes: Sequence[Programme]) -> dict[UUID, dict[str, str]]:
    """Of each its person's programmes, whatever became of them: their ids, each with its region."""
    known = people(connection, {one.patient for one in programmes})
    files = {file for one in known.values() for file in one.files}
    columns = PROGRAMMES.c.id, PROGRAMMES.c.patient, PROGRAMMES.c.region
    rows = connection.execute(select(*columns).where(PROGRAMMES.c.patient.in_(files))).all()
    by_file: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for id_, file, region in rows:
        by_file[file][id_] = region
    return {
        one.id: {str(one.id): one.region}
        | {name: region for file in known[str(one.patient)].files for name, region in by_file[file].items()}
        for one in programmes
    }


def _person_s(past: _Past, others: Iterable[_Past]) -> _Past:
    """With what hurt in the person's other programmes: at an exercise, or anywhere without an answer yet."""
    found = replace(past, pains=list(past.pains), answers=dict(past.answers), again_us=dict(past.again_us))
    for other in others:
        found.pains += [row for row in other.pains if row["exercise"] or row["entry"] not in other.answers]
        found.answers |= other.answers
        for exercise, at_us in other.again_us.items():
            found.again_us[exercise] = max(at_us, found.again_us.get(exercise, 0))
    return found


def _minutes(
    past: _Past, pasts: Mapping[str, _Past], others: Iterable[str], regions: Mapping[str, str], region: str
) -> dict[str, dict[date, int]]:
    """What was done: of the week in all programmes of the region, of the day in all others, too."""
    same = [entry for name in others if regions[name] == region for entry in pasts[name].entries]
    return {
        "done_s": _done_s([*past.entries, *same]),
        "elsewhere_s": _done_s(entry for name in others for entry in pasts[name].entries),
    }


def _unanswered(past: _Past) -> list[Row]:
    return [row for row in past.pains if row["entry"] not in past.answers]


def _is_off(exercise: str, past: _Past) -> bool:
    """A report about it, or about everything, was answered so, and no version allowed it again since."""
    answers = [
        past.answers[row["entry"]] for row in past.pains
        if row["entry"] in past.answers and row["exercise"] in (None, exercise)
    ]  # fmt: skip
    since_us = past.again_us.get(exercise, 0)
    return any(one["decision"] == "stays_off" and one["at_us"] > since_us for one in answers)


def signed(judged: Judged, rows: Iterable[Row]) -> int:
    """Sessions that went well, of a programme's rows; of traction those at a pull like today's: a stronger
    one is begun beside a therapist anew.
    """
    return sum(
        row["went_well"]
        and (judged.force_n is None or (row["force_n"] or 0) * MOST_STRONGER >= judged.force_n)
        for row in rows
        if row["exercise"] == judged.exercise
    )


def _done_s(entries: Iterable[Row]) -> dict[date, int]:
    found: defaultdict[date, int] = defaultdict(int)
    for row in entries:
        if row["kind"] == "exercise":
            found[row["day"]] += _number(row, "seconds")
    return {day: min(seconds, MOST_S) for day, seconds in found.items()}


class _Days:
    """The day that it was at a site, asked for its zone once."""

    def __init__(self, connection: Connection, site: str) -> None:
        self._zone = ZONES.of(connection, site)

    def of(self, at_us: int) -> date:
        return instant_of(at_us).astimezone(self._zone).date()


def _history(judged: Judged, past: _Past, days: _Days) -> list[Happened]:
    """What happened to one exercise, oldest first; a clock ahead of ours is taken for ours."""
    told: list[tuple[int, Happened]] = list(_days_done(judged.exercise, past))
    for row in past.pains:
        if row["exercise"] not in (None, judged.exercise):
            continue
        at_us = min(row["at_us"], row["received_us"])
        told.append((at_us, Hurt(days.of(at_us))))
        if (answer := past.answers.get(row["entry"])) is not None:
            told.append((answer["at_us"], Answered(days.of(answer["at_us"]), answer["decision"])))
    return [happened for _, happened in sorted(told, key=lambda one: one[0])]


def _days_done(exercise: str, past: _Past) -> Iterator[tuple[int, Done]]:
    """Each day of the exercise once: whole when nothing of it was stopped, with the day's worst pain."""
    worst, pains = _worst_pain(past), _answered(past)
    by_day: defaultdict[date, list[Row]] = defaultdict(list)
    for row in past.entries:
        if row["kind"] == "exercise" and row["exercise"] == exercise:
            by_day[row["day"]].append(row)
    for day, rows in by_day.items():
        at_us = max(min(row["at_us"], row["received_us"]) for row in rows)
        is_complete = not any(_is_cut_short(row, pains) for row in rows)
        sets = sum(_number(row, "sets") for row in rows)
        yield at_us, Done(day, is_complete, worst.get(day), sets)


def _answered(past: _Past) -> list[Row]:
    return [row | {"answer": past.answers.get(row["entry"])} for row in past.pains]


def _is_cut_short(row: Row, pains: list[Row]) -> bool:
    """Stopped, nothing done, or done although it was locked or the like: nothing grows by that."""
    return bool(row["data"].get("stopped") or not _number(row, "sets") or marks.every(row, pains))


def _worst_pain(past: _Past) -> dict[date, int]:
    found: dict[date, int] = {}
    for row in past.entries:
        said = {"session": ("pain_before", "pain_after"), "pain": ("pain_nrs",)}.get(row["kind"], ())
        for name in said:
            if row["data"].get(name) is not None:
                found[row["day"]] = max(found.get(row["day"], 0), _number(row, name))
    return found


def _number(row: Row, name: str) -> int:
    value = row["data"].get(name)
    return max(0, round(value)) if isinstance(value, int | float) else 0


def _pasts(connection: Connection, ids: list[str], *, brief: bool) -> defaultdict[str, _Past]:
    pasts: defaultdict[str, _Past] = defaultdict(_Past)
    for row in _of(connection, SUPERVISED, ids):
        pasts[row["programme"]].signed.append(row)
    for row in [] if brief else _of(connection, ENTRIES, ids):
        pasts[row["programme"]].entries.append(row)
    for row in _of(connection, PAINS, ids):
        pasts[row["programme"]].pains.append(row)
    for row in _of(connection, ANSWERS, ids):
        pasts[row["programme"]].answers[row["pain"]] = row
    columns = VERSIONS.c.programme, VERSIONS.c.again, VERSIONS.c.at_us
    versions = select(*columns).where(VERSIONS.c.programme.in_(ids)).order_by(VERSIONS.c.seq)
    for programme, again, at_us in connection.execute(versions):
        pasts[programme].again_us |= dict.fromkeys(again, at_us)
    for past in pasts.values():
        past.pains.sort(key=lambda row: row["received_us"])
    return pasts


def _of(connection: Connection, table: Table, ids: Iterable[str]) -> list[Row]:
    order = table.c.get("seq", table.c.at_us)
    query = select(table).where(table.c.programme.in_(list(ids))).order_by(order)
    return [dict(row) for row in connection.execute(query).mappings()]

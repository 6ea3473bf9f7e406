"""All SQL of the reports: many programmes at once, as many statements for thirty as for one."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Select, Table, case, false, func, select

from services.homecare.diary import marks
from services.homecare.diary.tables import ANSWERS, ENTRIES, LINKS, PAINS
from services.homecare.models import Programme
from services.homecare.programmes import store as programmes
from services.homecare.programmes.course import signed
from services.homecare.programmes.people import people
from services.homecare.programmes.states import OPEN, State
from services.homecare.programmes.tables import (
    PROGRAMMES,
    STANDING,
    SUPERVISED,
    SUSPENSIONS,
    TURNS,
    VERSIONS,
)
from services.homecare.reports import closing
from services.homecare.reports.adherence import Past
from services.homecare.reports.closing import Clock
from services.homecare.reports.models import Case, Row
from services.homecare.tables import ZONES
from services.kit.auth.principal import Sites
from services.kit.moments import instant_of

AT_ONCE: Final = 400  # programmes of one statement: below every database's limit of parameters
HARMLESS: Final = {"clock"}  # of an entry's marks: it counts all the same
_DAY: Final = timedelta(days=1)
Rows = dict[str, list[Row]]


def listed(
    connection: Connection, sites: Sites, site: str | None, states: Collection[State] = ()
) -> list[str]:
    """Ids of programmes: without states those that may still change, or whose pain nobody answered yet."""
    answered = select(ANSWERS.c.pain).where(ANSWERS.c.pain == PAINS.c.entry).exists()
    unanswered = select(PAINS.c.programme).where(~answered)
    whose = (
        PROGRAMMES.c.state.in_(states)
        if states
        else PROGRAMMES.c.state.in_(OPEN) | PROGRAMMES.c.id.in_(unanswered)
    )
    query = select(PROGRAMMES.c.id).where(whose, _at(sites, site)).order_by(PROGRAMMES.c.id)
    return [str(one) for one in connection.execute(query).scalars()]


def between(connection: Connection, sites: Sites, site: str | None, first: date, last: date) -> list[str]:
    """Ids of programmes that have days of this time."""
    inside = (PROGRAMMES.c.starts_on <= last) & (PROGRAMMES.c.last_day >= first)
    query = select(PROGRAMMES.c.id).where(inside, _at(sites, site)).order_by(PROGRAMMES.c.id)
    return [str(one) for one in connection.execute(query).scalars()]


def cases(
    connection: Connection, ids: Sequence[str], now: datetime, since: date | None = None
) -> Iterator[Case]:
    """What is known of them; entries from ``since`` on, else every one. Erased patients' are left out."""
    zones = _zones(connection)
    for begin in range(0, len(ids), AT_ONCE):
        found = list(programmes.programmes(connection, ids[begin : begin + AT_ONCE]).values())
        if found:
            yield from _Gathered(connection, found, zones, now, since).cases()


def today(connection: Connection, now: datetime, site: str | None) -> date:
    """The day that it is at a site; without one this machine's."""
    return ZONES.day(connection, site, now) if site else now.astimezone().date()


class _Gathered:
    """Every row that some programmes have, read once."""

    def __init__(
        self, connection: Connection, found: Sequence[Programme], zones: dict[str, tzinfo], now: datetime,
        since: date | None,
    ) -> None:  # fmt: skip
        self._programmes, self._zones, self._now = found, zones, now
        ids = [str(one.id) for one in found]
        entered = ENTRIES.c.day >= since if since else None
        self._entries = _by(connection, ENTRIES, ids, "programme", "seq", entered)
        self._pains = _by(connection, PAINS, ids, "programme", "received_us")
        self._answers = _by(connection, ANSWERS, ids, "programme", "at_us")
        self._turns = _by(connection, TURNS, ids, "programme", "seq")
        self._versions = _by(connection, VERSIONS, ids, "programme", "version")
        self._links = _by(connection, LINKS, ids, "programme", "made_us")
        self._signed = _by(connection, SUPERVISED, ids, "programme", "seq")
        self._latest = _latest(connection, ids, now.date() + _DAY)
        self._people = people(connection, [one.patient for one in found])
        files = [file for person in self._people.values() for file in person.files]
        self._suspensions = _by(connection, SUSPENSIONS, files, "patient", "since_us")
        self._standing = _by(connection, STANDING, files, "patient", "said_us")

    def cases(self) -> Iterator[Case]:
        for one in self._programmes:
            yield self._case(one, Clock(self._zones.get(one.site)))

    def _case(self, one: Programme, clock: Clock) -> Case:
        name = str(one.id)
        day, reports = self._now.astimezone(clock.zone).date(), self._reports(name, clock)
        entries = [
            {**row, "marks": marks.every(row, reports)} for row in self._entries.get(name, ())
        ]  # fmt: skip
        done_s = _done_s(row for row in entries if row["day"] <= day)
        latest, heard_us = self._latest.get(name, (None, 0)), self._heard_us(name)
        turned = {row["kind"]: clock.day(row["at_us"]) for row in self._turns.get(name, ())}
        past = self._past(one, clock, turned, reports, day)
        return Case(
            programme=one,
            today=day,
            past=replace(past, done_s=done_s, heard=clock.day(heard_us) if heard_us else None),
            entries=entries,
            reports=reports,
            heard_at=instant_of(heard_us) if heard_us else None,
            last_done=max(done_s, default=latest[0]),
            has_link=any(row["revoked_us"] is None for row in self._links.get(name, ())),
            is_started="started" in turned,
            signed={
                judged.exercise: signed(judged, self._signed.get(name, ()))
                for judged in one.decision.exercises
            },
            completed=turned.get("completed"),
        )

    def _past(
        self, one: Programme, clock: Clock, turned: dict[str, date], reports: list[Row], day: date
    ) -> Past:  # fmt: skip
        versions = self._versions[str(one.id)]
        events, started = self._events(one, reports), turned.get("started")
        planned = one.wanted.starts_on + timedelta(weeks=one.wanted.weeks) - _DAY
        ended = [turned[kind] for kind in ("completed", "ended") if kind in turned]
        first = min(date.fromisoformat(row["wanted"]["starts_on"]) for row in versions)
        return Past(
            first=first,
            last=min([planned, *ended]),
            days_per_week=tuple(
                (clock.day(row["at_us"]), row["wanted"]["days_per_week"]) for row in versions
            ),
            closed=tuple(closing.closed(events, clock, first, started, day)),
        )

    def _events(self, one: Programme, reports: list[Row]) -> closing.Events:
        name, files = str(one.id), self._people[str(one.patient)].files
        return closing.Events(
            programme=one,
            turns=self._turns.get(name, ()),
            suspensions=[row for file in files for row in self._suspensions.get(file, ())],
            standing=[row for file in files for row in self._standing.get(file, ())],
            reports=reports,
            again_us=self._again(name),
        )

    def _again(self, name: str) -> dict[str, int]:
        """When a version last allowed an exercise that stayed off."""
        return {
            exercise: row["at_us"] for row in self._versions[name] for exercise in row.get("again", ())
        }  # fmt: skip

    def _reports(self, name: str, clock: Clock) -> list[Row]:
        answers = {row["pain"]: row for row in self._answers.get(name, ())}
        return [
            {**row, "day": clock.day(marks.moment_us(row)), "answer": answers.get(row["entry"])}
            for row in self._pains.get(name, ())
        ]

    def _heard_us(self, name: str) -> int:
        """When its telephone last asked or told anything."""
        opened = [row["opened_us"] or 0 for row in self._links.get(name, ())]
        return max([*opened, self._latest.get(name, (None, 0))[1]])


def is_done(row: Row) -> bool:
    """Whether an entry says that something was done that was open; with its marks."""
    data = row["data"]
    if row["kind"] != "exercise" or set(row["marks"]) - HARMLESS:
        return False
    return bool(data.get("sets") or data.get("seconds"))


def _done_s(entries: Iterable[Row]) -> dict[date, int]:
    found: dict[date, int] = {}
    for row in entries:
        if is_done(row):
            found[row["day"]] = found.get(row["day"], 0) + round(row["data"].get("seconds") or 0)
    return found


def _zones(connection: Connection) -> dict[str, tzinfo]:
    rows = connection.execute(select(ZONES.table.c.site, ZONES.table.c.zone))
    return {row.site: ZoneInfo(row.zone) for row in rows}  # (only zones that this machine knows are kept)


def _latest(connection: Connection, ids: Sequence[str], until: date) -> dict[str, tuple[date | None, int]]:
    """By programme: the last day with an exercise, and when an entry was last received.

    A telephone whose clock is ahead may name a day after ``until``: that is none that was done.
    """
    found: dict[str, tuple[date | None, int]] = {}
    query = (
        select(
            ENTRIES.c.programme,
            ENTRIES.c.kind,
            func.max(case((ENTRIES.c.day <= until, ENTRIES.c.day))),
            func.max(ENTRIES.c.received_us),
        )
        .where(ENTRIES.c.programme.in_(ids))
        .group_by(ENTRIES.c.programme, ENTRIES.c.kind)
    )
    for programme, kind, day, received_us in connection.execute(query):
        known = found.get(programme, (None, 0))
        found[programme] = (day if kind == "exercise" else known[0], max(known[1], received_us))
    return found


def _by(
    connection: Connection, table: Table, names: Sequence[str], key: str, order: str,
    wanted: ColumnElement[bool] | None = None,
) -> Rows:  # fmt: skip
    """Rows of a table by what they are of."""
    query: Select[Any] = select(table).where(table.c[key].in_(names)).order_by(table.c[order])
    if wanted is not None:
        query = query.where(wanted)
    found: Rows = defaultdict(list)
    for row in connection.execute(query).mappings():
        found[row[key]].append(dict(row))
    return found


def _at(sites: Sites, site: str | None) -> ColumnElement[bool]:
    """Programmes of the sites that somebody may see; of one of them."""
    if site is not None:
        return PROGRAMMES.c.site == site if sites is None or site in sites else false()
    return PROGRAMMES.c.id.is_not(None) if sites is None else PROGRAMMES.c.site.in_(sites)

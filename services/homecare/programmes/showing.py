"""Programmes as the API shows them: one whole, many in rows."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, select

from services.homecare.diary.tables import LINKS
from services.homecare.models import Programme
from services.homecare.programmes import course, deciding, standing, store
from services.homecare.progression.today import Course, last_day, plan
from services.homecare.tables import ZONES
from services.kit.moments import instant_of

Row = dict[str, Any]
_MOMENTS: Final = ("at", "made", "opened", "revoked")


def one(connection: Connection, programme: Programme, at: datetime) -> Row:
    """Everything of one: what holds, how it came to that, and what today says."""
    today = ZONES.day(connection, programme.site, at)
    now = course.of(connection, programme, today)
    said = standing.of(connection, programme.patient, programme.region)
    stored = store.stored(connection, programme.id, programme.version)
    fresh = deciding.judge(programme.wanted, said)
    return {
        "programme": head(programme),
        "decision": programme.decision.model_dump(mode="json"),
        "renewed": fresh.model_dump(mode="json") if deciding.is_freer(fresh, stored) else None,
        "state": programme.state,
        "levels": dict(now.levels),
        "locks": [_lock(row) for row in course.locks(connection, [programme])[programme.id]],
        "off": sorted(now.off),
        "signed": dict(now.signed),
        "today": plan(programme.wanted, programme.decision, now, today).model_dump(mode="json"),
        "supervised": [
            _said(row, "exercise", "day", "went_well", "note")
            for row in store.signatures(connection, programme.id)
        ],
        "others": _others(connection, programme),
        "links": _links(connection, programme.id),
        "versions": [_said(row, "version", "again") for row in store.versions(connection, programme.id)],
        "turns": [_said(row, "kind", "reason") for row in store.turns(connection, programme.id)],
        "standing": asdict(said) | {"conditions": sorted(said.conditions), "is_closing": said.is_closing},
    }


def _others(connection: Connection, programme: Programme) -> list[Row]:
    """Open ones of the same person and region: only merged files can have them, and one is to be ended."""
    every = store.of_person(connection, programme.patient)
    mine = [one for one in every if one.region == programme.region and one.id != programme.id]
    return [{"id": one.id, "site": one.site, "state": one.state} for one in mine]


def head(programme: Programme) -> Row:
    """What was set, and by when it is over; what was decided stands beside it."""
    shown = programme.model_dump(mode="json", exclude={"decision"})
    return shown | {"starts_on": programme.wanted.starts_on, "last_day": last_day(programme.wanted)}


def rows(connection: Connection, programmes: Sequence[Programme]) -> list[Row]:
    """A row each, without asking for each."""
    found = course.courses(connection, programmes, brief=True)
    return [_row(programme, found[programme.id]) for programme in programmes]


def _row(programme: Programme, now: Course) -> Row:
    wanted = programme.wanted
    return {
        "id": programme.id, "patient": programme.patient, "site": programme.site,
        "region": programme.region, "cure": programme.cure, "state": programme.state,
        "version": programme.version, "language": programme.language, "starts_on": wanted.starts_on,
        "last_day": last_day(wanted), "weeks": wanted.weeks, "template": wanted.template,
        "verdict": programme.decision.verdict, "exercises": len(wanted.exercises),
        "suspended": programme.suspended and programme.suspended.model_dump(mode="json"),
        "locked": sorted(now.locked), "off": sorted(now.off),
        "unsigned": sum(
            now.signed.get(one.exercise, 0) < one.supervised_sessions
            for one in programme.decision.exercises if one.verdict in ("home", "supervised")
        ),
    }  # fmt: skip


def _lock(row: Row) -> Row:
    names = ("exercise", "pain_nrs", "where", "signs", "above")
    return {"report": row["entry"], "at": instant_of(row["at_us"]), **{name: row[name] for name in names}}


def _said(row: Row, *names: str) -> Row:
    return {name: row[name] for name in names} | {"by": row["name"], "at": instant_of(row["at_us"])}


def _links(connection: Connection, programme: UUID) -> list[Row]:
    """Without their secrets, which are kept nowhere."""
    query = select(LINKS).where(LINKS.c.programme == str(programme)).order_by(LINKS.c.made_us)
    return [
        {
            "link": row.link, "by": row.name, "made_at": instant_of(row.made_us),
            "opened_at": None if row.opened_us is None else instant_of(row.opened_us),
            "revoked_at": None if row.revoked_us is None else instant_of(row.revoked_us),
            "revoked_by": row.revoked_by,
        }
        for row in connection.execute(query)
    ]  # fmt: skip

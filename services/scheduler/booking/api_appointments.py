"""Appointments over HTTP: calendar, board, one of them, why not, and what is done to it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from broker.fields import Region, Slug
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.moments import instant_of
from services.kit.routes import Routes
from services.scheduler.booking import acting, care, changes, deciding, reckon, standing, store, waiting
from services.scheduler.booking.acting import appointment_seen
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.models import (
    Appointment,
    Changed,
    Decided,
    Moved,
)
from services.scheduler.booking.shown import shown
from services.scheduler.booking.tables import APPOINTMENTS
from services.scheduler.clock import us_of
from services.scheduler.errors import Invalid, said
from services.scheduler.planner.why import NOBODY, single, why
from services.scheduler.resources.api import here
from services.scheduler.resources.models import Day, Moment
from services.scheduler.resources.store import site_of

Row = dict[str, Any]
Seeing = Annotated[Principal, allow("appointments.see")]
Writing = Annotated[Principal, allow("appointments.write")]
MOST_DAYS = 100  # of a calendar that is asked for at once


def router(desk: Desk) -> APIRouter:
    """The routes."""
    made = Routes(tags=["appointments"])
    _days(made, desk)
    _one(made, desk)
    _moving(made, desk)
    _changing(made, desk)
    return made


def _days(router: APIRouter, desk: Desk) -> None:
    @router.get("/calendar")
    def calendar(site: Slug, who: Seeing, to: Moment, from_: Annotated[Moment, Query(alias="from")]) -> Row:
        """Every appointment of a site in this time, with what is out."""
        here(who, "appointments.see", site)
        _require_short(from_, to)
        with desk.reading() as connection:
            found = calendar_of(connection, site, from_, to)
            found["appointments"] = standing.marked(connection, found["appointments"], desk.now())
        desk.office.seen(who, "calendar.seen", f"calendar {site}", site)
        return found

    @router.get("/board")
    def board(site: Slug, who: Seeing, day: Day) -> Row:
        """One day at a site, with who may be treated."""
        here(who, "appointments.see", site)
        with desk.reading() as connection:
            found = store.of_day(connection, site, None, day)
            cleared = care.clearances(connection, {one.patient for one in found}, desk.now())
            out = care.suspended(connection, site)
            rows = standing.marked(connection, [shown(one) for one in found], desk.now())
        desk.office.seen(who, "board.seen", f"board {site} {day}", site)
        return {
            "site": site, "day": day, "now": desk.now(),
            "appointments": [
                row | {"cleared": (str(row["patient"]), row["region"]) in cleared} for row in rows
            ],
            "suspended": [one.model_dump(mode="json") for one in out],
        }  # fmt: skip


def _one(router: APIRouter, desk: Desk) -> None:
    @router.get("/appointments/{appointment}")
    def appointment_shown(appointment: UUID, who: Seeing) -> Row:
        """One with what became of it."""
        with desk.reading() as connection:
            one = appointment_seen(connection, appointment, who, "appointments.see")
            found = whole(connection, one)
        desk.office.seen(who, "appointment.seen", f"appointment {appointment}", one.site)
        return found

    @router.get("/why")
    def why_not(
        site: Slug, who: Seeing, starts_at: Moment, region: Region = "lumbar", device: Slug | None = None,
        therapist: UUID | None = None, patient: UUID | None = None,
    ) -> Row:  # fmt: skip
        """Why not then? The rules that forbid it; none: with whom and where it would be."""
        here(who, "appointments.see", site)
        with desk.reading() as connection:
            problem = reckon.problem(connection, site, desk.now(), [patient] if patient else [])
        if patient:
            desk.office.seen(who, "why.asked", f"patient {patient}", site)
        asked = single(site, region, patient or NOBODY)
        found = why(problem, asked, starts_at, device, therapist)
        return {
            "ok": found.ok, "rules": [reason.row() for reason in found.reasons], "device": found.device,
            "therapist": found.therapist,
        }  # fmt: skip


def _require_short(from_: datetime, to: datetime) -> None:
    if not timedelta() < to - from_ <= timedelta(days=MOST_DAYS):
        raise said(
            Invalid,
            {
                "de": f"von {from_.isoformat()} bis {to.isoformat()}: bis zu {MOST_DAYS} Tage, vorwärts",
                "en": f"from {from_.isoformat()} to {to.isoformat()}: up to {MOST_DAYS} days, forwards",
            },
        )


def calendar_of(connection: Connection, site: str, from_: datetime, to: datetime) -> Row:
    """Appointments and outages of a site."""
    from services.scheduler.resources import store as resources

    site_of(connection, site)
    first, end = us_of(from_), us_of(to)
    found = store.find(
        connection, APPOINTMENTS.c.site == site, APPOINTMENTS.c.free_us > first,
        APPOINTMENTS.c.starts_us < end, APPOINTMENTS.c.state != "cancelled",
    )  # fmt: skip
    out = resources.outages(connection, site, first, end)
    return {
        "site": site, "from": from_, "to": to,
        "appointments": [shown(one) for one in store.with_prescriptions(connection, found)],
        "outages": [resources.shown_outage(row) for row in out],
    }  # fmt: skip


def whole(connection: Connection, one: Appointment) -> Row:
    """An appointment with its history."""
    (full,) = store.with_prescriptions(connection, [one])
    return shown(full) | {
        "history": [
            {
                "action": row["action"], "state": row["state"], "starts_at": instant_of(row["starts_us"]),
                "device": row["device"], "therapist": row["therapist"], "reason": row["reason"],
                "by": row["by"], "at": instant_of(row["at_us"]),
            }
            for row in store.history_of(connection, one.appointment)
        ]
    }  # fmt: skip


def _moving(router: APIRouter, desk: Desk) -> None:
    @router.post("/appointments/{appointment}/check")
    def move_check(appointment: UUID, body: Moved, who: Writing) -> Row:
        """Whether it may go there."""
        with desk.reading() as connection:
            appointment_seen(connection, appointment, who, "appointments.write")
        rules = changes.check_move(desk, appointment, body)
        return {"ok": not rules, "rules": rules}

    @router.post("/appointments/{appointment}/move")
    def move(appointment: UUID, body: Moved, who: Writing) -> Row:
        """Move it, or it and every following one; 409 with the rules and what would work."""
        return answer(desk, appointment, acting.move(desk, who, appointment, body))


def answer(desk: Desk, appointment: UUID, changed: Sequence[Appointment]) -> Row:
    """The appointment as it is now, and everything that changed with it."""
    with desk.reading() as connection:
        now = store.appointment_of(connection, appointment)
        return whole(connection, now) | {"changed": [shown(one) for one in changed]}


def _changing(router: APIRouter, desk: Desk) -> None:
    @router.post("/appointments/{appointment}/cancel")
    def cancel(appointment: UUID, body: Changed, who: Writing) -> Row:
        """Call it off, or it and every following one; what is freed goes to who waits."""
        return answer(desk, appointment, acting.cancel(desk, who, appointment, body))

    @router.post("/appointments/{appointment}/missed")
    def missed(appointment: UUID, body: Changed, who: Writing) -> Row:
        """The patient did not come."""
        return answer(desk, appointment, acting.miss(desk, who, appointment, body))

    @router.post("/appointments/{appointment}/confirm")
    def confirm(appointment: UUID, body: Changed, who: Writing) -> Row:
        """The patient knows of it: no planner moves it by itself."""
        acting.note(desk, who, appointment, "confirmed", body.reason)
        changed = changes.confirm(desk, appointment, body.scope, body.reason, who.name)
        return answer(desk, appointment, changed)

    @router.post("/appointments/{appointment}/decide")
    def decide(appointment: UUID, body: Decided, who: Writing) -> Row:
        """What a session that was broken off counts as."""
        acting.note(desk, who, appointment, "decided", body.reason)
        changed = deciding.decide(desk, appointment, body, who.name)
        waiting.fill(desk, [one for one in changed if one.state == "cancelled"])
        return answer(desk, appointment, changed)

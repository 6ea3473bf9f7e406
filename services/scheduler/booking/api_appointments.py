"""Appointments over HTTP: calendar, board, changes, why not, the waiting list."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from broker.messages import Region, Slug
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.kit.moments import instant_of
from services.scheduler.booking import care, changes, deciding, improving, reckon, replanning, store, waiting
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.models import (
    Applied,
    Appointment,
    Changed,
    Decided,
    Improved,
    Moved,
    ReplanAsked,
    WaitingAsked,
)
from services.scheduler.booking.shown import shown
from services.scheduler.booking.tables import APPOINTMENTS
from services.scheduler.clock import us_of
from services.scheduler.errors import Invalid, said
from services.scheduler.planner.why import NOBODY, single, why
from services.scheduler.resources.api import here
from services.scheduler.resources.models import Day, Moment
from services.scheduler.resources.store import no_such, site_of

Row = dict[str, Any]
Seeing = Annotated[Principal, allow("appointments.see")]
Writing = Annotated[Principal, allow("appointments.write")]
Replanning = Annotated[Principal, allow("plan.replan")]
MOST_DAYS = 100  # of a calendar that is asked for at once


def router(desk: Desk) -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["appointments"])
    _reading(made, desk)
    _moving(made, desk)
    _changing(made, desk)
    _waiting(made, desk)
    _replanning(made, desk)
    return made


def appointment_seen(
    connection: Connection, appointment: UUID, who: Principal, permission: Permission
) -> Appointment:
    """One of a site where this is permitted. Raises NotFound, as for one that does not exist."""
    one = store.appointment_of(connection, appointment)
    if not who.may(permission, one.site):
        raise no_such("appointment", "Termin", appointment)
    return one


def _reading(router: APIRouter, desk: Desk) -> None:
    @router.get("/calendar")
    def calendar(site: Slug, who: Seeing, to: Moment, from_: Annotated[Moment, Query(alias="from")]) -> Row:
        """Every appointment of a site in this time, with what is out."""
        here(who, "appointments.see", site)
        _require_short(from_, to)
        with desk.reading() as connection:
            found = calendar_of(connection, site, from_, to)
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
        desk.office.seen(who, "board.seen", f"board {site} {day}", site)
        return {
            "site": site, "day": day, "now": desk.now(),
            "appointments": [
                shown(one) | {"cleared": (str(one.patient), one.region) in cleared} for one in found
            ],
            "suspended": [one.model_dump(mode="json") for one in out],
        }  # fmt: skip

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
        with desk.reading() as connection:
            before = appointment_seen(connection, appointment, who, "appointments.write")
            old = store.of_cure(connection, before.cure)
        changed = changes.move(desk, appointment, body, who.name)
        desk.office.seen(
            who, "appointment.moved", f"appointment {appointment}", before.site, reason=body.reason
        )
        moved = {one.appointment for one in changed}
        waiting.fill(desk, [one for one in old if one.appointment in moved and one not in changed])
        return answer(desk, appointment, changed)


def answer(desk: Desk, appointment: UUID, changed: Sequence[Appointment]) -> Row:
    """The appointment as it is now, and everything that changed with it."""
    with desk.reading() as connection:
        now = store.appointment_of(connection, appointment)
        return whole(connection, now) | {"changed": [shown(one) for one in changed]}


def _changing(router: APIRouter, desk: Desk) -> None:
    def seen(who: Principal, appointment: UUID, action: str, reason: str) -> None:
        with desk.reading() as connection:
            one = appointment_seen(connection, appointment, who, "appointments.write")
        desk.office.seen(who, f"appointment.{action}", f"appointment {appointment}", one.site, reason=reason)

    @router.post("/appointments/{appointment}/cancel")
    def cancel(appointment: UUID, body: Changed, who: Writing) -> Row:
        """Call it off, or it and every following one; what is freed goes to who waits."""
        seen(who, appointment, "cancelled", body.reason)
        changed = changes.cancel(desk, appointment, body.scope, body.reason, who.name)
        waiting.fill(desk, changed)
        return answer(desk, appointment, changed)

    @router.post("/appointments/{appointment}/missed")
    def missed(appointment: UUID, body: Changed, who: Writing) -> Row:
        """The patient did not come."""
        seen(who, appointment, "missed", body.reason)
        return answer(desk, appointment, changes.miss(desk, appointment, body.reason, who.name))

    @router.post("/appointments/{appointment}/confirm")
    def confirm(appointment: UUID, body: Changed, who: Writing) -> Row:
        """The patient knows of it: no planner moves it by itself."""
        seen(who, appointment, "confirmed", body.reason)
        changed = changes.confirm(desk, appointment, body.scope, body.reason, who.name)
        return answer(desk, appointment, changed)

    @router.post("/appointments/{appointment}/decide")
    def decide(appointment: UUID, body: Decided, who: Writing) -> Row:
        """What a session that was broken off counts as."""
        seen(who, appointment, "decided", body.reason)
        changed = deciding.decide(desk, appointment, body, who.name)
        waiting.fill(desk, [one for one in changed if one.state == "cancelled"])
        return answer(desk, appointment, changed)


def _waiting(router: APIRouter, desk: Desk) -> None:
    @router.get("/waiting")
    def waiting_list(site: Slug, who: Seeing) -> list[Row]:
        """Who waits, in their order, and what is offered to them."""
        here(who, "appointments.see", site)
        with desk.reading() as connection:
            rows = waiting.of_site(connection, site)
        desk.office.seen(who, "waiting.seen", f"waiting {site}", site)
        return [waiting.shown_row(row) for row in rows]

    @router.post("/waiting", status_code=201)
    def waiting_new(body: WaitingAsked, who: Writing) -> Row:
        """Somebody wants to come sooner, or a cure found no place."""
        with desk.writing() as connection:
            if body.appointment:
                one = appointment_seen(connection, body.appointment, who, "appointments.write")
                changes.require_open(desk, one)
                row = waiting.add_sooner(desk, connection, one, body, who.name)
            else:
                row = waiting.add_cure(desk, connection, body, who.name)
                here(who, "appointments.write", row["site"])
        desk.office.seen(who, "waiting.new", f"waiting {row['waiting']}", row["site"])
        return waiting.shown_row(row)

    @router.post("/waiting/{waiting_id}/accept")
    def waiting_accept(waiting_id: UUID, who: Writing) -> Row:
        """Take what was offered. Raises Conflict when it is somebody else's meanwhile."""
        row = waiting_seen(waiting_id, who)
        desk.office.seen(who, "waiting.accepted", f"waiting {waiting_id}", row["site"])
        return waiting.shown_row(waiting.accept(desk, waiting_id, who.name))

    @router.delete("/waiting/{waiting_id}")
    def waiting_end(waiting_id: UUID, who: Writing) -> Row:
        """They wait no more."""
        row = waiting_seen(waiting_id, who)
        desk.office.seen(who, "waiting.removed", f"waiting {waiting_id}", row["site"])
        return waiting.shown_row(waiting.remove(desk, waiting_id))

    def waiting_seen(waiting_id: UUID, who: Principal) -> Row:
        with desk.reading() as connection:
            row = waiting.row_of(connection, waiting_id)
        if not who.may("appointments.write", row["site"]):
            raise no_such("entry", "Eintrag", waiting_id)
        return row


def _replanning(router: APIRouter, desk: Desk) -> None:
    @router.post("/replan", status_code=201)
    def replan_new(body: ReplanAsked, who: Replanning) -> Row:
        """What would be moved when a bed or somebody is out: shown, not done."""
        here(who, "plan.replan", body.site)
        found = replanning.propose(desk, body, who.name)
        desk.office.seen(who, "replan.proposed", f"replan {found['replan']}", body.site)
        return found

    @router.get("/replan")
    def replans(site: Slug, who: Replanning) -> list[Row]:
        """The newest proposals, applied or not."""
        here(who, "plan.replan", site)
        with desk.reading() as connection:
            rows = replanning.of_site(connection, site)
        desk.office.seen(who, "replans.seen", f"replans {site}", site)
        return [replanning.shown(row) for row in rows]

    @router.post("/improve", status_code=201)
    def improve(body: Improved, who: Replanning) -> Row:
        """Better series for what is not confirmed: shown, and applied like a replanning."""
        here(who, "plan.replan", body.site)
        found = improving.propose(desk, body.site, who.name)
        desk.office.seen(who, "improvement.proposed", f"site {body.site}", body.site)
        return found or {"replan": None, "site": body.site, "moved": [], "patients_moved": 0, "better": []}

    @router.get("/replan/{replan}")
    def replan_shown(replan: UUID, who: Replanning) -> Row:
        """One that was planned."""
        row = replan_seen(replan, who)
        desk.office.seen(who, "replan.seen", f"replan {replan}", row["site"])
        return replanning.shown(row)

    @router.post("/replan/{replan}/apply")
    def replan_apply(replan: UUID, who: Replanning, body: Applied | None = None) -> Row:
        """Do it as it was shown, or nothing; applied twice is once.

        What is out is entered as an outage with it, unless the body says `"outage": false`.
        """
        row = replan_seen(replan, who)
        is_entered = body is None or body.outage
        desk.office.seen(who, "replan.applied", f"replan {replan}", row["site"], outage=is_entered)
        return replanning.apply(desk, replan, who.name, with_outage=is_entered)

    def replan_seen(replan: UUID, who: Principal) -> Row:
        with desk.reading() as connection:
            row = replanning.row_of(connection, replan)
        if not who.may("plan.replan", row["site"]):
            raise no_such("replanning", "Umplanung", replan)
        return row

"""The waiting list over HTTP: who waits, who is added, what is offered and taken."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter

from broker.fields import Slug
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.routes import Routes
from services.scheduler.booking import changes, waiting
from services.scheduler.booking.acting import appointment_seen
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.models import WaitingAsked
from services.scheduler.resources.api import here
from services.scheduler.resources.store import no_such

Row = dict[str, Any]
Seeing = Annotated[Principal, allow("appointments.see")]
Writing = Annotated[Principal, allow("appointments.write")]


def router(desk: Desk) -> APIRouter:
    """The routes."""
    made = Routes(tags=["waiting"])
    _list(made, desk)
    _entry(made, desk)
    return made


def _list(router: APIRouter, desk: Desk) -> None:
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
        """Somebody wants to come sooner, or a cure found no place; asked for twice, it is once."""
        row = _added(desk, body, who)
        desk.office.seen(who, "waiting.new", f"waiting {row['waiting']}", row["site"])
        return waiting.shown_row(row)


@changes.steadily
def _added(desk: Desk, body: WaitingAsked, who: Principal) -> Row:
    with desk.writing() as connection:
        if body.appointment:
            one = appointment_seen(connection, body.appointment, who, "appointments.write")
            return waiting.add_sooner(desk, connection, one, body, who.name)
        if body.cure:
            here(who, "appointments.write", body.cure.site)
        return waiting.add_cure(desk, connection, body, who.name)


def _entry(router: APIRouter, desk: Desk) -> None:
    @router.post("/waiting/{waiting_id}/accept")
    def waiting_accept(waiting_id: UUID, who: Writing) -> Row:
        """Take what was offered. Raises Conflict when it is somebody else's meanwhile."""
        row = waiting_seen(desk, waiting_id, who)
        desk.office.seen(who, "waiting.accepted", f"waiting {waiting_id}", row["site"])
        return waiting.shown_row(waiting.accept(desk, waiting_id, who.name))

    @router.delete("/waiting/{waiting_id}")
    def waiting_end(waiting_id: UUID, who: Writing) -> Row:
        """They wait no more."""
        row = waiting_seen(desk, waiting_id, who)
        desk.office.seen(who, "waiting.removed", f"waiting {waiting_id}", row["site"])
        return waiting.shown_row(waiting.remove(desk, waiting_id))


def waiting_seen(desk: Desk, waiting_id: UUID, who: Principal) -> Row:
    """An entry of a site where this one may change it. Raises NotFound."""
    with desk.reading() as connection:
        row = waiting.row_of(connection, waiting_id)
    if not who.may("appointments.write", row["site"]):
        raise no_such("entry", "Eintrag", waiting_id)
    return row

"""Over HTTP: may they be treated, before a cure is booked; and who is booked and may not."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy import Connection

from broker.fields import Region, Slug
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.routes import Routes
from services.scheduler.booking import care, standing, store
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.tables import APPOINTMENTS
from services.scheduler.clock import us_of
from services.scheduler.resources.api import here
from services.scheduler.resources.store import no_such

Row = dict[str, Any]
Planning = Annotated[Principal, allow("cures.plan")]
Seeing = Annotated[Principal, allow("appointments.see")]


def router(desk: Desk) -> APIRouter:
    """``/standing`` and ``/unready``."""
    routes = Routes(tags=["standing"])

    @routes.get("/standing")
    def one(site: Slug, patient: UUID, region: Region, who: Planning) -> Row:
        """How it stands with a patient's treatment, as screening has told it."""
        here(who, "cures.plan", site)
        with desk.reading() as connection:
            home = care.site_of(connection, patient)
            if home is not None and not who.may("cures.plan", home):
                raise no_such("patient", "Akte", patient)
            found = standing.of(connection, patient, region, desk.now())
        desk.office.seen(who, "standing.seen", f"patient {patient}", site, region=region)
        return {"patient": patient, "region": region, **found.row()}

    @routes.get("/unready")
    def unready(who: Seeing) -> list[Row]:
        """Who has appointments to come and may not be treated as things are; who comes first is first."""
        with desk.reading() as connection:
            rows = unready_at(connection, desk, who.sites("appointments.see"))
        seen = [str(row["patient"]) for row in rows]
        desk.office.seen(who, "unready.seen", "unready", None, shown=len(rows), patients=seen)
        return rows

    return routes


def unready_at(connection: Connection, desk: Desk, sites: frozenset[str] | None) -> list[Row]:
    """One row a cure: how it stands, when they come first, how often."""
    where = [APPOINTMENTS.c.state == "booked", APPOINTMENTS.c.starts_us > us_of(desk.now())]
    if sites is not None:
        where.append(APPOINTMENTS.c.site.in_(sorted(sites)))
    coming = sorted(store.find(connection, *where), key=lambda one: one.starts_at)
    found = standing.every(connection, {(one.patient, one.region) for one in coming}, desk.now())
    rows: dict[UUID, Row] = {}
    for one in coming:
        stands = found[one.patient, one.region]
        if stands.state == "cleared":
            continue
        row = rows.setdefault(
            one.cure,
            {
                "patient": one.patient, "site": one.site, "region": one.region, "cure": one.cure,
                "appointment": one.appointment, "first_at": one.starts_at, "appointments": 0,
                "care": stands.row(),
            },
        )  # fmt: skip
        row["appointments"] += 1
    return list(rows.values())

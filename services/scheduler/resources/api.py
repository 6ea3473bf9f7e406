"""Sites, beds, therapists and outages over HTTP."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter

from broker.fields import Slug
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.routes import Routes
from services.scheduler.booking import fitting
from services.scheduler.booking import store as booking
from services.scheduler.booking.shown import shown
from services.scheduler.clock import Now, us_of
from services.scheduler.resources import store, telling
from services.scheduler.resources.calendar import holidays_of
from services.scheduler.resources.models import LAST_DAY, Bed, Device, Outage, Site, Therapist

Row = dict[str, Any]
AHEAD_DAYS = 366  # of outages that a list shows


def here(who: Principal, permission: Permission, site: str) -> str:
    """The site, where this is permitted to them; else it is one that does not exist. Raises NotFound."""
    if not who.may(permission, site):
        raise store.no_such("site", "Standort", site)
    return site


def router(office: Office, now: Now) -> APIRouter:
    """The routes."""
    made = Routes(tags=["resources"])
    _sites(made, office, now)
    _beds(made, office, now)
    _people(made, office, now)
    _outages(made, office, now)
    return made


def _sites(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/sites/{site}")
    def site_shown(site: Slug, who: Annotated[Principal, allow("appointments.see")]) -> Row:
        """Where it is, when it is open, how long an appointment takes; this and next year's holidays."""
        here(who, "appointments.see", site)
        with reading(office.engine) as connection:
            found = store.site_of(connection, site)
        return {"site": site, **found.model_dump(mode="json"), "holidays": _holidays(found, now)}

    @router.put("/sites/{site}")
    def site_put(site: Slug, body: Site, who: Annotated[Principal, allow("resources.manage")]) -> Row:
        """What the clinic says of it; what no longer fits stays, and is listed for replanning."""
        here(who, "resources.manage", site)
        with reading(office.engine) as connection:
            known = store.sites(connection)
        if site not in known and who.sites("resources.manage") is not None:
            raise store.no_such("site", "Standort", site)
        office.seen(who, "site.changed", f"site {site}", site)
        with writing(office.engine) as connection:
            store.put_site(connection, site, body, us_of(now()))
            telling.tell(office.outbox, connection, site, now())
            left = fitting.misfits(connection, site, now())
        office.outbox.woken.set()
        return {
            "site": site, **body.model_dump(mode="json"), "holidays": _holidays(body, now),
            "replan": [shown(one) for one in left],
        }  # fmt: skip


def _beds(router: APIRouter, office: Office, now: Now) -> None:
    @router.put("/devices/{site}/{device}")
    def device_put(
        site: Slug, device: Slug, body: Bed, who: Annotated[Principal, allow("resources.manage")]
    ) -> Row:
        """Take a bed into the plan or out of it; what is still planned there is listed for replanning."""
        here(who, "resources.manage", site)
        with writing(office.engine) as connection:
            store.site_of(connection, site, lock=True)
            store.use_device(connection, site, device, in_use=body.in_use)
            left = [] if body.in_use else booking.to_come(connection, site, device, us_of(now()))
        office.seen(who, "device.changed", f"device {device}", site, in_use=body.in_use)
        return {"site": site, "device": device, "in_use": body.in_use, "replan": [shown(one) for one in left]}

    @router.get("/resources")
    def resources(site: Slug, who: Annotated[Principal, allow("appointments.see")]) -> Row:
        """Everything that a site plans with; what is planned and no longer fits it, to be planned anew."""
        here(who, "appointments.see", site)
        at_us = us_of(now())
        with reading(office.engine) as connection:
            found = store.site_of(connection, site)
            devices = store.devices(connection, site)
            people = store.therapists(connection, site)
            out = store.outages(connection, site, at_us, at_us + AHEAD_DAYS * 86_400_000_000)
            left = fitting.misfits(connection, site, now())
        return {
            "site": site, **found.model_dump(mode="json"),
            "devices": [_shown_device(bed) for bed in devices],
            "therapists": [_shown_person(row) for row in people],
            "outages": [store.shown_outage(row) for row in out],
            "replan": [shown(one) for one in left],
        }  # fmt: skip


def _people(router: APIRouter, office: Office, now: Now) -> None:
    @router.post("/therapists", status_code=201)
    def therapist_new(body: Therapist, who: Annotated[Principal, allow("resources.manage")]) -> Row:
        """Somebody who treats."""
        here(who, "resources.manage", body.site)
        with writing(office.engine) as connection:
            store.site_of(connection, body.site)
            therapist = store.add_therapist(connection, body, us_of(now()))
        office.seen(who, "therapist.new", f"therapist {therapist}", body.site)
        return {"therapist": therapist, **body.model_dump(mode="json")}

    @router.put("/therapists/{therapist}")
    def therapist_put(
        therapist: UUID, body: Therapist, who: Annotated[Principal, allow("resources.manage")]
    ) -> Row:
        """Name, shifts, whether they still treat; what no longer fits is listed for replanning."""
        with writing(office.engine) as connection:
            known = store.therapist_of(connection, therapist)
            if not who.may("resources.manage", known["site"]) or known["site"] != body.site:
                raise store.no_such("therapist", "Therapeutin oder Therapeut", therapist)
            store.site_of(connection, body.site, lock=True)
            store.put_therapist(connection, therapist, body, us_of(now()))
            left = [
                one for one in fitting.misfits(connection, body.site, now()) if one.therapist == therapist
            ]
        office.seen(who, "therapist.changed", f"therapist {therapist}", body.site)
        replan = [shown(one) for one in left]
        return {"therapist": therapist, **body.model_dump(mode="json"), "replan": replan}


def _outages(router: APIRouter, office: Office, now: Now) -> None:
    @router.post("/outages", status_code=201)
    def outage_new(body: Outage, who: Annotated[Principal, allow("resources.manage")]) -> Row:
        """A bed or somebody is out; what is planned there meanwhile is listed for replanning."""
        here(who, "resources.manage", body.site)
        from_us, to_us = us_of(body.from_), us_of(body.to)
        with writing(office.engine) as connection:
            store.site_of(connection, body.site, lock=True)
            outage = store.add_outage(connection, body, who.name, us_of(now()))
            touched = booking.of_site(connection, body.site, from_us, to_us)
            row = store.outage_of(connection, outage)
        hit = [
            shown(one)
            for one in touched
            if one.state == "booked" and (one.device == body.device or one.therapist == body.therapist)
        ]
        office.seen(who, "outage.new", f"outage {outage}", body.site, reason=body.reason)
        return {**store.shown_outage(row), "replan": hit}

    @router.delete("/outages/{outage}")
    def outage_end(outage: UUID, who: Annotated[Principal, allow("resources.manage")]) -> Row:
        """It is over, or was none."""
        with writing(office.engine) as connection:
            row = store.outage_of(connection, outage)
            if not who.may("resources.manage", row["site"]):
                raise store.no_such("outage", "Ausfall", outage)
            store.end_outage(connection, outage, us_of(now()))
        office.seen(who, "outage.ended", f"outage {outage}", row["site"])
        return store.shown_outage(row)


def _holidays(site: Site, now: Now) -> list[Row]:
    year = now().astimezone(site.clock).year
    found: list[Row] = []
    for each in (year, min(year + 1, LAST_DAY.year)):
        german, english = holidays_of(site.state, each), holidays_of(site.state, each, "en")
        found += [
            {"day": day, "de": german[day], "en": english.get(day, german[day])} for day in sorted(german)
        ]
    return found


def _shown_device(bed: Device) -> Row:
    return bed.model_dump(exclude={"sealing_key"}) | {"usable": bed.usable}


def _shown_person(row: Row) -> Row:
    return {name: row[name] for name in ("therapist", "site", "name", "shifts", "active")}

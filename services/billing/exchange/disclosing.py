"""Consents to handing data to a billing office, over HTTP."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from sqlalchemy import Connection

from broker.fields import Slug
from services.billing.clinics import store as clinics
from services.billing.exchange import disclosures
from services.billing.exchange.disclosures import Consent, Withdrawal
from services.billing.exchange.padnext import deliveries
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.business.sites import here
from services.kit.database import reading, writing_again
from services.kit.moments import Now, us_of
from services.kit.routes import Routes

Row = dict[str, Any]
Reader = Annotated[Principal, allow("billing.see")]
Writer = Annotated[Principal, allow("estimates.write")]  # whoever lets patients sign papers about costs


def router(office: Office, now: Now) -> APIRouter:
    """The routes."""
    made = Routes()

    @made.get("/disclosures")
    def shown(who: Reader, site: Slug, patient: UUID) -> Row:
        """Every billing office of a site, whether it may have this patient's data, and what was signed."""
        here(who, "billing.see", site)
        with reading(office.engine) as connection:
            told = _told(connection, site, patient)
        office.seen(who, "disclosures.seen", str(patient), site)
        return told

    @made.post("/disclosures", status_code=201)
    def give(who: Writer, body: Consent) -> Row:
        """Record a signed consent; the same `request` again is the same one."""
        here(who, "estimates.write", body.site)

        def record(connection: Connection) -> disclosures.Act:
            clinic = clinics.clinic_of(connection, body.site)
            named = deliveries.office_of(clinic, body.office)
            today = _today(connection, body.site, now)
            return disclosures.give(connection, body, named, today, who.name, us_of(now()))

        act = writing_again(office.engine, record)
        office.seen(who, "disclosure.given", str(act.patient), act.site, office=act.office, on=str(act.on))
        return act.body()

    @made.post("/disclosures/{disclosure}/withdraw")
    def withdraw(who: Writer, disclosure: UUID, body: Withdrawal) -> Row:
        """Record its withdrawal: from now on nothing of this patient goes to that office."""

        def record(connection: Connection) -> disclosures.Act:
            given = disclosures.one(connection, disclosure)
            if not who.may("estimates.write", given.site):
                raise disclosures.unknown(disclosure)
            today = _today(connection, given.site, now)
            return disclosures.withdraw(connection, given, body, today, who.name, us_of(now()))

        act = writing_again(office.engine, record)
        office.seen(
            who, "disclosure.withdrawn", str(act.patient), act.site, office=act.office, on=str(act.on)
        )
        return act.body()

    return made


def _told(connection: Connection, site: str, patient: UUID) -> Row:
    clinic = clinics.clinic_of(connection, site)
    acts = disclosures.of_person(connection, site, patient)
    rows = []
    for one in clinic.billing_offices if clinic else ():
        why = disclosures.lacking(acts, one)
        last = next((act for act in acts if act.office == one.id), None)
        rows.append(
            {
                "id": one.id, "name": one.name, "is_valid": why is None, "why": why,
                "last": last and last.body(),
            }
        )  # fmt: skip
    return {"site": site, "patient": str(patient), "offices": rows, "acts": [act.body() for act in acts]}


def _today(connection: Connection, site: str, now: Now) -> date:
    clinic = clinics.clinic_of(connection, site)
    return now().astimezone(ZoneInfo(clinic.zone if clinic else "UTC")).date()

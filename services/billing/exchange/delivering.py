"""Deliveries to billing offices, and what a period's exports would hold, over HTTP."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import IntegrityError

from broker.fields import Slug
from services.billing.clinics import store as clinics
from services.billing.exchange import overview
from services.billing.exchange.padnext import deliveries
from services.billing.exchange.padnext.deliveries import Kept, Wish
from services.billing.models import Clinic
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.business.sites import here
from services.kit.database import reading
from services.kit.database import writing as writes
from services.kit.moments import Now
from services.kit.routes import Routes

Row = dict[str, Any]
Owner = Annotated[Principal, allow("revenue.see")]
Since = Annotated[date, Query(alias="from")]
Until = Annotated[date, Query(alias="to")]
OfficeName = Annotated[str | None, Query(alias="office", max_length=40)]
Made = TypeVar("Made")
TRIES: Final = 5  # somebody else exported in the same moment so often


class Asked(BaseModel):
    """A delivery to be made; the same `request` again is the same delivery."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    request: UUID
    site: Slug
    since: date = Field(alias="from")
    until: date = Field(alias="to")
    office: str | None = Field(None, max_length=40)
    again: bool = False
    without: frozenset[UUID] = Field(frozenset(), max_length=1000)  # invoices that stay behind

    @property
    def wish(self) -> Wish:
        """Without who asks."""
        return Wish(self.site, self.since, self.until, self.office, self.again, self.without)


def router(office: Office, now: Now) -> APIRouter:
    """The routes."""
    made = Routes()
    _overview(made, office, now)
    _making(made, office, now)
    _kept(made, office)
    return made


def _overview(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/exports")
    def shown(who: Owner, site: Slug, since: Since, until: Until) -> Row:
        """What each export of a period would hold, what it lacks, and whose invoices stay behind."""
        here(who, "revenue.see", site)
        with reading(office.engine) as connection:
            told = overview.of(connection, site, since, until, now())
        office.seen(who, "exports.seen", None, site, since=str(since), until=str(until))
        return told


def _making(router: APIRouter, office: Office, now: Now) -> None:
    @router.post("/exports/padnext", status_code=201)
    def padnext(who: Owner, body: Asked) -> Row:
        """A delivery to a billing office: what none had yet, or `again`; numbered, and kept.

        Invoices of patients who gave no consent stay out of it: `left_out` names them and why.
        """
        here(who, "revenue.see", body.site)

        def deliver() -> Kept:
            with writes(office.engine) as connection:
                clinic = clinics.clinic_of(connection, body.site) or Clinic(name=body.site)
                return deliveries.deliver(connection, clinic, body.wish, body.request, who.name, now)

        kept = tried(deliver)
        office.seen(who, "invoices.delivered", None, body.site, office=kept.office, delivery=kept.number)
        return kept.head()


def _kept(router: APIRouter, office: Office) -> None:
    @router.get("/exports/deliveries")
    def listed(who: Owner, site: Slug) -> Row:
        """What was delivered to billing offices, newest first."""
        here(who, "revenue.see", site)
        with reading(office.engine) as connection:
            found = deliveries.listed(connection, site)
        office.seen(who, "deliveries.seen", None, site)
        return {"deliveries": [one.head() for one in found]}

    @router.get("/exports/deliveries/{delivery}")
    def one(who: Owner, delivery: Slug, site: Slug, office_name: OfficeName = None) -> Response:
        """A delivery, to the byte as it was made."""
        here(who, "revenue.see", site)
        with reading(office.engine) as connection:
            wanted = office_name or deliveries.office_of(clinics.clinic_of(connection, site), None).id
            kept = deliveries.one(connection, site, wanted, delivery)
        office.seen(who, "delivery.read", None, site, office=kept.office, delivery=kept.number)
        return as_file(kept.content, "application/zip", kept.name)


def tried(make: Callable[[], Made]) -> Made:
    """Again, when somebody took the same number or account in the same moment."""
    for _ in range(TRIES - 1):
        try:
            return make()
        except IntegrityError:
            continue
    return make()


def as_file(data: bytes, kind: str, name: str) -> Response:
    """A file to be downloaded."""
    return Response(data, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})

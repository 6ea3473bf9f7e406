"""The diary over HTTP, for staff: links, reports of pain and their answers, what a patient entered."""

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict

from broker.fields import Slug
from services.homecare.diary import answers, links, store
from services.homecare.diary import reading as diary
from services.homecare.models import Programme
from services.homecare.programmes import store as programmes
from services.homecare.programmes.api import own
from services.homecare.settings import HomecareSettings
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.business.sites import within
from services.kit.database import reading, writing, writing_again
from services.kit.moments import Now, us_of
from services.kit.routes import Routes

Row = dict[str, Any]
Reader = Annotated[Principal, allow("homecare.see")]
Inviter = Annotated[Principal, allow("homecare.invite")]
Clinician = Annotated[Principal, allow("homecare.set")]
MOST_PAINS: Final = 500


class NewLink(BaseModel):
    """A link for a programme."""

    model_config = ConfigDict(extra="forbid")

    request: UUID


def router(office: Office, now: Now) -> APIRouter:
    """The routes."""
    made = Routes(tags=["diary"])
    _links(made, office, now)
    _diary(made, office)
    _pains(made, office, now)
    return made


def _links(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/programmes/{programme}/links")
    def listed(who: Inviter, programme: UUID) -> Row:
        """Every link of a programme, the newest first; addresses were shown once and are kept nowhere."""
        found = own(office, who, "homecare.invite", programme)
        with reading(office.engine) as connection:
            rows = store.links(connection, found.id)
        _seen(office, who, "links.seen", found)
        return {"programme": str(programme), "links": [links.shown(row) for row in rows]}

    @router.post("/programmes/{programme}/links", status_code=201)
    def make(who: Inviter, programme: UUID, body: NewLink, request: Request) -> Row:
        """A new link; `address` and its code `qr_svg` are shown in this answer alone.

        The same `request` again is the same link, without its address.
        """
        found = own(office, who, "homecare.invite", programme)
        _seen(office, who, "link.made", found, request=str(body.request))
        row, secret = writing_again(
            office.engine,
            lambda connection: links.make(
                connection, programmes.held(connection, found.id), body.request, who, us_of(now())
            ),
        )
        if secret is None:
            return links.shown(row) | {"address": None, "qr_svg": None}
        address = f"{_base(office, request)}/h/{secret}"
        return links.shown(row) | {"address": address, "qr_svg": links.qr_svg(address)}

    @router.delete("/links/{link}", status_code=204)
    def revoke(who: Inviter, link: UUID) -> None:
        """From now on it leads nowhere; what a telephone has not sent yet stays on it."""
        with reading(office.engine) as connection:
            _, programme = links.of(connection, link)
        if not who.may("homecare.invite", programme.site):
            raise links.missing(link)
        _seen(office, who, "link.revoked", programme, link=str(link))
        with writing(office.engine) as connection:
            store.revoke(connection, link, who.name, us_of(now()))


def _diary(router: APIRouter, office: Office) -> None:
    @router.get("/programmes/{programme}/diary")
    def entered(
        who: Reader, programme: UUID,
        first: Annotated[date | None, Query(alias="from")] = None,
        last: Annotated[date | None, Query(alias="to")] = None,
    ) -> Row:  # fmt: skip
        """What the patient entered, the newest first, each with its marks; at most 1000, `more` says so."""
        found = own(office, who, "homecare.see", programme)
        with reading(office.engine) as connection:
            shown = diary.diary(connection, found, first, last)
        _seen(office, who, "diary.seen", found)
        return shown


def _pains(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/pains")
    def listed(
        who: Reader,
        site: Slug | None = None,
        open: bool = True,  # noqa: A002, FBT001, FBT002  (its name in the address)
    ) -> Row:
        """Reports of pain, the newest first: those without an answer, or all; at most 500.

        Without ``site`` those of every site that the caller may see.
        """
        sites = within(who, "homecare.see", site)
        with reading(office.engine) as connection:
            rows = store.pains_of_sites(connection, sites, is_open=open, most=MOST_PAINS)
            shown = diary.pains(connection, rows)
        office.seen(who, "pains.seen", None, site)
        return {"site": site, "open": open, "pains": shown, "more": len(rows) == MOST_PAINS}

    @router.get("/pains/open")
    def unanswered(who: Reader) -> Row:
        """Reports without an answer at every site that one may see: ids alone, for a count on every page.

        Nobody's record is shown, and every page asks: no row of the trail.
        """
        with reading(office.engine) as connection:
            return {"reports": store.open_pains(connection, who.sites("homecare.see"))}

    @router.post("/pains/{entry}/answer")
    def answer(who: Clinician, entry: UUID, body: answers.Answer) -> Row:
        """Answer a report, once: 409 says who did. The telephone is told at its next sync."""
        with reading(office.engine) as connection:
            _, programme = answers.of(connection, entry)
        if not who.may("homecare.set", programme.site):
            raise answers.missing(entry)
        _seen(office, who, "pain.answered", programme, report=str(entry), decision=body.decision)
        with writing(office.engine) as connection:
            answers.give(office, connection, entry, body, who, us_of(now()))
        office.outbox.woken.set()
        with reading(office.engine) as connection:
            rows = [row for row in store.pains(connection, [programme.id]) if row["entry"] == str(entry)]
            return diary.pains(connection, rows)[0]


def _base(office: Office, request: Request) -> str:
    settings = office.settings
    told = settings.home_url if isinstance(settings, HomecareSettings) else ""
    return (told or str(request.base_url)).rstrip("/")


def _seen(office: Office, who: Principal, action: str, programme: Programme, **detail: str) -> None:
    """In the audit trail: whose record, by whom."""
    office.seen(who, action, str(programme.patient), programme.site, programme=str(programme.id), **detail)

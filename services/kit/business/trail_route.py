"""`/trail`: a service's own audit trail, page by page; that somebody read it is a row, too."""

from dataclasses import asdict, replace
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from services.kit import trail_pages
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.routes import Routes
from services.kit.trail_pages import LONGEST, Wanted

Reader = Annotated[Principal, allow("trail.see")]
Text = Annotated[str, Query(max_length=LONGEST)]
Day = Annotated[date | None, Query(description="A day of this machine's clock, as 2026-11-22.")]
Seq = Annotated[int | None, Query(ge=0, le=2**62)]


async def wanted(
    who: Text = "", action: Text = "", record: Text = "", site: Text = "", first: Day = None, last: Day = None
) -> Wanted:
    """The rows of a name and of a record, by parts of them; of an action and of a site; of these days."""
    return Wanted(who, action, record, site, first, last)


Asked = Annotated[Wanted, Depends(wanted)]


def router(office: Office) -> APIRouter:
    """``GET /trail``."""
    made = Routes(tags=["trail"])

    @made.get("/trail")
    def rows(reader: Reader, asked: Asked, before: Seq = None, after: Seq = None) -> dict[str, Any]:
        """A page of rows, newest first; `older` and `newer` are `before` and `after` of its neighbours."""
        told = {name: str(value) for name, value in asdict(asked).items() if value and name != "sites"}
        office.trail.append(reader, "trail.seen", record=None, site=asked.site or None, detail=told)
        allowed = replace(asked, sites=reader.sites("trail.see"))
        return asdict(trail_pages.read(office.trail, allowed, before=before, after=after))

    return made

"""`/trail`: who read what straight from telemetry; that somebody read this is a row, too."""

from dataclasses import asdict, replace
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from services.kit.trail_pages import LONGEST, Wanted
from services.telemetry.query import History
from services.telemetry.routes.answers import Trails
from services.telemetry.trail import ReadTrail

Text = Annotated[str, Query(max_length=LONGEST)]
Day = Annotated[date | None, Query(description="A day of this machine's clock, as 2026-11-22.")]
Seq = Annotated[int | None, Query(ge=0, le=2**62)]


async def wanted(
    who: Text = "", action: Text = "", record: Text = "", site: Text = "", first: Day = None, last: Day = None
) -> Wanted:
    """The rows of a name and of a record, by parts of them; of an action and of a site; of these days."""
    return Wanted(who, action, record, site, first, last)


Asked = Annotated[Wanted, Depends(wanted)]


def add(router: APIRouter, _history: History, trail: ReadTrail) -> None:
    """The route of the trail."""

    @router.get("/trail")
    def rows(reader: Trails, asked: Asked, before: Seq = None, after: Seq = None) -> dict[str, Any]:
        """A page of rows, newest first; `older` and `newer` are `before` and `after` of its neighbours."""
        fields = {name: it or None for name, it in asdict(asked).items() if name != "sites"}
        trail.shown(reader, None, None, asked.site or reader.site, **fields)
        return asdict(trail.read(replace(asked, sites=reader.sites), before=before, after=after))

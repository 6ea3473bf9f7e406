"""Today's board of a site: big enough for the desk's screen, and kept up to date by itself."""

from typing import Annotated, Final

from fastapi import APIRouter, Request, Response

from services.console.context import Console
from services.console.planning import board
from services.console.planning.models import Appointment
from services.console.planning.names import names_of
from services.console.planning.places import day_of, offered, site_of, tabs
from services.console.planning.week import Resources
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("appointments.see")]
DECISIONS: Final = ("counts", "repeat", "end")


def router(console: Console) -> APIRouter:
    """``/board``."""
    routes = Routes()

    @routes.get("/board", include_in_schema=False)
    async def shown(request: Request, who: Reader, site: str = "", day: str = "", done: str = "") -> Response:
        """Who comes today, at which bed, and how far they are."""
        return await _shown(console, request, who, site, day, done)

    return routes


async def _shown(
    console: Console, request: Request, who: Principal, wanted: str, day: str, done: str
) -> Response:
    language = language_of(request)
    site = await site_of(console, who, wanted)
    asked = day_of(day, site.today())
    answer = await console.scheduler.ask(who, "/board", {"site": site.name, "day": asked.isoformat()})
    resources = Resources.of(await console.scheduler.ask(who, "/resources", {"site": site.name}))
    names = await names_of(console, who, (row["patient"] for row in answer["appointments"]))
    found = [Appointment.of(row, site, names, resources.names()) for row in answer["appointments"]]
    sees = who.may("beds.see", site.name) and asked == site.today()
    devices = {it.device for it in found} if sees else set()
    beds = {device: board.bed_of(console.live, site.name, device, language) for device in devices}
    out = board.suspended_of(answer["suspended"])
    rows = board.rows(found, beds, out, site.now().replace(tzinfo=None), language)
    return console.page(
        request, "planning/board.html", page="board", title=TEXTS["plan_tab_board"][language],
        tabs=tabs(who, site.name), site=site, sites=offered(console, who), day=asked, rows=rows,
        counts=board.counts(rows), sees=sees, decisions=DECISIONS, done=done == "done",
        may_change=who.may("appointments.write", site.name),
        may_decide=who.may("appointments.write", site.name),
    )  # fmt: skip

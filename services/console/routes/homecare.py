"""Home programmes at a glance, open reports of pain, drawings, and the chain's figures."""

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from services.console.billing import csv_files
from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused, OfficeUnavailable
from services.console.homecare import chain, course, overview, reading, setting
from services.console.homecare.shelf import Shelf
from services.console.planning.names import names_of
from services.console.planning.places import offered
from services.console.planning.problems import problem_of
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.catalogues import counted
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("homecare.see")]
Field = Annotated[str, Query(max_length=100)]
From = Annotated[Field, Query(alias="from")]
To = Annotated[Field, Query(alias="to")]
ENDED: Final = timedelta(days=60)
MOST_ROWS: Final = 500
A_DAY: Final = "private, max-age=86400"


def router(console: Console) -> APIRouter:
    """``/homecare``, ``/homecare/report`` and what their pages ask for."""
    routes = Routes(include_in_schema=False)
    _add_overview(routes, console, Shelf(console))
    _add_pieces(routes, console)
    _add_report(routes, console)
    return routes


def _add_overview(routes: APIRouter, console: Console, shelf: Shelf) -> None:
    @routes.get("/homecare")
    async def shown(
        request: Request, who: Reader, site: Field = "", state: Field = "", q: Field = "", sort: Field = ""
    ) -> Response:
        """Every programme that may still change, and who needs a call today."""
        language, sites = language_of(request), offered(console, who, "homecare.see")
        state = state if state in overview.STATES else ""
        found, note = await overview.rows(console, who, site, state)
        rows = overview.arranged(overview.narrowed(found, q), sort)
        return console.page(
            request, "homecare/overview.html", page="homecare", title=TEXTS["nav_homecare"][language],
            rows=rows[:MOST_ROWS], count=len(found), calls=overview.calls(found), note=note[language], q=q,
            site=site, sites=sites, state=state, states=overview.STATES, sort=sort,
            pains=await _pains(console, shelf, who, site, request),
            without=await overview.without(console, who, site, ENDED),
            may_set=who.may("homecare.set", site or None), is_narrowed=bool(site or state or q),
        )  # fmt: skip


async def _pains(
    console: Console, shelf: Shelf, who: Principal, site: str, request: Request
) -> list[dict[str, Any]]:
    """Reports that nobody has answered: those above their limit first, then the oldest."""
    language, books = language_of(request), await shelf.read(who)
    query = {"open": "true"} | ({"site": site} if site else {})
    told = (await console.homecare.ask(who, "/pains", query))["pains"]
    names = await names_of(console, who, (row["patient"] for row in told))
    rows = [course.pain(row, books, language) for row in told]
    rows = [{**row, "person": names.get(row["patient"], row["patient"][:8])} for row in rows]
    return sorted(rows, key=lambda row: (not row["above"], row["at"]))


def _add_pieces(routes: APIRouter, console: Console) -> None:
    @routes.get("/homecare/pains/open")
    async def pains(request: Request, who: Reader) -> Response:
        """Which reports are open, for every page's count; none at all: homecare cannot say it now."""
        language = language_of(request)
        try:
            reports = (await console.homecare.ask(who, "/pains/open"))["reports"]
        except (OfficeRefused, OfficeUnavailable):
            return JSONResponse({"reports": None}, headers={"cache-control": "no-store"})
        texts = {
            "text": counted(TEXTS, "home_pains_open", len(reports), language),
            "fresh": TEXTS["home_pain_now"][language], "close": console.pages.texts(language)["close"],
        }  # fmt: skip
        return JSONResponse({"reports": reports, **texts}, headers={"cache-control": "no-store"})

    @routes.get("/homecare/drawings/{drawing}.svg")
    async def drawn(who: Reader, drawing: str) -> Response:
        """An exercise as a picture."""
        svg = await setting.drawing(console, who, f"/library/drawings/{drawing[:60]}.svg")
        return Response(svg, media_type="image/svg+xml", headers={"cache-control": A_DAY})


def _add_report(routes: APIRouter, console: Console) -> None:
    async def asked(who: Principal, site: str, since: str, until: str) -> dict[str, Any]:
        query = {"site": site, "from": since.strip(), "to": until.strip()}
        found: dict[str, Any] = reading.read(await console.homecare.ask(who, "/report", query))
        return found

    @routes.get("/homecare/report")
    async def report(
        request: Request, who: Reader, site: Field = "", since: From = "", until: To = ""
    ) -> Response:
        """Every site and all of them together; what is missing is said."""
        language, problem, it = language_of(request), None, None
        try:
            it = await asked(who, site, since, until)
        except (BadSearch, OfficeRefused) as refused:
            problem = problem_of(refused, language)
        rows = [] if it is None else _lines(it, TEXTS["home_everywhere"][language])
        return console.page(
            request, "homecare/report.html", page="homecare", title=TEXTS["home_report"][language], it=it,
            status=problem.status if problem else 200, problem=problem, rows=rows, site=site,
            sites=offered(console, who, "homecare.see"), since=since or str(it["from"] if it else ""),
            until=until or str(it["to"] if it else ""),
        )  # fmt: skip

    @routes.get("/homecare/report/file")
    async def as_file(
        request: Request, who: Reader, site: Field = "", since: From = "", until: To = ""
    ) -> Response:
        """The same for a spreadsheet."""
        language = language_of(request)
        it = await asked(who, site, since, until)
        head = [TEXTS["past_site"][language], *(TEXTS[text][language] for text, _ in chain.COLUMNS)]
        name = f"home-programmes-{site or 'all'}-{it['from']}-{it['to']}.csv"
        lines = chain.lines(it, TEXTS["home_everywhere"][language])
        return csv_files.answer(name, head, lines, language)


def _lines(it: dict[str, Any], everywhere: str) -> list[dict[str, Any]]:
    """A row a site, all of them together last."""
    each = [{**row, "is_total": False} for row in it["sites"]]
    return [*each, {"site": everywhere, **it["total"], "is_total": True}]

"""What leaves for tax advisers and billing offices: what it would hold, what it lacks, what went out."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.console.billing import periods, tabs, typed
from services.console.billing.costs import one_of
from services.console.billing.periods import Period
from services.console.billing.typed import Problem
from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused
from services.console.papers import passed
from services.console.planning.problems import problem_of
from services.kit import formats
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Owner = Annotated[Principal, allow("revenue.see")]
Field = Annotated[str, Query(max_length=100)]
Since = Annotated[Field, Query(alias="from")]
Until = Annotated[Field, Query(alias="to")]
Row = dict[str, Any]
TABLES: Final = ("invoices", "lines", "payments")
FILES: Final = ("datev", *TABLES)
MICROSECONDS: Final = 1_000_000


def router(console: Console) -> APIRouter:
    """``/billing/exports`` and its files."""
    routes = Routes(include_in_schema=False)

    @routes.get("/billing/exports")
    async def shown(
        request: Request, who: Owner, site: str = "", period: Field = "last-month", since: Since = "",
        until: Until = "", done: Field = "",
    ) -> Response:  # fmt: skip
        """What each export of a period would hold, and what was delivered."""
        asked = {"period": period, "from": since, "to": until}
        return await _page(console, request, who, site, asked, done=done)

    @routes.post("/billing/exports")
    async def deliver(request: Request, who: Owner) -> Response:
        """Make a delivery; the same form again is the same one."""
        form = {name: str(value)[:200] for name, value in (await request.form(max_files=0)).items()}
        place = tabs.site_of(console, who, form.get("site", ""), "revenue.see")
        try:
            body = {
                "request": typed.request_of(form.get("request", "")), "site": place,
                "from": typed.day(form.get("from", ""), "from").isoformat(),
                "to": typed.day(form.get("to", ""), "to").isoformat(), "office": form.get("office", ""),
            }  # fmt: skip
            made = await console.billing.send(who, "POST", "/exports/padnext", body)
        except (BadSearch, OfficeRefused) as problem:
            return await _page(console, request, who, place, form, problem=problem)
        address = f"/billing/exports?site={place}&from={body['from']}&to={body['to']}&done={made['name']}"
        return RedirectResponse(address, 303, headers={"cache-control": "no-store"})

    @routes.get("/billing/exports/file/{form}")
    async def file(who: Owner, form: str, site: Field = "", since: Since = "", until: Until = "") -> Response:
        """A period for the tax adviser: DATEV, or a table."""
        place = tabs.site_of(console, who, site, "revenue.see")
        query = {"site": place, "from": since, "to": until}
        if one_of(form, FILES) == "datev":
            return await passed(console, who, "/exports/datev", query, office=console.billing)
        return await passed(console, who, "/exports/csv", query | {"rows": form}, office=console.billing)

    @routes.get("/billing/exports/deliveries/{delivery}")
    async def again(who: Owner, delivery: int, site: Field = "", office: Field = "") -> Response:
        """A delivery, to the byte as it was made."""
        place = tabs.site_of(console, who, site, "revenue.see")
        query = {"site": place, "office": office}
        return await passed(console, who, f"/exports/deliveries/{delivery}", query, office=console.billing)

    return routes


async def _page(
    console: Console, request: Request, who: Principal, site: str, asked: dict[str, str], *,
    done: str = "", problem: Problem | None = None,
) -> Response:  # fmt: skip
    place = tabs.site_of(console, who, site, "revenue.see")
    name, span, told = "last-month", periods.KNOWN["last-month"](formats.now().date()), None
    since, until = asked.get("from", ""), asked.get("to", "")
    try:
        name, span = periods.chosen(asked.get("period", ""), since, until, formats.now().date())
        told = _read(await console.billing.ask(who, "/exports", _query(place, span)))
    except (BadSearch, OfficeRefused) as refused:
        problem = problem or refused
    kept = (await console.billing.ask(who, "/exports/deliveries", {"site": place}))["deliveries"]
    rows = [_delivery(row) for row in kept]
    return tabs.page(
        console, request, who, place, "billing/exports.html", tab="exports", period=name,
        status=problem.status if problem else 200, periods=tuple(periods.KNOWN), it=told, tables_of=TABLES,
        problem=problem and problem_of(problem, language_of(request)), deliveries=rows,
        since=since or span.since.isoformat(), until=until or span.until.isoformat(), span=span,
        made=next((row for row in rows if done and row["name"] == done), None),
        kept=(("from", since), ("to", until), ("period", "" if since else name)), fresh=typed.request_of,
        may_set=who.may("billing.settings", place),
    )  # fmt: skip


def _query(site: str, span: Period) -> dict[str, str]:
    return {"site": site, "from": span.since.isoformat(), "to": span.until.isoformat()}


def _read(told: Row) -> Row:
    """Amounts and days as such."""
    offices = [_office(row) for row in told["padnext"]["offices"]]
    amounts = {name: Decimal(told[name]) for name in ("invoiced", "received")}
    return {**told, **amounts, "padnext": {**told["padnext"], "offices": offices}}


def _office(row: Row) -> Row:
    held = row["certificate"]
    until = held and {**held, "until": date.fromisoformat(held["until"])}
    return {**row, "total": Decimal(row["total"]), "certificate": until}


def _delivery(row: Row) -> Row:
    days = {name: date.fromisoformat(row[name]) for name in ("from", "to")}
    at = datetime.fromtimestamp(row["at_us"] / MICROSECONDS, UTC)
    return {**row, **days, "total": Decimal(row["total"]), "at": at}

"""Invoices: search and filters, one with its lines, its papers, its cancellation."""

import contextlib
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.console import papers
from services.console.billing import tabs
from services.console.billing.drafts import Row, problem_of
from services.console.context import Console
from services.console.errors import OfficeNotFound, OfficeRefused
from services.console.navigation import exists
from services.console.patients.tabs import known_id
from services.console.planning.names import names_of
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("billing.see")]
Issuer = Annotated[Principal, allow("invoices.issue")]
Asked = Annotated[str, Query(max_length=100)]
Text = Annotated[str, Form()]
STATES: Final = ("open", "part-paid", "overdue", "paid", "overpaid", "cancelled")
DONE: Final = ("issued", "cancelled")
PAGE: Final = 200  # invoices at once
FILES: Final = {"xml": "/xml", "fhir": "/fhir"}


def router(console: Console) -> APIRouter:
    """``/billing/invoices`` and below."""
    routes = Routes(include_in_schema=False)
    _add_list(routes, console)
    _add_one(routes, console)
    _add_papers(routes, console)
    return routes


def _add_list(routes: APIRouter, console: Console) -> None:
    @routes.get("/billing/invoices")
    async def listed(
        request: Request, who: Reader, site: str = "", q: Asked = "", state: Asked = "",
        patient: Asked = "", since: Annotated[str, Query(alias="from", max_length=10)] = "",
        until: Annotated[str, Query(alias="to", max_length=10)] = "", after: Asked = "",
        most: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    ) -> Response:  # fmt: skip
        """A site's, newest first, so many at once; by words, state, days. ``after``: the last one before."""
        place = tabs.site_of(console, who, site)
        asked = {
            "q": q.strip(), "state": state if state in STATES else "", "from": _day(since), "to": _day(until),
            "patient": patient,
        }  # fmt: skip
        query = {
            "site": place, **asked, "patient": str(known_id(patient)) if patient else "",
            "after": str(known_id(after)) if after else "", "most": str(most),
        }  # fmt: skip
        told = await console.billing.ask(who, "/invoices", query)
        rows, following = told["invoices"], told["next"]
        own = {"site": place, **asked, "most": str(most) if most != PAGE else ""}
        names = await names_of(console, who, (row["patient"] for row in rows))
        return tabs.page(
            console, request, who, place, "billing/invoices.html", tab="invoices", rows=rows, names=names,
            asked=asked, states=STATES, narrowed=any(asked.values()), is_later=bool(after),
            newest=_path(own), further=_path({**own, "after": following}) if following else "",
        )  # fmt: skip


def _add_one(routes: APIRouter, console: Console) -> None:
    @routes.get("/billing/invoices/{invoice}")
    async def one(request: Request, who: Reader, invoice: str, done: str = "") -> Response:
        """Everything that stands on it, and what came of it."""
        return await _page(console, request, who, invoice, done=done if done in DONE else "")

    @routes.post("/billing/invoices/{invoice}/cancel")
    async def cancel(
        request: Request, who: Issuer, invoice: str, reason: Text = "", request_id: Text = ""
    ) -> Response:
        """Take it back by a cancellation; the same form twice is one."""
        held = known_id(invoice)
        body = {"request": str(known_id(request_id)), "reason": reason[:4000]}
        try:
            await console.billing.send(who, "POST", f"/invoices/{held}/cancel", body)
        except OfficeNotFound:
            raise
        except OfficeRefused as error:
            return await _page(console, request, who, invoice, error=error, reason=reason[:4000])
        return RedirectResponse(
            f"/billing/invoices/{held}?done=cancelled", 303, headers={"cache-control": "no-store"}
        )


def _add_papers(routes: APIRouter, console: Console) -> None:
    @routes.get("/billing/invoices/{invoice}/pdf")
    async def pdf(who: Reader, invoice: str, language: Asked = "de") -> Response:
        """What was handed out; in English a copy."""
        query = {"language": "en" if language == "en" else "de"}
        return await papers.passed(
            console, who, f"/invoices/{known_id(invoice)}/pdf", query, office=console.billing
        )

    @routes.get("/billing/invoices/{invoice}/file/{form}")
    async def file(who: Reader, invoice: str, form: str) -> Response:
        """The same as data: XML (EN 16931) or FHIR."""
        path = f"/invoices/{known_id(invoice)}{FILES.get(form, '/xml')}"
        return await papers.passed(console, who, path, office=console.billing)


async def _page(
    console: Console, request: Request, who: Principal, invoice: str, *, done: str = "",
    error: OfficeRefused | None = None, reason: str = "",
) -> Response:  # fmt: skip
    language = language_of(request)
    held = await console.billing.ask(who, f"/invoices/{known_id(invoice)}")
    place = tabs.site_of(console, who, held["site"])
    item = await console.billing.ask(who, f"/invoices/{held['id']}/payments")
    problem = problem_of(error, language) if error else None
    payments = f"/billing/invoices/{held['id']}/payments"
    return tabs.page(
        console, request, who, place, "billing/invoice.html", tab="invoices", invoice=held, done=done,
        status=problem.status if problem else 200, paper=held["paper"], item=item, problem=problem,
        reason=reason, request_id=str(uuid4()), title=f"{_kind(held, language)} {held['number']}",
        may_cancel=may_cancel(who, held), payments=payments if exists(request.app, payments) else "",
        other=await _other(console, who, held),
    )  # fmt: skip


def may_cancel(who: Principal, invoice: Row) -> bool:
    """Whether this reader may cancel it: an invoice that is not cancelled."""
    is_standing = invoice["kind"] == "invoice" and not invoice["cancelled_by"]
    return is_standing and who.may("invoices.issue", invoice["site"])


async def _other(console: Console, who: Principal, held: Row) -> Row | None:
    """The cancellation of an invoice, the invoice of a cancellation."""
    other = held["cancelled_by"] or held["cancels"]
    if not other:
        return None
    found: Row = await console.billing.ask(who, f"/invoices/{other}")
    return found


def _kind(held: Row, language: str) -> str:
    return TEXTS[f"billing_kind_{held['kind']}"]["de" if language == "de" else "en"]


def _path(query: Mapping[str, str]) -> str:
    """The list with these filters."""
    return f"/billing/invoices?{urlencode({name: told for name, told in query.items() if told})}"


def _day(typed: str) -> str:
    """A day of a filter; one that is none filters nothing."""
    with contextlib.suppress(ValueError):
        return date.fromisoformat(typed.strip()).isoformat()
    return ""

"""Reminders: who is due for which step, the letters that were chosen, and those that were written."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.console import papers
from services.console.billing import tabs, typed
from services.console.billing.typed import Problem
from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused
from services.console.planning.problems import problem_of
from services.console.sessions.asking import refusal
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("billing.see")]
Writer = Annotated[Principal, allow("payments.write")]
Field = Annotated[str, Query(max_length=100)]
MOST: Final = 200  # letters at once, as billing takes them


def router(console: Console) -> APIRouter:
    """``/billing/dunning`` and the letters."""
    routes = Routes(include_in_schema=False)

    @routes.get("/billing/dunning")
    async def shown(
        request: Request, who: Reader, site: Field = "", written: Annotated[int, Query(ge=0, le=MOST)] = 0
    ) -> Response:
        """Who is due, and the letters of before."""
        return await _shown(console, request, who, tabs.site_of(console, who, site), written=written)

    @routes.post("/billing/dunning")
    async def write(request: Request, who: Writer) -> Response:
        """Write the next letter of each that was chosen: all, or none."""
        form = await request.form()
        place = tabs.site_of(console, who, str(form.get("site") or ""), "payments.write")
        chosen = [str(one)[:40] for one in form.getlist("invoice")][: MOST + 1]
        again = typed.request_of(str(form.get("request") or ""))
        try:
            if not chosen:
                raise refusal("dun_none_chosen", "invoice")
            invoices = [typed.record(one, "invoice") for one in chosen]
            body = {"request": again, "site": place, "invoices": invoices}
            made = await console.billing.send(who, "POST", "/dunning", body)
        except (BadSearch, OfficeRefused) as problem:
            return await _shown(console, request, who, place, problem=problem, chosen=chosen, again=again)
        return RedirectResponse(f"/billing/dunning?site={place}&written={len(made['letters'])}", 303)

    @routes.get("/billing/letters/{letter}/pdf")
    async def pdf(who: Reader, letter: str) -> Response:
        """A letter as it was sent."""
        known = typed.record(letter, "letter")
        return await papers.passed(console, who, f"/letters/{known}/pdf", office=console.billing)

    return routes


async def _shown(
    console: Console, request: Request, who: Principal, site: str, *, problem: Problem | None = None,
    chosen: list[str] | None = None, again: str = "", written: int = 0,
) -> Response:  # fmt: skip
    language = language_of(request)
    due = (await console.billing.ask(who, "/dunning", {"site": site}))["due"]
    letters = (await console.billing.ask(who, "/letters", {"site": site}))["letters"]
    return tabs.page(
        console, request, who, site, "billing/dunning.html", tab="dunning",
        status=problem.status if problem else 200, problem=problem and problem_of(problem, language),
        due=[_due(row) for row in due], letters=[_letter(row) for row in letters], chosen=chosen or [],
        again=again or typed.request_of(""), written=written, may_write=who.may("payments.write", site),
    )  # fmt: skip


def _due(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **row, "open": Decimal(row["open"]), "fee": Decimal(row["fee"]),
        "asked": Decimal(row["open"]) + Decimal(row["fee"]),
        "payable_until": date.fromisoformat(row["payable_until"]),
    }  # fmt: skip


def _letter(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **row, "asked": Decimal(row["asked"]),
        **{name: date.fromisoformat(row[name]) for name in ("sent_on", "payable_until")},
    }  # fmt: skip

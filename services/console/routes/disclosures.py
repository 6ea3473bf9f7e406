"""Whether a billing office may have a patient's data: what was signed, what was taken back."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.console.billing import tabs, typed
from services.console.billing.typed import Problem
from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused
from services.console.patients.tabs import known_id
from services.console.planning.names import names_of
from services.console.planning.problems import problem_of
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("billing.see")]
Writer = Annotated[Principal, allow("estimates.write")]
Row = dict[str, Any]
DONE: Final = ("given", "withdrawn")
MICROSECONDS: Final = 1_000_000


def router(console: Console) -> APIRouter:
    """``/billing/charges/{patient}/consents`` and what is recorded there."""
    routes = Routes(include_in_schema=False)
    path = "/billing/charges/{patient}/consents"

    @routes.get(path)
    async def shown(
        request: Request, who: Reader, patient: str, site: str = "", done: Annotated[str, Query()] = ""
    ) -> Response:
        """Every billing office of the site, and whether it may have this patient's data."""
        place = tabs.site_of(console, who, site)
        return await _page(console, request, who, place, patient, done=done if done in DONE else "")

    @routes.post(path)
    async def give(request: Request, who: Writer, patient: str) -> Response:
        """Record a signed consent."""
        form, place = await _form(console, request, who)
        try:
            body = {
                "request": typed.request_of(form.get("request", "")), "site": place,
                "patient": str(known_id(patient)), "office": form.get("office", ""),
                "on": typed.day(form.get("on", ""), "on").isoformat(),
                "note": typed.text(form, "note") or None,
            }  # fmt: skip
            await console.billing.send(who, "POST", "/disclosures", body)
        except (BadSearch, OfficeRefused) as problem:
            return await _page(console, request, who, place, patient, problem=problem, form=form)
        return _to(place, patient, "given")

    @routes.post(path + "/{consent}/withdraw")
    async def withdraw(request: Request, who: Writer, patient: str, consent: str) -> Response:
        """Record that it counts no more; no reason is asked for."""
        form, place = await _form(console, request, who)
        try:
            body = {
                "request": typed.request_of(form.get("request", "")),
                "on": typed.day(form.get("on", ""), "on").isoformat(),
            }
            await console.billing.send(who, "POST", f"/disclosures/{known_id(consent)}/withdraw", body)
        except (BadSearch, OfficeRefused) as problem:
            return await _page(console, request, who, place, patient, problem=problem, form=form)
        return _to(place, patient, "withdrawn")

    return routes


async def _page(
    console: Console, request: Request, who: Principal, site: str, patient: str, *, done: str = "",
    problem: Problem | None = None, form: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    key, language = str(known_id(patient)), language_of(request)
    told = await console.billing.ask(who, "/disclosures", {"site": site, "patient": key})
    name = (await names_of(console, who, [key])).get(key, key[:8])
    return tabs.page(
        console, request, who, site, "billing/consents.html", tab="charges", patient=key, name=name,
        status=problem.status if problem else 200, problem=problem and problem_of(problem, language),
        done=done, offices=[_office(row) for row in told["offices"]], form=form or {},
        acts=[_act(row) for row in told["acts"]], today=formats.now().date().isoformat(),
        fresh=typed.request_of, choice="/billing/charges",
        title=TEXTS["disclosure_of"][language].format(name=name),
        may_change=who.may("estimates.write", site),
    )  # fmt: skip


def _office(row: Row) -> Row:
    return {**row, "last": row["last"] and _act(row["last"])}


def _act(row: Row) -> Row:
    at = datetime.fromtimestamp(row["at_us"] / MICROSECONDS, UTC)
    return {**row, "on": date.fromisoformat(row["on"]), "at": at}


async def _form(console: Console, request: Request, who: Principal) -> tuple[dict[str, str], str]:
    form = {name: str(value)[:500] for name, value in (await request.form(max_files=0)).items()}
    return form, tabs.site_of(console, who, form.get("site", ""))


def _to(site: str, patient: str, done: str) -> Response:
    address = f"/billing/charges/{known_id(patient)}/consents?site={site}&done={done}"
    return RedirectResponse(address, 303, headers={"cache-control": "no-store"})

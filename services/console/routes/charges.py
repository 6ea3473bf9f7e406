"""Charges and treatment cases: who pays and how, what is open, what a hand enters and takes back."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import uuid4

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.console.billing import drafts, tabs
from services.console.billing.drafts import Form, Row, problem_of
from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused
from services.console.patients.tabs import known_id
from services.console.planning import people
from services.console.planning.names import names_of
from services.console.refusals import said
from services.console.routes.drafts import line_of
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("billing.see")]
Writer = Annotated[Principal, allow("charges.write")]
Asked = Annotated[str, Query(max_length=100)]
PAYERS: Final = ("private", "beihilfe", "self-payer", "standardtarif")
MODES: Final = ("session", "cure", "month")
DONE: Final = ("charged", "reversed", "agreed", "joined")
NEW: Final = "new"


def router(console: Console) -> APIRouter:
    """``/billing/charges`` and below."""
    routes = Routes(include_in_schema=False)
    _add_list(routes, console)
    _add_patient(routes, console)
    _add_changes(routes, console)
    return routes


def _add_list(routes: APIRouter, console: Console) -> None:
    @routes.get("/billing/charges")
    async def listed(request: Request, who: Reader, site: str = "", q: Asked = "") -> Response:
        """Who is treated at a site, who pays, and what is open."""
        place = tabs.site_of(console, who, site)
        cases = (await console.billing.ask(who, "/cases", {"site": place}))["cases"]
        open_ = (await console.billing.ask(who, "/charges", {"site": place}))["charges"]
        names = await names_of(console, who, (row["patient"] for row in cases))
        words = q.strip()
        found = []
        if words and who.may("patients.see", place):
            known = {row["patient"] for row in cases}
            hits = await people.search(console, who, place, words)
            found = [hit for hit in hits if hit.patient not in known]
        rows = [row for row in patients_of(cases, open_, names) if words.casefold() in row["name"].casefold()]
        return tabs.page(
            console,
            request,
            who,
            place,
            "billing/charges.html",
            tab="charges",
            rows=rows,
            q=words,
            found=found,
        )


def patients_of(cases: Sequence[Row], open_: Sequence[Row], names: Mapping[str, str]) -> list[Row]:
    """One row a patient, by name, with what is open."""
    charges: defaultdict[str, list[Row]] = defaultdict(list)
    for charge in open_:
        charges[charge["case"]].append(charge)
    rows: dict[str, Row] = {}
    for case in cases:
        key = case["patient"]
        row = rows.setdefault(
            key, {"patient": key, "name": names.get(key, key[:8]), "payers": [], "open": 0, "last": ""}
        )
        row["payers"].append(case["payer"] or "")
        row["open"] += len(charges[case["id"]])
        row["last"] = max([row["last"], *(charge["line"]["date"] for charge in charges[case["id"]])])
    return sorted(rows.values(), key=lambda row: row["name"].casefold())


def _add_patient(routes: APIRouter, console: Console) -> None:
    @routes.get("/billing/charges/{patient}")
    async def of_patient(
        request: Request, who: Reader, patient: str, site: str = "", case: Asked = "", done: str = ""
    ) -> Response:
        """How a treatment is paid, and its charges."""
        place = tabs.site_of(console, who, site)
        done = done if done in DONE else ""
        return await _page(console, request, who, place, patient, case=case, done=done)


def _add_changes(routes: APIRouter, console: Console) -> None:
    @routes.post("/billing/charges/{patient}")
    async def charge(request: Request, who: Writer, patient: str) -> Response:
        """Enter a charge by hand."""
        form = await _form(request)
        place, case = tabs.site_of(console, who, form.get("site", "")), form.get("case", "")
        body: Row = {"request": str(known_id(form.get("request", ""))), "site": place, "patient": patient}
        try:
            illness = _illness(form, case)
            if not illness:
                body["case"] = str(known_id(case))
            body["line"] = line_of(form, illness)
            made = await console.billing.send(who, "POST", "/charges", body)
        except (BadSearch, OfficeRefused) as error:
            return await _page(
                console, request, who, place, patient, case=case, error=error, form=form, at="charge"
            )
        return _to(place, patient, made["case"], "charged")

    @routes.post("/billing/charges/{patient}/take-back")
    async def take_back(request: Request, who: Writer, patient: str) -> Response:
        """Charge it no more, with a reason."""
        form = await _form(request)
        place, case = tabs.site_of(console, who, form.get("site", "")), form.get("case", "")
        key = known_id(form.get("charge", ""))
        try:
            body = {"reason": form.get("reason", "")[:4000]}
            await console.billing.send(who, "POST", f"/charges/{key}/reverse", body)
        except OfficeRefused as error:
            return await _page(
                console, request, who, place, patient, case=case, error=error, form=form, at="back"
            )
        return _to(place, patient, case, "reversed")

    @routes.post("/billing/charges/{patient}/join")
    async def join(request: Request, who: Writer, patient: str) -> Response:
        """Let what is open in one case be charged in the other of the same illness."""
        form = await _form(request)
        place, case = tabs.site_of(console, who, form.get("site", "")), form.get("case", "")
        try:
            into = await console.billing.send(who, "POST", f"/cases/{known_id(case)}/join", {})
        except OfficeRefused as error:
            return await _page(console, request, who, place, patient, case=case, error=error)
        return _to(place, patient, into["id"], "joined")

    @routes.post("/billing/charges/{patient}/terms")
    async def agree(request: Request, who: Writer, patient: str) -> Response:
        """Say who pays, by which tariff, and when invoices are made."""
        form = await _form(request)
        place, case = tabs.site_of(console, who, form.get("site", "")), form.get("case", "")
        try:
            body = {
                "payer": form.get("payer", ""), "tariff": form.get("tariff", ""),
                "mode": form.get("mode", ""), "diagnosis": form.get("diagnosis", "").strip() or None,
                "recipient": drafts.recipient_of(form, "recipient_name"),
            }  # fmt: skip
            await console.billing.send(who, "PUT", f"/cases/{known_id(case)}", body)
        except (BadSearch, OfficeRefused) as error:
            return await _page(
                console, request, who, place, patient, case=case, error=error, form=form, at="terms"
            )
        return _to(place, patient, case, "agreed")


def _illness(form: Form, case: str) -> str | None:
    """What a new case is about; None of one that there is. Raises BadSearch."""
    if case and case != NEW:
        return None
    if illness := form.get("illness", "").strip():
        return illness
    raise BadSearch(said("billing_illness_needed"), "illness")


async def _page(
    console: Console, request: Request, who: Principal, site: str, patient: str, *, case: str = "",
    done: str = "", error: BadSearch | OfficeRefused | None = None, form: Form | None = None, at: str = "",
) -> Response:  # fmt: skip
    language = language_of(request)
    query = {"site": site, "patient": str(known_id(patient))}
    cases = (await console.billing.ask(who, "/cases", query))["cases"]
    charges = (await console.billing.ask(who, "/charges", query | {"open": "false"}))["charges"]
    tariffs = (await console.billing.ask(who, f"/tariffs/{site}"))["tariffs"]
    name = (await names_of(console, who, [patient])).get(patient, patient[:8])
    chosen = next(
        (row for row in cases if row["id"] == case), None if case == NEW else next(iter(cases), None)
    )
    problem = problem_of(error, language) if error else None
    mine = [row for row in charges if chosen and row["case"] == chosen["id"]]
    return tabs.page(
        console, request, who, site, "billing/patient.html", tab="charges", patient=patient, name=name,
        status=problem.status if problem else 200, problem=problem, at=at, done=done, cases=cases,
        case=chosen, charges=await _priced(console, who, mine), payers=PAYERS, modes=MODES,
        tariffs=[(row["name"], row["text"][language]) for row in tariffs],
        terms={**_terms(chosen), **(form if form and at == "terms" else {})},
        picked={"date": formats.now().date().isoformat(), **(form if form and at == "charge" else {})},
        back=form if form and at == "back" else {}, request_id=str(uuid4()), draft_request=str(uuid4()),
        sent=[row["line"] for row in mine if not row["reversed"] and not row["invoice"]],
        tariff=drafts.tariff_of(chosen) if chosen else "private",
        title=TEXTS["billing_charges_of"][language].format(name=name),
        choice="/billing/charges", may_change=who.may("charges.write", site),
        may_see_file=who.may("patients.see", site),
    )  # fmt: skip


async def _priced(console: Console, who: Principal, charges: Sequence[Row]) -> list[Row]:
    """The newest first, with name and amount by the fee schedule."""
    if not charges:
        return []
    lines = [{**row["line"], "amount": None} for row in charges]
    prices = (await console.billing.send(who, "POST", "/goae/check", {"lines": lines}))["prices"]
    rows = [
        row | {
            "name": price["name"], "amount": Decimal(price["amount"]),
            "analogue": row["line"].get("analogue"),
            "day": date.fromisoformat(row["line"]["date"]), "count": row["line"].get("count", 1),
        }
        for row, price in zip(charges, prices, strict=True)
    ]  # fmt: skip
    return rows[::-1]


def _terms(case: Row | None) -> dict[str, Any]:
    if case is None:
        return {}
    recipient = case["recipient"] or {}
    address = recipient.get("address") or {}
    return {
        "payer": case["payer"] or "", "tariff": case["tariff"], "mode": case["mode"],
        "diagnosis": case["diagnosis"] or "", "recipient_name": recipient.get("name") or "",
        **{part: address.get(part) or "" for part in drafts.ADDRESS},
        "country": address.get("country") or "DE", "email": recipient.get("email") or "",
    }  # fmt: skip


async def _form(request: Request) -> dict[str, str]:
    form = await request.form()
    return {name: str(value)[:4000] for name, value in form.items()}


def _to(site: str, patient: str, case: str, done: str) -> Response:
    address = f"/billing/charges/{known_id(patient)}?site={site}&case={case[:40]}&done={done}"
    return RedirectResponse(address, 303, headers={"cache-control": "no-store"})

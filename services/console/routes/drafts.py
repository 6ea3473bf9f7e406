"""Drafts of invoices: the list, one to check and change, and its issue."""

from typing import Annotated, Any, Final
from uuid import uuid4

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from services.console import papers
from services.console.billing import drafts, tabs
from services.console.billing.drafts import Row, problem_of
from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused
from services.console.patients.tabs import known_id
from services.console.planning.names import names_of
from services.console.planning.problems import Problem
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("billing.see")]
Writer = Annotated[Principal, allow("charges.write")]
Issuer = Annotated[Principal, allow("invoices.issue")]
Text = Annotated[str, Form()]
DONE: Final = ("saved", "added", "taken_back", "dropped", "made")
LINE: Final = ("date", "number", "factor", "count", "justification", "duration_min", "analogue")
NOT_FOUND: Final = 404


def router(console: Console) -> APIRouter:
    """``/billing/drafts`` and below."""
    routes = Routes(include_in_schema=False)
    _add_list(routes, console)
    _add_one(routes, console)
    _add_lines(routes, console)
    _add_issue(routes, console)
    return routes


def _add_list(routes: APIRouter, console: Console) -> None:
    @routes.get("/billing/drafts")
    async def listed(request: Request, who: Reader, site: str = "", done: str = "") -> Response:
        """What waits to be checked, oldest first."""
        return await _list(console, request, who, site, done=done if done in DONE else "")

    @routes.post("/billing/drafts")
    async def make(
        who: Writer, site: Text = "", patient: Text = "", case: Text = "", request_id: Text = ""
    ) -> Response:
        """Put the open charges of a case on a draft."""
        body = {
            "request": str(known_id(request_id or str(uuid4()))), "site": site[:40],
            "patient": str(known_id(patient)), "case": str(known_id(case)),
        }  # fmt: skip
        made = await console.billing.send(who, "POST", "/drafts", body)
        return _to(f"/billing/drafts/{made['id']}?done=made")


def _add_one(routes: APIRouter, console: Console) -> None:
    @routes.get("/billing/drafts/{draft}")
    async def one(request: Request, who: Reader, draft: str, done: str = "") -> Response:
        """Every line, every rule that spoke, and what can be changed."""
        try:
            return await _page(console, request, who, draft, done=done if done in DONE else "")
        except OfficeRefused as error:
            return await _issued_already(console, request, who, error)

    @routes.post("/billing/drafts/{draft}")
    async def change(request: Request, who: Writer, draft: str) -> Response:
        """Keep what somebody changed; what is refused stays as it was typed."""
        form = await _form(request)
        try:
            held = await console.billing.ask(who, f"/drafts/{known_id(draft)}")
        except OfficeRefused as error:
            return await _issued_already(console, request, who, error)
        try:
            body = drafts.change_of(held, form, language_of(request))
            await console.billing.send(who, "PUT", f"/drafts/{held['id']}", body)
        except (BadSearch, OfficeRefused) as error:
            return await _page(console, request, who, draft, error=error, typed=form)
        return _to(f"/billing/drafts/{held['id']}?done=saved")

    @routes.post("/billing/drafts/{draft}/drop")
    async def drop(who: Writer, draft: str, site: Text = "") -> Response:
        """Away with the draft; its charges are open as before."""
        await console.billing.send(who, "DELETE", f"/drafts/{known_id(draft)}")
        return _to(f"/billing/drafts?site={known_site(site)}&done=dropped")

    @routes.get("/billing/drafts/{draft}/preview")
    async def preview(request: Request, who: Reader, draft: str) -> Response:
        """The page that it would become."""
        query: dict[str, str] = {"language": language_of(request)}
        return await papers.passed(
            console, who, f"/drafts/{known_id(draft)}/pdf", query, office=console.billing
        )


def _add_lines(routes: APIRouter, console: Console) -> None:
    @routes.post("/billing/drafts/{draft}/lines")
    async def add(request: Request, who: Writer, draft: str) -> Response:
        """Charge an item that was picked, and take it in."""
        form = await _form(request)
        held = await console.billing.ask(who, f"/drafts/{known_id(draft)}")
        try:
            body = {
                "request": str(known_id(form.get("request", ""))), "site": held["site"],
                "patient": held["patient"], "case": held["case"]["id"],
                "line": line_of(form, held["case"]["illness"]),
            }  # fmt: skip
            charge = await console.billing.send(who, "POST", "/charges", body)
            fresh = await console.billing.ask(who, f"/drafts/{held['id']}")
            if charge["id"] not in {row["charge"] for row in fresh["lines"]}:
                change = drafts.kept_of(fresh) | {"add": [charge["id"]]}
                await console.billing.send(who, "PUT", f"/drafts/{held['id']}", change)
        except (BadSearch, OfficeRefused) as error:
            return await _page(console, request, who, draft, error=error, line=form)
        return _to(f"/billing/drafts/{held['id']}?done=added")

    @routes.post("/billing/drafts/{draft}/take-back")
    async def take_back(request: Request, who: Writer, draft: str, charge: Text = "") -> Response:
        """Off the draft, and charged no more: what a hand entered here by mistake."""
        held = await console.billing.ask(who, f"/drafts/{known_id(draft)}")
        key = str(known_id(charge))
        try:
            if key in {row["charge"] for row in held["lines"]}:
                change = drafts.kept_of(held) | {"lines": [{"charge": key, "leave_out": True}]}
                await console.billing.send(who, "PUT", f"/drafts/{held['id']}", change)
            reason = TEXTS["billing_taken_off_draft"][language_of(request)]
            await console.billing.send(who, "POST", f"/charges/{key}/reverse", {"reason": reason})
        except OfficeRefused as error:
            return await _page(console, request, who, draft, error=error)
        return _to(f"/billing/drafts/{held['id']}?done=taken_back")


def _add_issue(routes: APIRouter, console: Console) -> None:
    @routes.post("/billing/drafts/{draft}/issue")
    async def issue(request: Request, who: Issuer, draft: str) -> Response:
        """A person has checked it: the same form twice is one invoice."""
        form = await _form(request)
        revision = form.get("revision", "")
        body = {
            "request": str(known_id(form.get("request", ""))),
            "revision": int(revision) if revision.isdecimal() else 0,
        }
        try:
            made = await console.billing.send(who, "POST", f"/drafts/{known_id(draft)}/issue", body)
        except OfficeRefused as error:
            if error.status == NOT_FOUND:
                raise
            if "invoice" in error.body:
                return await _issued_already(console, request, who, error)
            return await _page(console, request, who, draft, error=error)
        return _to(f"/billing/invoices/{made['id']}?done=issued")


def line_of(form: dict[str, str], illness: str | None = None) -> Row:
    """A line as it was typed. Raises BadSearch."""
    given = {name: form.get(name, "").strip()[: drafts.LONGEST] for name in LINE}
    line: dict[str, Any] = {"date": drafts.day_of(given["date"], "date"), "number": given["number"]}
    line["factor"] = str(drafts.number_of(given["factor"], "factor"))
    line["count"] = drafts.minutes_of(given["count"] or "1", "count")
    if given["duration_min"]:
        line["duration_min"] = drafts.minutes_of(given["duration_min"], "duration_min")
    if illness:
        line["illness"] = illness
    return line | {name: given[name] for name in ("justification", "analogue") if given[name]}


def known_site(text: str) -> str:
    """A site's name as an address may have it."""
    return "".join(sign for sign in text[:40] if sign.isalnum() or sign in "-_")


async def _form(request: Request) -> dict[str, str]:
    form = await request.form()
    return {name: str(value)[:20_000] for name, value in form.items()}


async def _list(
    console: Console, request: Request, who: Principal, site: str, *, done: str = "",
    issued: OfficeRefused | None = None,
) -> Response:  # fmt: skip
    place = tabs.site_of(console, who, site)
    rows = (await console.billing.ask(who, "/drafts", {"site": place}))["drafts"]
    clear_ups = (await console.billing.ask(who, "/clear-ups", {"site": place}))["clear_ups"]
    people = [row["patient"] for row in (*rows, *clear_ups)] + [row["belongs_to"] for row in clear_ups]
    names = await names_of(console, who, people)
    for row in rows:
        row["at"] = drafts.moment_of(row["at_us"])
    return tabs.page(
        console, request, who, place, "billing/drafts.html", tab="drafts", rows=rows, names=names, done=done,
        clear_ups=clear_ups, status=issued.status if issued else 200,
        issued=issued and {**issued.body, "words": issued.words[language_of(request)]},
    )  # fmt: skip


async def _issued_already(
    console: Console, request: Request, who: Principal, error: OfficeRefused
) -> Response:
    """The list, with the way to the invoice that a draft became. Raises the refusal when it is another."""
    if "invoice" not in error.body:
        raise error
    return await _list(console, request, who, str(error.body.get("site", "")), issued=error)


async def _page(
    console: Console, request: Request, who: Principal, draft: str, *, done: str = "",
    error: BadSearch | OfficeRefused | None = None, typed: dict[str, str] | None = None,
    line: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    """The draft as it is now; where a form was refused, with what was typed in it."""
    language = language_of(request)
    held = await console.billing.ask(who, f"/drafts/{known_id(draft)}")
    place = tabs.site_of(console, who, held["site"])
    names = await names_of(console, who, [held["patient"]])
    problem: Problem | None = problem_of(error, language) if error else None
    form = drafts.typed_over(drafts.typed_of(held, language), typed or {})
    found = drafts.findings_of(held["findings"], language)
    name = names.get(held["patient"], held["patient"][:8])
    return tabs.page(
        console, request, who, place, "billing/draft.html", tab="drafts", draft=held, problem=problem,
        status=problem.status if problem else 200, name=name, done=done, typed=form,
        lines=drafts.lines_of(held), findings=found, outlays=drafts.outlay_rows(form),
        stops=[one for one in found if one["verdict"] in ("forbidden", "justification")],
        picked={"date": _today(held), "count": "1", **(line or {}), "request": str(uuid4())},
        request_id=str(uuid4()), tariff=drafts.tariff_of(held["case"]),
        may_change=who.may("charges.write", place), may_issue=who.may("invoices.issue", place),
        title=TEXTS["billing_draft_of"][language].format(name=name), adds=line is not None,
        sent=[row["line"] for row in held["lines"]],
        is_namesake=drafts.is_namesake(form["recipient_name"], name),
    )  # fmt: skip


def _today(held: Row) -> str:
    """The last day of the draft: what was forgotten was mostly done then."""
    days = [row["line"]["date"] for row in held["lines"]]
    return max(days, default=formats.now().date().isoformat())


def _to(address: str) -> Response:
    return RedirectResponse(address, 303, headers={"cache-control": "no-store"})

"""A bank's statements: what they booked by themselves, what a person decides, what was set aside."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import UploadFile

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

Desk = Annotated[Principal, allow("payments.write")]
Field = Annotated[str, Query(max_length=100)]
Count = Annotated[int, Query(ge=0, le=10**6)]
STATES: Final = ("open", "matched", "ignored")
DONE: Final = ("imported", "matched", "ignored", "reopened", "reversed")
STATEMENT_BYTES: Final = 10_000_000  # what billing takes
MOST_FOUND: Final = 12
Row = Mapping[str, Any]


def router(console: Console) -> APIRouter:
    """``/billing/bank``."""
    routes = Routes(include_in_schema=False)
    _add_page(routes, console)
    _add_decisions(routes, console)
    return routes


def _add_page(routes: APIRouter, console: Console) -> None:
    @routes.get("/billing/bank")
    async def shown(
        request: Request, who: Desk, site: Field = "", state: Field = "open", entry: Field = "",
        q: Field = "", done: Field = "", statement: Field = "", new: Count = 0, known: Count = 0,
        matched: Count = 0, left: Count = 0,
    ) -> Response:  # fmt: skip
        """The file to give in, and entries in a state."""
        place = tabs.site_of(console, who, site, "payments.write")
        counts = {"new": new, "known": known, "matched": matched, "left": left}
        return await _shown(
            console, request, who, place, state=state, entry=entry, q=q, statement=statement, counts=counts,
            done=done if done in DONE else "",
        )  # fmt: skip

    @routes.post("/billing/bank")
    async def take(request: Request, who: Desk) -> Response:
        """Take a bank's file in; the same file again books nothing."""
        async with request.form() as form:
            place = tabs.site_of(console, who, str(form.get("site") or ""), "payments.write")
            part = form.get("file")
            data = await part.read() if isinstance(part, UploadFile) else b""
        try:
            file = _file(part, data)
            made = await console.billing.send(
                who, "POST", "/bank-statements", query={"site": place}, files={"file": file}, thinks=True
            )
        except (BadSearch, OfficeRefused) as problem:
            return await _shown(console, request, who, place, problem=problem, at="file")
        counts = {name: made[name] for name in ("new", "known", "matched", "left")}
        if made["before"]:
            told = {"done": "imported", "statement": made["statement"], "counts": counts}
            return await _shown(console, request, who, place, before=_moment(made["before"]), **told)
        query = "".join(f"&{name}={count}" for name, count in counts.items())
        return _to(place, "open", f"&done=imported&statement={made['statement']}{query}")


def _add_decisions(routes: APIRouter, console: Console) -> None:
    @routes.post("/billing/bank/{entry}/match")
    async def match(request: Request, who: Desk, entry: str) -> Response:
        """Let an entry, or a part of it, pay an invoice."""

        def sent(form: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
            body: dict[str, Any] = {
                "request": typed.request_of(form.get("request", "")),
                "invoice": typed.record(form.get("invoice", ""), "invoice"),
            }
            if form.get("amount", "").strip():
                amount = typed.amount(form["amount"], language_of(request))
                body["amount"] = str(-amount if form.get("way") == "out" else amount)
            return "match", body

        return await _decided(console, request, who, entry, sent, "open", "matched")

    @routes.post("/billing/bank/{entry}/ignore")
    async def ignore(request: Request, who: Desk, entry: str) -> Response:
        """Set it aside with a reason."""
        return await _decided(
            console, request, who, entry, lambda form: ("ignore", _reason(form)), "open", "ignored"
        )

    @routes.post("/billing/bank/{entry}/reopen")
    async def reopen(request: Request, who: Desk, entry: str) -> Response:
        """Take it out again."""
        return await _decided(
            console, request, who, entry, lambda _form: ("reopen", None), "ignored", "reopened"
        )

    @routes.post("/billing/bank/{entry}/undo")
    async def undo(request: Request, who: Desk, entry: str) -> Response:
        """Take back a payment that it made; it is open again."""

        def sent(form: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
            payment = typed.record(form.get("payment", ""), "payment")
            return f"/payments/{payment}/reverse", _reason(form)

        return await _decided(console, request, who, entry, sent, "matched", "reversed")


async def _decided(
    console: Console, request: Request, who: Principal, entry: str, made: Any, state: str, done: str
) -> Response:
    """Send what a form decides; a refusal stands at its entry with what was typed."""
    form = {name: value[:500] for name, value in (await request.form()).items() if isinstance(value, str)}
    place = tabs.site_of(console, who, form.get("site", ""), "payments.write")
    one = typed.record(entry, "entry")
    try:
        path, body = made(form)
        path = path if path.startswith("/") else f"/bank-entries/{one}/{path}"
        await console.billing.send(who, "POST", path, body)
    except (BadSearch, OfficeRefused) as problem:
        return await _shown(
            console, request, who, place, state=form.get("state") or state, problem=problem, at=one,
            entry=one, q=form.get("q", ""), form=form,
        )  # fmt: skip
    back = form.get("state") if form.get("state") in STATES else state
    return _to(place, str(back), f"&done={done}")


async def _shown(
    console: Console, request: Request, who: Principal, site: str, *, state: str = "open", entry: str = "",
    q: str = "", statement: str = "", problem: Problem | None = None, at: str = "", done: str = "",
    counts: Mapping[str, int] | None = None, form: Mapping[str, str] | None = None, before: Row | None = None,
) -> Response:  # fmt: skip
    language = language_of(request)
    state = state if state in STATES else "open"
    asked = {"site": site, "state": state}
    rows = [_read(row) for row in (await console.billing.ask(who, "/bank-entries", asked))["entries"]]
    booked: list[dict[str, Any]] = []
    if done == "imported" and statement:
        of_file = {"site": site, "state": "matched", "statement": typed.record(statement, "statement")}
        booked = [_read(row) for row in (await console.billing.ask(who, "/bank-entries", of_file))["entries"]]
    found = await _search(console, who, site, q) if entry and q.strip() else []
    return tabs.page(
        console, request, who, site, "billing/bank.html", tab="bank", rows=rows, state=state, states=STATES,
        status=problem.status if problem else 200, problem=problem and problem_of(problem, language), at=at,
        done=done, counts=counts or {}, booked=booked, entry=entry, q=q, found=found, form=form or {},
        fresh=lambda: typed.request_of(""), shown_amount=lambda amount: typed.shown(abs(amount), language),
        kept=(("state", state),), before=before,
    )  # fmt: skip


async def _search(console: Console, who: Principal, site: str, q: str) -> Sequence[Row]:
    """Invoices by number or payer, each with what is open of it."""
    asked = {"site": site, "q": q.strip()[:100]}
    listed = (await console.billing.ask(who, "/invoices", asked))["invoices"]
    owed = (await console.billing.ask(who, "/open-items", {"site": site}))["items"]
    left = {row["id"]: Decimal(row["open"]) for row in owed}
    rows = [
        {**row, "open": left.get(row["id"], Decimal(0)), "total": Decimal(row["total"])}
        for row in listed
        if row["kind"] == "invoice"
    ]
    return sorted(rows, key=lambda row: not row["open"])[:MOST_FOUND]


def _moment(before: Row) -> Row:
    """An earlier import, its moment as such."""
    return {**before, "at": datetime.fromisoformat(before["at"])}


def _read(row: Row) -> dict[str, Any]:
    """Days and amounts as such."""
    return {
        **row, "booked_on": date.fromisoformat(row["booked_on"]), "amount": Decimal(row["amount"]),
        "left": Decimal(row["left"]),
        "candidates": [{**one, "open": Decimal(one["open"])} for one in row["candidates"]],
        "payments": [{**one, "amount": Decimal(one["amount"])} for one in row["payments"]],
    }  # fmt: skip


def _file(part: Any, data: bytes) -> tuple[str, bytes, str]:
    """The file of the form. Raises BadSearch where there is none, or too much of it."""
    if not isinstance(part, UploadFile) or not part.filename:
        raise refusal("bank_no_file", "file")
    if len(data) > STATEMENT_BYTES:
        raise refusal("bank_too_large", "file", size=str(len(data)), most=str(STATEMENT_BYTES))
    return part.filename[:100], data, "application/xml"


def _reason(form: Mapping[str, str]) -> dict[str, Any]:
    return {"reason": typed.needed(form, "reason")}


def _to(site: str, state: str, more: str) -> Response:
    return RedirectResponse(f"/billing/bank?site={site}&state={state}{more}", 303)

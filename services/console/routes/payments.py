"""Payments of an invoice: in part and whole, paid back, taken back with a reason, and how it came about."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.console.billing import tabs, typed
from services.console.billing.typed import Problem
from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused
from services.console.planning.problems import problem_of
from services.console.sessions.asking import refusal
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.language import Language
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("billing.see")]
Writer = Annotated[Principal, allow("payments.write")]
METHODS: Final = ("bank", "cash", "card", "other")
MONEY: Final = ("total", "paid", "open", "fees", "open_invoice", "open_fees")
WAYS: Final = ("in", "back")
DONE: Final = ("booked", "reversed", "waived")
Form = Mapping[str, str]


def router(console: Console) -> APIRouter:
    """``/billing/invoices/{invoice}/payments`` and what is done there."""
    routes = Routes(include_in_schema=False)

    @routes.get("/billing/invoices/{invoice}/payments")
    async def shown(request: Request, who: Reader, invoice: str, done: str = "") -> Response:
        """What was paid, what is open, the reminders."""
        return await _shown(console, request, who, invoice, done=done if done in DONE else "")

    @routes.post("/billing/invoices/{invoice}/payments")
    async def pay(request: Request, who: Writer, invoice: str) -> Response:
        """Book a payment, or what was paid back."""
        form = _typed(await request.form())
        known = typed.record(invoice, "invoice")
        try:
            body = _payment(form, language_of(request))
            await console.billing.send(who, "POST", f"/invoices/{known}/payments", body)
        except (BadSearch, OfficeRefused) as problem:
            return await _shown(console, request, who, known, problem=problem, form=form, at="pay")
        return RedirectResponse(f"/billing/invoices/{known}/payments?done=booked", 303)

    @routes.post("/billing/invoices/{invoice}/payments/{payment}/reverse")
    async def reverse(request: Request, who: Writer, invoice: str, payment: str) -> Response:
        """Take a payment back; the same form again is the same."""
        form = _typed(await request.form())
        known, one = typed.record(invoice, "invoice"), typed.record(payment, "payment")
        try:
            body = {"reason": typed.needed(form, "reason")}
            if form.get("reversed_on", "").strip():
                body["reversed_on"] = typed.day(form["reversed_on"], "reversed_on").isoformat()
            await console.billing.send(who, "POST", f"/payments/{one}/reverse", body)
        except (BadSearch, OfficeRefused) as problem:
            return await _shown(console, request, who, known, problem=problem, form=form, at=one)
        return RedirectResponse(f"/billing/invoices/{known}/payments?done=reversed", 303)

    @routes.post("/billing/invoices/{invoice}/letters/{letter}/waive")
    async def waive(request: Request, who: Writer, invoice: str, letter: str) -> Response:
        """Ask for a reminder's fee no more; the same form again is the same."""
        form = _typed(await request.form())
        known, one = typed.record(invoice, "invoice"), typed.record(letter, "letter")
        try:
            body = {"reason": typed.needed(form, "reason")}
            await console.billing.send(who, "POST", f"/letters/{one}/waive", body)
        except (BadSearch, OfficeRefused) as problem:
            return await _shown(console, request, who, known, problem=problem, form=form, at=one)
        return RedirectResponse(f"/billing/invoices/{known}/payments?done=waived", 303)

    return routes


async def _shown(
    console: Console, request: Request, who: Principal, invoice: str, *, problem: Problem | None = None,
    form: Form | None = None, at: str = "", done: str = "",
) -> Response:  # fmt: skip
    language = language_of(request)
    known = typed.record(invoice, "invoice")
    told = await console.billing.ask(who, f"/invoices/{known}/payments")
    console.at(told["site"])
    it = _read(told)
    typed_now = {**_proposed(it, language), **(form or {} if at == "pay" else {})}
    return tabs.page(
        console, request, who, told["site"], "billing/payments.html", tab="invoices", it=it,
        status=problem.status if problem else 200, problem=problem and problem_of(problem, language), at=at,
        title=TEXTS["pay_title"][language].format(number=told["number"]), sites=(), done=done,
        form=typed_now, reason=(form or {}).get("reason", ""),
        reversed_on=(form or {}).get("reversed_on", ""), methods=METHODS, ways=WAYS,
        history=_history(it, language), may_write=_may_write(who, it), today=formats.now().date(),
    )  # fmt: skip


def _read(told: Mapping[str, Any]) -> dict[str, Any]:
    """Days and amounts as such."""
    payments = [
        {
            **row, "amount": Decimal(row["amount"]), "fees": Decimal(row["fees"]),
            "received_on": date.fromisoformat(row["received_on"]), "reversed_on": _day(row["reversed_on"]),
        }
        for row in told["payments"]
    ]  # fmt: skip
    letters = [
        {
            **row, "fee": Decimal(row["fee"]), "sent_on": date.fromisoformat(row["sent_on"]),
            "payable_until": date.fromisoformat(row["payable_until"]),
            "waived_on": _day(row["waived_on"]),
        }
        for row in told["letters"]
    ]  # fmt: skip
    return {
        **told, "payments": payments, "letters": letters,
        **{name: Decimal(told[name]) for name in MONEY},
        **{name: date.fromisoformat(told[name]) for name in ("issued_on", "due_on", "payable_until")},
    }  # fmt: skip


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _proposed(it: Mapping[str, Any], language: Language) -> dict[str, str]:
    """A form that pays what is open, or gives back what is too much."""
    return {
        "request": typed.request_of(""), "way": "back" if it["open"] < 0 else "in",
        "amount": typed.shown(abs(it["open"]), language) if it["open"] else "", "method": "bank", "note": "",
        "received_on": formats.now().date().isoformat(),
    }  # fmt: skip


def _payment(form: Form, language: Language) -> dict[str, Any]:
    """What the service books. Raises BadSearch at the field."""
    amount = typed.amount(form.get("amount", ""), language)
    method, way = form.get("method") or "bank", form.get("way") or "in"
    if method not in METHODS:
        raise refusal("bad_choice", "method", value=method[:20], choices=", ".join(METHODS))
    return {
        "request": typed.request_of(form.get("request", "")), "method": method,
        "amount": str(-amount if way == "back" else amount), "note": typed.text(form, "note") or None,
        "received_on": typed.day(form.get("received_on", ""), "received_on").isoformat(),
    }  # fmt: skip


def _history(it: Mapping[str, Any], language: Language) -> list[dict[str, str]]:
    """What happened, first first."""
    kinds = ("issued", "in", "back", "letter", "taken", "waived")
    texts = {name: TEXTS[f"pay_did_{name}"][language] for name in kinds}
    rows = [(it["issued_on"], 0, texts["issued"], it["total"], it["by"], "invoice")]
    for one in it["payments"]:
        detail = " · ".join(filter(None, (one["by"], one["note"])))
        kind = "in" if one["amount"] > 0 else "back"
        rows.append((one["received_on"], 1, texts[kind], abs(one["amount"]), detail, "done"))
        if one["reversed"]:
            detail = f"{one['reversed_by']} · {one['reversed']}"
            rows.append((one["reversed_on"], 3, texts["taken"], abs(one["amount"]), detail, "warning"))
    for one in it["letters"]:
        text = texts["letter"].format(step=one["step"])
        rows.append((one["sent_on"], 2, text, one["fee"] or None, one["by"], "warning"))
        if one["waived"]:
            detail = f"{one['waived_by']} · {one['waived']}"
            rows.append((one["waived_on"], 4, texts["waived"], one["fee"], detail, "done"))
    return [
        {
            "at": formats.day(on, language), "icon": icon, "detail": detail,
            "text": text if amount is None else f"{text}: {formats.money(amount, language)}",
        }
        for on, _order, text, amount, detail, icon in sorted(rows, key=lambda row: row[:2])
    ]  # fmt: skip


def _may_write(who: Principal, it: Mapping[str, Any]) -> bool:
    return it["kind"] == "invoice" and who.may("payments.write", it["site"])


def _typed(form: Any) -> dict[str, str]:
    return {name: value[: typed.LONGEST] for name, value in form.items() if isinstance(value, str)}

"""Payments, open items, reminders, bank statements and revenue over HTTP."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, File, Query, Response, UploadFile
from sqlalchemy import Connection

from broker.fields import Slug
from services.billing.charges import charging
from services.billing.errors import Invalid, said
from services.billing.invoices import store as invoices
from services.billing.invoices.api import own_invoice
from services.billing.models import euro
from services.billing.payments import accounts, booking, dunning, fees, revenue, statements, store
from services.billing.payments.booking import Till
from services.billing.payments.importing import Importing
from services.billing.payments.models import (
    EntryState,
    Match,
    NewPayment,
    Payment,
    Reason,
    Reversed,
    ToRemind,
)
from services.billing.payments.revenue import By
from services.billing.payments.statements import Opened
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.business.sites import here, unknown
from services.kit.database import reading, writing
from services.kit.language import Text
from services.kit.moments import Now, us_of
from services.kit.routes import Routes, gives

Row = dict[str, Any]
Reader = Annotated[Principal, allow("billing.see")]
Writer = Annotated[Principal, allow("payments.write")]
Owner = Annotated[Principal, allow("revenue.see")]
PAYMENT: Final[Text] = {"de": "Zahlung", "en": "payment"}
ENTRY: Final[Text] = {"de": "Buchung", "en": "entry"}
LETTER: Final[Text] = {"de": "Schreiben", "en": "letter"}


def router(office: Office, now: Now) -> APIRouter:
    """The routes."""
    made = Routes(tags=["payments"])
    till = Till(office, now)
    _payments(made, office, till)
    _open_items(made, office, now)
    _reminders(made, office, till)
    _letters(made, office, till)
    _statements(made, office, Importing(office, now))
    _entries(made, office, till)
    _revenue(made, office)
    return made


def _payments(router: APIRouter, office: Office, till: Till) -> None:
    @router.get("/invoices/{invoice}/payments")
    def listed(who: Reader, invoice: UUID) -> Row:
        """What was paid of an invoice, what is open, the reminders sent."""
        with reading(office.engine) as connection:
            held = own_invoice(who, "billing.see", invoices.required(connection, invoice))
            item = store.item(connection, held)
            found = store.of_invoice(connection, invoice)
            sent = dunning.of_invoice(connection, invoice)
        office.seen(who, "payments.seen", str(held.patient), held.site, number=held.number)
        return {
            **item.body(till.today(held.paper.clinic.zone)),
            "payments": [payment.body() for payment in found], "letters": [_letter(row) for row in sent],
        }  # fmt: skip

    @router.post("/invoices/{invoice}/payments", status_code=201)
    def pay(who: Writer, invoice: UUID, body: NewPayment) -> Row:
        """Book a payment, in part or whole; the same `request` again is the same payment."""
        with writing(office.engine) as connection:
            held = own_invoice(who, "payments.write", invoices.required(connection, invoice))
            made = till.pay(connection, held, body, who.name)
        office.outbox.woken.set()
        office.seen(who, "payment.booked", str(held.patient), held.site, number=held.number)
        return made.body()

    @router.post("/payments/{payment}/reverse")
    def reverse(who: Writer, payment: UUID, body: Reversed) -> Row:
        """Take a payment back with a reason; it stays readable."""
        with writing(office.engine) as connection:
            site, held = store.one(connection, payment)
            if not who.may("payments.write", site):
                raise unknown(PAYMENT, payment)
            till.reverse(connection, held, body, who.name)
            left = store.one(connection, payment)[1]
        office.seen(who, "payment.reversed", str(payment), site)
        return left.body()


def _open_items(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/open-items")
    def open_items(who: Reader, site: Slug, on: date | None = None) -> Row:
        """What is owed at a site, the longest overdue first, and its sums."""
        here(who, "billing.see", site)
        with reading(office.engine) as connection:
            day = on or now().astimezone(charging.zone_of(connection, site)).date()
            found = booking.open_items(connection, site)
        found.sort(key=lambda item: (item.due_on, item.invoice.number))
        office.seen(who, "open-items.seen", None, site)
        overdue = [item.open for item in found if item.state(day) == "overdue"]
        return {
            "site": site, "on": day.isoformat(), "items": [item.body(day) for item in found],
            "open": str(sum((item.open for item in found), Decimal(0))),
            "overdue": str(sum(overdue, Decimal(0))),
        }  # fmt: skip


def _reminders(router: APIRouter, office: Office, till: Till) -> None:
    @router.get("/dunning")
    def due(who: Reader, site: Slug, on: date | None = None) -> Row:
        """Who is due for which reminder."""
        here(who, "billing.see", site)
        with reading(office.engine) as connection:
            day = on or till.now().astimezone(charging.zone_of(connection, site)).date()
            found = [(item, dunning.due(item, day)) for item in booking.open_items(connection, site)]
        office.seen(who, "dunning.seen", None, site)
        return {
            "site": site, "on": day.isoformat(),
            "due": [
                {**item.body(day), "step": step.step, "title": step.title, "fee": str(step.fee)}
                for item, step in found
                if step is not None
            ],
        }  # fmt: skip

    @router.post("/dunning", status_code=201)
    def remind(who: Writer, body: ToRemind) -> Row:
        """Write the next letter of each of these, all or none; one that is not due is refused by number."""
        here(who, "payments.write", body.site)
        prepared = _prepared(office, till, body)
        made, new = {}, []
        with writing(office.engine) as connection:
            for invoice in sorted(body.invoices):  # in one order: two desks never wait for each other
                held = invoices.locked(connection, invoice)
                key = body.request and dunning.key_of(body.request, invoice)
                if dunning.is_written(connection, key):
                    made[invoice] = key
                    continue
                item, at_us = store.item(connection, held), us_of(till.now())
                made[invoice] = dunning.write(connection, prepared[invoice], item, who.name, at_us, key)
                till.tell(connection, "invoice.reminded", held)
                new.append(held)
        office.outbox.woken.set()
        for held in new:
            office.seen(who, "invoice.reminded", str(held.patient), held.site, number=held.number)
        office.seen(who, "dunning.written", None, body.site, letters=len(made))
        return {"letters": [str(made[invoice]) for invoice in body.invoices]}


def _letters(router: APIRouter, office: Office, till: Till) -> None:
    @router.get("/letters")
    def letters(who: Reader, site: Slug) -> Row:
        """The newest letters of a site, with the invoice of each."""
        here(who, "billing.see", site)
        with reading(office.engine) as connection:
            rows = dunning.of_site(connection, site)
            held = {row["invoice"]: invoices.required(connection, UUID(row["invoice"])) for row in rows}
        office.seen(who, "letters.seen", None, site)
        return {
            "letters": [
                {
                    **_letter(row), "invoice": row["invoice"], "number": held[row["invoice"]].number,
                    "recipient": held[row["invoice"]].recipient, "open": str(euro(row["open_ct"])),
                    "asked": str(euro(row["open_ct"] + row["fee_ct"])),  # as its page says
                }
                for row in rows
            ]
        }  # fmt: skip

    @router.post("/letters/{letter}/waive")
    def waive(who: Writer, letter: UUID, body: Reason) -> Row:
        """Ask for a reminder's fee no more, with a reason; it stays readable."""
        with writing(office.engine) as connection:
            row = dunning.letter(connection, letter)
            if not who.may("payments.write", row["site"]):
                raise unknown(LETTER, letter)
            held = invoices.locked(connection, UUID(row["invoice"]))
            today = till.today(held.paper.clinic.zone)
            fees.waive(connection, row, today, body.reason, who.name, us_of(till.now()))
            (left,) = [one for one in dunning.of_invoice(connection, held.id) if one["id"] == str(letter)]
        office.seen(who, "fee.waived", str(held.patient), held.site, number=held.number)
        return _letter(left)

    @router.get("/letters/{letter}/pdf", **gives("application/pdf"))
    def pdf(who: Reader, letter: UUID) -> Response:
        """A letter as it was sent, to the byte."""
        with reading(office.engine) as connection:
            row = dunning.letter(connection, letter)
            about = invoices.required(connection, UUID(row["invoice"])).number
        if not who.may("billing.see", row["site"]):
            raise unknown(LETTER, letter)
        office.seen(who, "letter.read", str(letter), row["site"])
        headers = {"content-disposition": f'inline; filename="{about}-{row["step"]}.pdf"'}
        return Response(bytes(row["pdf"]), media_type="application/pdf", headers=headers)


def _statements(router: APIRouter, office: Office, importing: Importing) -> None:
    @router.post("/bank-statements", status_code=201)
    def statement(who: Writer, site: Slug, file: Annotated[UploadFile, File()]) -> Row:
        """Keep a camt.053 file's entries, whole or not at all, and match those that are sure.

        The same file again, from any site of the account, books nothing twice, says who gave it in `before`,
        and goes on with what is `left`.
        """
        here(who, "payments.write", site)
        data = file.file.read()
        taken = importing.take(site, data, who.name, lambda other: who.may("payments.write", other))
        office.seen(who, "statement.imported", taken["statement"], site, new=taken["new"])
        return taken

    @router.get("/bank-entries")
    def entries(
        who: Reader, site: Slug, state: EntryState = "open", statement: UUID | None = None
    ) -> Row:  # fmt: skip
        """Entries of a site's accounts, or of one file, each with what it paid and the invoices it may pay.

        Another site that has the account sees them too until they have paid; a payment is shown to those who
        may see its site.
        """
        here(who, "billing.see", site)
        with reading(office.engine) as connection:
            known = accounts.known(connection)
            wanted, mine = known.entries_of(site), partial(who.may, "billing.see")
            if state == "matched":
                wanted &= booking.paid_at(who.seen("billing.see", {*known.spans, site}))
            rows = booking.entries(connection, wanted, state, statement)
            sites = {row["id"]: set(filter(mine, known.sites(row))) for row in rows if state == "open"}
            items = booking.opened(connection, set().union(*sites.values()))
            paid = store.of_entries(connection, [row["id"] for row in rows])
            told = [
                _entry(
                    row, [items[one] for one in sorted(sites.get(row["id"], ()))],
                    _paid(connection, row, paid[row["id"]], mine),
                )
                for row in rows
            ]  # fmt: skip
        office.seen(who, "entries.seen", None, site)
        return {"entries": told}


def _entries(router: APIRouter, office: Office, till: Till) -> None:
    @router.post("/bank-entries/{entry}/match", status_code=201)
    def match(who: Writer, entry: UUID, body: Match) -> Row:
        """Let an entry pay an invoice; the same `request` again is the same payment."""
        with writing(office.engine) as connection:
            _own_entry(connection, who, entry)
            site = _own_site(connection, who, body.invoice)
            made = till.match(connection, entry, body, who.name)
        office.outbox.woken.set()
        office.seen(who, "entry.matched", str(entry), site, invoice=str(body.invoice))
        return made.body()

    @router.post("/bank-entries/{entry}/ignore")
    def ignore(who: Writer, entry: UUID, body: Reason) -> Row:
        """Set an entry aside that pays no invoice, with a reason."""
        with writing(office.engine) as connection:
            site = _own_entry(connection, who, entry)
            till.ignore(connection, entry, body.reason)
        office.seen(who, "entry.ignored", str(entry), site)
        return {"id": str(entry), "state": "ignored"}

    @router.post("/bank-entries/{entry}/reopen")
    def reopen(who: Writer, entry: UUID) -> Row:
        """What was set aside is open again."""
        with writing(office.engine) as connection:
            site = _own_entry(connection, who, entry)
            till.reopen(connection, entry)
        office.seen(who, "entry.reopened", str(entry), site)
        return {"id": str(entry), "state": "open"}


def _revenue(router: APIRouter, office: Office) -> None:
    @router.get("/revenue")
    def table(
        who: Owner,
        since: Annotated[date, Query(alias="from")],
        until: Annotated[date, Query(alias="to")],
        by: By = "month",
        site: Slug | None = None,
    ) -> Row:
        """Invoiced less cancelled, and received: of one site, or of all that the caller may see."""
        if since > until:
            raise said(
                Invalid,
                {"de": f"von {since} liegt hinter bis {until}.", "en": f"from {since} is behind to {until}"},
            )
        with reading(office.engine) as connection:
            every = [site] if site else revenue.sites(connection)
            mine = [one for one in every if who.may("revenue.see", one)]
            if site:
                here(who, "revenue.see", site)
            found = revenue.table(connection, mine, since, until, by)
        office.seen(who, "revenue.seen", None, site, by=by)
        return found


def _prepared(office: Office, till: Till, body: ToRemind) -> dict[UUID, dunning.Prepared]:
    """The letters that are not written yet, set before anything is locked. Raises NotFound, Conflict."""
    with reading(office.engine) as connection:
        found = {invoice: invoices.required(connection, invoice) for invoice in body.invoices}
        for invoice, held in found.items():
            if held.site != body.site:
                raise booking.no_invoice(invoice)
        keys = {invoice: body.request and dunning.key_of(body.request, invoice) for invoice in found}
        new = [held for invoice, held in found.items() if not dunning.is_written(connection, keys[invoice])]
        items = store.items(connection, new)
    return {
        item.invoice.id: dunning.prepare(item, till.today(item.invoice.paper.clinic.zone)) for item in items
    }


def _own_entry(connection: Connection, who: Principal, entry: UUID) -> str:
    """The site by which they may decide it: its own, else another that has the account. Raises NotFound."""
    row = booking.entry_row(connection, entry)
    sites = sorted(accounts.known(connection).sites(row), key=lambda site: (site != row["site"], site))
    mine = who.seen("payments.write", sites)
    if not mine:
        raise unknown(ENTRY, entry)
    return mine[0]


def _own_site(connection: Connection, who: Principal, invoice: UUID) -> str:
    """Of an invoice. Raises NotFound."""
    held = invoices.issued(connection, invoice)
    if held is None or not who.may("payments.write", held.site):
        raise booking.no_invoice(invoice)
    return held.site


def _entry(row: Any, items: list[Opened], paid: Row) -> Row:
    told = booking.entry_of(row)
    return {
        "id": row["id"], "booked_on": told.booked_on.isoformat(), "amount": str(told.amount),
        "name": told.name, "iban": told.iban, "purpose": told.purpose, "state": row["state"],
        "why": row["why"],
        "candidates": [
            {
                "invoice": str(one.item.invoice.id), "number": one.item.invoice.number,
                "recipient": one.item.invoice.recipient, "open": str(one.item.open),
                "reasons": list(one.reasons),
            }
            for one in booking.proposed(row, Decimal(paid["left"]), items)
        ],
        **paid,
    }  # fmt: skip


def _paid(
    connection: Connection, row: Any, paid: list[Payment], mine: Callable[[str], bool]
) -> Row:  # fmt: skip
    """What an entry paid where the reader may see it, by itself or by a hand, and what is left of it."""
    told = euro(row["amount_ct"])
    living = [one for one in paid if one.reversal is None]
    held = {one.id: invoices.required(connection, one.invoice) for one in living}
    return {
        "left": str(told - sum((one.amount for one in living), Decimal(0))),
        "payments": [
            {
                **one.body(), "number": held[one.id].number,
                "automatic": one.request == statements.request_of(UUID(row["id"]), one.invoice),
            }
            for one in living
            if mine(held[one.id].site)
        ],
    }  # fmt: skip


def _letter(row: Row) -> Row:
    return {
        "id": row["id"], "step": row["step"], "sent_on": row["sent_on"].isoformat(),
        "payable_until": row["due_on"].isoformat(), "fee": str(euro(row["fee_ct"])), "by": row["by"],
        "waived": row["waived"], "waived_by": row["waived_by"],
        "waived_on": row["waived_on"] and row["waived_on"].isoformat(),
    }  # fmt: skip

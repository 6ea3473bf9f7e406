"""What a desk and a bank's file do to invoices: payments booked and reversed, each once."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, exists, select, update

from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.billing.errors import Conflict, Invalid, NotFound, other_work, said
from services.billing.invoices import store as invoices
from services.billing.invoices.models import Issued
from services.billing.models import euro
from services.billing.payments import accounts, fees, statements, store
from services.billing.payments.models import Item, Match, NewPayment, Payment, Reversal, Reversed
from services.billing.payments.statements import Candidate, Entry, Opened
from services.billing.payments.tables import ENTRIES, PAYMENT_REVERSALS, PAYMENTS
from services.kit.business.service import Office
from services.kit.moments import Now, us_of

MOST_OPEN: Final = 20_000  # invoices that a bank's file is matched against


@dataclass(frozen=True, slots=True)
class Till:
    """Books payments of one office."""

    office: Office
    now: Now

    def pay(
        self, connection: Connection, invoice: Issued, body: NewPayment, by: str, entry: UUID | None = None
    ) -> Payment:
        """Book a payment; the same request again is the same payment. Raises Invalid, Conflict."""
        invoice = invoices.locked(connection, invoice.id)
        if (made := store.by_request(connection, body.request)) is not None:
            _require_asked(made, invoice.id, body, entry)
            return made
        before = store.item(connection, invoice)
        _require_payable(before, body, self.today(invoice.paper.clinic.zone))
        share = fees.share(before, body.amount)
        payment = store.add(connection, invoice, body, share, by, us_of(self.now()), entry)
        after = store.item(connection, invoice)
        if before.open_invoice > 0 >= after.open_invoice:
            self.tell(connection, "invoice.paid", invoice)
        return payment

    def reverse(self, connection: Connection, payment: Payment, body: Reversed, by: str) -> None:
        """Take a payment back; the entry of the bank's file that it came from is open again.

        The same reason again is the same click. Raises Conflict for one that was taken back before, Invalid
        for a day that lies before the payment, in a period that was reported, or to come.
        """
        if payment.entry is not None:
            entry_row(connection, payment.entry, lock=True)
        invoice = invoices.locked(connection, payment.invoice)
        payment = store.one(connection, payment.id)[1]
        if payment.reversal is not None and payment.reversal.reason == body.reason:
            return
        today = self.today(invoice.paper.clinic.zone)
        on = body.reversed_on or max(today, payment.received_on)
        _require_reversible(payment, on, today, store.reported_until(connection, invoice.site))
        store.reverse(connection, payment, Reversal(body.reason, by, on, us_of(self.now())))
        if payment.entry is not None:
            put_state(connection, payment.entry, "open", None)

    def match(self, connection: Connection, entry: UUID, body: Match, by: str) -> Payment:
        """Let an entry, or a part of it, pay an invoice; what is left of it stays open.

        Raises Conflict for one that is settled, NotFound, Invalid.
        """
        row = entry_row(connection, entry, lock=True)
        if (made := store.by_request(connection, body.request)) is not None:
            if (made.entry, made.invoice) != (entry, body.invoice) or body.amount not in (None, made.amount):
                raise other_work(body.request)
            return made
        _require_open(row)
        invoice = invoices.required(connection, body.invoice)
        if invoice.site not in accounts.known(connection).sites(row):
            raise no_invoice(body.invoice)
        left = left_of(connection, row)
        amount = body.amount if body.amount is not None else left
        _require_within(amount, left)
        payment = NewPayment(request=body.request, amount=amount, received_on=row["booked_on"])
        made_now = self.pay(connection, invoice, payment, by, entry)
        if amount == left:
            put_state(connection, entry, "matched", None)
        return made_now

    def ignore(self, connection: Connection, entry: UUID, reason: str) -> None:
        """Set an entry aside; the same reason again is the same click. Raises Conflict for a settled one."""
        row = entry_row(connection, entry, lock=True)
        if row["state"] == "ignored" and row["why"] == reason:
            return
        _require_open(row)
        put_state(connection, entry, "ignored", reason)

    def reopen(self, connection: Connection, entry: UUID) -> None:
        """An entry that was set aside is open again. Raises Conflict for one that paid an invoice."""
        row = entry_row(connection, entry, lock=True)
        if row["state"] == "matched":
            _require_open(row)
        put_state(connection, entry, "open", None)

    def tell(self, connection: Connection, kind: str, invoice: Issued) -> None:
        """An event with random ids only."""
        data: dict[str, Any] = {"invoice": str(invoice.id), "patient": str(invoice.patient)}
        if invoice.cure is not None:
            data["cure"] = str(invoice.cure)
        event = ClinicEvent(id=uuid4(), type=kind, time=self.now(), data=data)
        self.office.outbox.add(connection, STREAMS["invoice"], invoice.site, event)

    def today(self, zone: str) -> date:
        """The day at a clinic."""
        return self.now().astimezone(ZoneInfo(zone)).date()


def open_items(connection: Connection, site: str) -> list[Item]:
    """A site's invoices of which something is owed."""
    issued = invoices.listed(connection, site, most=MOST_OPEN, also=store.OWED)
    return [item for item in store.items(connection, issued) if item.open > 0]


def opened(connection: Connection, sites: Iterable[str]) -> dict[str, Opened]:
    """The same of several sites, to be found by what a bank's entry says."""
    every = invoices.sites(connection)
    return {
        site: Opened(open_items(connection, site), site, [other for other in every if other != site])
        for site in sites
    }


def entry_row(connection: Connection, entry: UUID, *, lock: bool = False) -> Any:
    """An entry of a bank's file. Raises NotFound."""
    wanted = select(ENTRIES).where(ENTRIES.c.id == str(entry))
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().first()
    if row is None:
        raise said(NotFound, {"de": f"Buchung {entry} gibt es nicht.", "en": f"there is no entry {entry}"})
    return row


def entries(
    connection: Connection, wanted: ColumnElement[bool], state: str, statement: UUID | None = None,
    most: int = 500,
) -> list[Any]:  # fmt: skip
    """Of these entries those in a state, newest first; of one file."""
    found = select(ENTRIES).where(wanted, ENTRIES.c.state == state)
    if statement is not None:
        found = found.where(ENTRIES.c.statement == str(statement))
    newest = (ENTRIES.c.booked_on.desc(), ENTRIES.c.id)
    return list(connection.execute(found.order_by(*newest).limit(most)).mappings())


def paid_at(sites: Iterable[str]) -> ColumnElement[bool]:
    """Entries that paid an invoice of one of these sites."""
    taken_back = exists().where(PAYMENT_REVERSALS.c.payment == PAYMENTS.c.id)
    return exists().where(
        PAYMENTS.c.entry == ENTRIES.c.id, PAYMENTS.c.site.in_(list(sites)), ~taken_back
    )  # fmt: skip


def entry_of(row: Any) -> Entry:
    """A row as it was read."""
    return Entry(
        row["mark"], row["booked_on"], euro(row["amount_ct"]), row["name"], row["iban"], row["purpose"]
    )


def left_of(connection: Connection, row: Any) -> Decimal:
    """What of an entry has paid nothing yet."""
    paid = [one for one in store.of_entries(connection, [row["id"]])[row["id"]] if one.reversal is None]
    return euro(row["amount_ct"]) - sum((one.amount for one in paid), Decimal(0))


def proposed(row: Any, left: Decimal, items: Iterable[Opened]) -> list[Candidate]:
    """Which invoices what is left of it may pay, best first; nothing for money that went out."""
    return statements.candidates(replace(entry_of(row), amount=left), items) if left > 0 else []


def no_invoice(invoice: UUID) -> NotFound:
    """There is none, or none here."""
    return said(
        NotFound, {"de": f"Rechnung {invoice} gibt es nicht.", "en": f"there is no invoice {invoice}"}
    )


def put_state(connection: Connection, entry: UUID, state: str, why: str | None) -> None:
    """What became of an entry."""
    connection.execute(update(ENTRIES).where(ENTRIES.c.id == str(entry)).values(state=state, why=why))


def _require_open(row: Any) -> None:
    if row["state"] != "open":
        settled = {"matched": ("zugeordnet", "matched"), "ignored": ("beiseitegelegt", "set aside")}
        german, english = settled[row["state"]]
        raise said(
            Conflict,
            {"de": f"Die Buchung ist schon {german}.", "en": f"the entry is {english} already"},
            state=row["state"],
        )


def _require_within(amount: Decimal, left: Decimal) -> None:
    """Raises Invalid for more than an entry has, or against its sign."""
    if amount == 0 or amount / left <= 0 or abs(amount) > abs(left):
        raise said(
            Invalid,
            {
                "de": f"Betrag {amount} EUR: von dieser Buchung sind {left} EUR übrig.",
                "en": f"amount {amount} EUR: {left} EUR of this entry are left",
            },
            field="amount",
        )


def _require_asked(made: Payment, invoice: UUID, body: NewPayment, entry: UUID | None) -> None:
    """Raises Conflict when the request that booked a payment was another one."""
    told = (invoice, body.amount, body.received_on, body.method, entry)
    if told != (made.invoice, made.amount, made.received_on, made.method, made.entry):
        raise other_work(body.request)


def _require_reversible(payment: Payment, on: date, today: date, reported: date | None) -> None:
    """Raises Invalid for a day before the payment, to come, or in a period that the adviser has."""
    low = payment.received_on if reported is None else max(payment.received_on, reported + timedelta(days=1))
    if not low <= on <= max(today, payment.received_on):
        raise said(
            Invalid,
            {
                "de": f"Zurückgenommen am {on:%d.%m.%Y}: möglich ist {low:%d.%m.%Y} bis {today:%d.%m.%Y}, "
                "nicht vor der Zahlung und nicht in einem Zeitraum, den die Steuerberatung schon hat "
                "(§ 146 Abs. 4 AO).",
                "en": f"reversed on {on}: {low} to {today} is possible, not before the payment and not in a "
                "period that the tax adviser has already (§ 146 Abs. 4 AO)",
            },
            field="reversed_on",
        )


def _require_payable(item: Item, body: NewPayment, today: date) -> None:
    """Raises Invalid for no amount, more back than came in, a day to come, and for a cancellation."""
    invoice = item.invoice
    if item.paid + body.amount < min(item.paid, Decimal(0)):
        raise said(
            Invalid,
            {
                "de": f"Zurück {-body.amount} EUR: auf {invoice.number} sind {item.paid} EUR eingegangen.",
                "en": f"{-body.amount} EUR back: {item.paid} EUR came in for {invoice.number}",
            },
            field="amount",
        )
    if body.amount == 0:
        raise said(Invalid, {"de": "Der Betrag ist 0,00 EUR.", "en": "the amount is 0.00 EUR"})
    if body.received_on > today:
        raise said(
            Invalid,
            {
                "de": f"Eingang am {body.received_on:%d.%m.%Y}: heute ist erst der {today:%d.%m.%Y}.",
                "en": f"received on {body.received_on}: that is to come; today is {today}",
            },
        )
    if invoice.kind == "cancellation":
        raise said(
            Invalid,
            {
                "de": f"{invoice.number} ist ein Storno: Zahlungen gehören zu {invoice.paper.cancels}.",
                "en": f"{invoice.number} is a cancellation: payments belong to {invoice.paper.cancels}",
            },
        )

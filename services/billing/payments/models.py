"""Payments, what is open, reminders, entries of bank statements."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.billing.goae.lines import Day, Words
from services.billing.invoices.models import Issued
from services.billing.models import Money
from services.kit.moments import instant_of

Method = Literal["bank", "cash", "card", "other"]
State = Literal["open", "part-paid", "overdue", "paid", "overpaid", "cancelled"]
EntryState = Literal["open", "matched", "ignored"]


class NewPayment(BaseModel):
    """What was received, or (negative) paid back."""

    model_config = ConfigDict(extra="forbid")

    request: UUID
    amount: Money
    received_on: Day
    method: Method = "bank"
    note: Words | None = None


class Reason(BaseModel):
    """Why something is set aside, or asked for no more."""

    model_config = ConfigDict(extra="forbid")

    reason: Words


class Reversed(Reason):
    """Why a payment is taken back, and in the books of which day: today's, unless it is said."""

    reversed_on: Day | None = None


class ToRemind(BaseModel):
    """Which invoices are reminded of, each by its next step; the same ``request`` again writes nothing."""

    model_config = ConfigDict(extra="forbid")

    request: UUID | None = None
    site: Annotated[str, Field(min_length=1, max_length=40)]
    invoices: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=200)]


class Match(BaseModel):
    """Which invoice an entry pays, and how much of it."""

    model_config = ConfigDict(extra="forbid")

    request: UUID
    invoice: UUID
    amount: Money | None = None  # none: all of the entry


@dataclass(frozen=True, slots=True)
class Reversal:
    """That a payment was taken back: why, by whom, in the books of which day."""

    reason: str
    by: str
    on: date
    at_us: int


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as it was booked."""

    id: UUID
    invoice: UUID
    amount: Decimal
    received_on: date
    method: Method
    entry: UUID | None
    note: str | None
    by: str
    reversal: Reversal | None
    request: UUID
    fees: Decimal  # of the amount for fees of reminders

    def body(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": str(self.id), "invoice": str(self.invoice), "amount": str(self.amount),
            "received_on": self.received_on.isoformat(), "method": self.method,
            "entry": self.entry and str(self.entry), "note": self.note, "by": self.by,
            "fees": str(self.fees), **_told(self.reversal),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """An invoice with what was paid of it, and the reminders sent."""

    invoice: Issued
    paid: Decimal
    reminded: int  # the last step
    reminded_on: date | None
    due_on: date  # of the invoice, or of the last reminder
    fees: Decimal  # of the reminders, less what was waived: claims of their own beside the invoice
    paid_fees: Decimal  # of what was paid

    @property
    def open(self) -> Decimal:
        """What is still owed, fees too; negative: what was paid too much."""
        return self._owed + self.fees - self.paid

    @property
    def open_invoice(self) -> Decimal:
        """The same of the invoice alone: what was paid too much of one counts for the other."""
        own, beside = self._owed - self.paid + self.paid_fees, self.fees - self.paid_fees
        return own + beside if beside < 0 else min(Decimal(0), own + beside) if own < 0 else own

    @property
    def open_fees(self) -> Decimal:
        """The same of the fees alone, never negative."""
        return self.open - self.open_invoice

    @property
    def _owed(self) -> Decimal:
        return Decimal("0.00") if self.invoice.cancelled_by else self.invoice.total

    def state(self, on: date) -> State:
        """What the invoice is on that day; a fee that is open beside it changes nothing."""
        if self.open_invoice < 0:
            return "overpaid"
        if self.invoice.cancelled_by is not None:
            return "cancelled"
        if self.open_invoice == 0:
            return "paid"
        if on > self.due_on:
            return "overdue"
        return "part-paid" if self.paid > 0 else "open"

    def body(self, on: date) -> dict[str, Any]:
        """As the API shows it."""
        return {
            **self.invoice.head(), "paid": str(self.paid), "open": str(self.open), "state": self.state(on),
            "reminded": self.reminded, "reminded_on": self.reminded_on and self.reminded_on.isoformat(),
            "payable_until": self.due_on.isoformat(), "overdue_days": max(0, (on - self.due_on).days),
            "fees": str(self.fees), "open_invoice": str(self.open_invoice),
            "open_fees": str(self.open_fees),
        }  # fmt: skip


def _told(reversal: Reversal | None) -> dict[str, Any]:
    if reversal is None:
        return dict.fromkeys(("reversed", "reversed_by", "reversed_on", "reversed_at"))
    return {
        "reversed": reversal.reason, "reversed_by": reversal.by, "reversed_on": reversal.on.isoformat(),
        "reversed_at": instant_of(reversal.at_us).isoformat(),
    }  # fmt: skip

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


class Reversed(BaseModel):
    """Why a payment is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: Words


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
    reversed: str | None
    request: UUID

    def body(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": str(self.id), "invoice": str(self.invoice), "amount": str(self.amount),
            "received_on": self.received_on.isoformat(), "method": self.method,
            "entry": self.entry and str(self.entry), "note": self.note, "by": self.by,
            "reversed": self.reversed,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """An invoice with what was paid of it, and the reminders sent."""

    invoice: Issued
    paid: Decimal
    reminded: int  # the last step
    reminded_on: date | None
    due_on: date  # of the invoice, or of the last reminder
    fees: Decimal  # of the reminders: asked for beside the invoice, never part of it

    @property
    def open(self) -> Decimal:
        """What is still owed; negative: what was paid too much."""
        owed = Decimal(0) if self.invoice.cancelled_by else self.invoice.total
        return owed - self.paid

    def state(self, on: date) -> State:
        """What it is on that day."""
        if self.open < 0:
            return "overpaid"
        if self.invoice.cancelled_by is not None:
            return "cancelled"
        if self.open == 0:
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
            "fees": str(self.fees),
        }  # fmt: skip

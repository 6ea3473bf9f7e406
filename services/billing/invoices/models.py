"""Drafts, and invoices as they were issued."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from broker.fields import Slug
from services.billing.goae.lines import Factor, Words
from services.billing.models import Kind, Outlay, Paper, Recipient

Why = Literal["session", "cure", "month", "hand"]
Emptied = Annotated[  # a text that may be taken away again: none, or nothing but blanks
    Words | None,
    BeforeValidator(lambda typed: None if isinstance(typed, str) and not typed.strip() else typed),
]


class Said(BaseModel):
    """What a person set on a draft; None: as the patient's file and the case have it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipient: Recipient | None = None
    diagnosis: Words | None = None
    outlays: Annotated[tuple[Outlay, ...], Field(max_length=100)] = ()
    remarks: Annotated[tuple[Words, ...], Field(max_length=20)] = ()


class ChangedLine(BaseModel):
    """What a person changes of a charge on a draft; what is not given stays, what is given as none goes."""

    model_config = ConfigDict(extra="forbid")

    charge: UUID
    factor: Factor | None = None
    justification: Emptied = None
    duration_min: Annotated[int, Field(ge=1, le=1440)] | None = None
    body_part: Emptied = None
    leave_out: bool = False  # it stays open, for another invoice

    def told(self) -> dict[str, Any]:
        """The fields of the line that are given; a factor there always is."""
        given = self.model_dump(include=self.model_fields_set - {"charge", "leave_out"})
        return {name: value for name, value in given.items() if name != "factor" or value is not None}


class DraftChange(Said):
    """A draft as somebody leaves it. ``revision`` is that of the draft they saw."""

    revision: int
    lines: Annotated[tuple[ChangedLine, ...], Field(max_length=500)] = ()
    add: Annotated[tuple[UUID, ...], Field(max_length=500)] = ()  # open charges that it takes in, too


class NewDraft(BaseModel):
    """Which open charges are to be put together."""

    model_config = ConfigDict(extra="forbid")

    request: UUID
    site: Slug
    patient: UUID
    case: UUID | None = None
    cure: UUID | None = None
    until: date | None = None


class ToIssue(BaseModel):
    """A person has checked the draft. ``revision`` is that of the draft they saw."""

    model_config = ConfigDict(extra="forbid")

    request: UUID
    revision: int


class ToCancel(BaseModel):
    """Why an invoice is taken back."""

    model_config = ConfigDict(extra="forbid")

    request: UUID
    reason: Words


@dataclass(frozen=True, slots=True)
class Draft:
    """Charges put together, to be checked by a person."""

    id: UUID
    site: str
    patient: UUID
    case: UUID
    why: Why
    said: Said
    by: str
    at_us: int
    revision: int
    left_out: tuple[UUID, ...] = ()  # charges that a person took off: they do not come back by themselves
    outlays_of: tuple[UUID, ...] = ()  # cancelled invoices whose outlays came back onto it


@dataclass(frozen=True, slots=True)
class Issued:
    """An invoice or a cancellation, as it was handed out."""

    id: UUID
    site: str
    number: str
    kind: Kind
    patient: UUID
    case: UUID
    cure: UUID | None
    issued_on: date
    due_on: date
    total: Decimal
    recipient: str
    charges: tuple[UUID, ...]
    paper: Paper
    reason: str | None
    by: str
    at_us: int
    cancels: UUID | None
    cancelled_by: UUID | None

    def head(self) -> dict[str, Any]:
        """As lists show it."""
        return {
            "id": str(self.id), "site": self.site, "number": self.number, "kind": self.kind,
            "patient": str(self.patient), "case": str(self.case), "cure": self.cure and str(self.cure),
            "issued_on": self.issued_on.isoformat(), "due_on": self.due_on.isoformat(),
            "total": str(self.total), "recipient": self.recipient, "by": self.by,
            "cancels": self.cancels and str(self.cancels), "reason": self.reason,
            "cancelled_by": self.cancelled_by and str(self.cancelled_by),
        }  # fmt: skip

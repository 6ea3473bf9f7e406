"""What is charged, in which treatment, and how that is paid."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from broker.fields import Slug
from services.billing.goae.lines import Line, Words
from services.billing.models import Recipient

Payer = Literal["private", "beihilfe", "self-payer", "standardtarif"]
Mode = Literal["session", "cure", "month"]  # what makes a draft of an invoice by itself
Origin = Literal["session", "hand"]
LONGEST_ILLNESS: Final = 200
USUAL: Final = "private"  # the tariff of the fee schedule's thresholds


def folded(illness: str) -> str:
    """An illness's words, however they were written: these alike are the same illness."""
    return " ".join(illness.casefold().split())


@dataclass(frozen=True, slots=True)
class Charge:
    """One line that somebody owes, until it stands on an invoice or was taken back."""

    id: UUID
    site: str
    patient: UUID
    case: UUID
    cure: UUID | None
    session: UUID | None
    line: Line
    origin: Origin
    by: str
    at_us: int
    invoice: UUID | None = None
    reversed: str | None = None  # the reason

    @property
    def is_open(self) -> bool:
        """Whether it can still be invoiced."""
        return self.invoice is None and self.reversed is None


@dataclass(frozen=True, slots=True)
class Case:
    """The treatment of one illness of one patient, and how it is paid. ``payer``: None until it is known."""

    id: UUID
    patient: UUID
    site: str
    illness: str
    diagnosis: str | None
    payer: Payer | None
    tariff: str
    mode: Mode
    recipient: Recipient | None

    @property
    def same_illness(self) -> str:
        """The illness, however it was written."""
        return folded(self.illness)

    def body(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": str(self.id), "patient": str(self.patient), "site": self.site, "illness": self.illness,
            "diagnosis": self.diagnosis, "payer": self.payer, "tariff": self.tariff, "mode": self.mode,
            "recipient": self.recipient and self.recipient.model_dump(mode="json"),
        }  # fmt: skip


class Terms(BaseModel):
    """How a case is paid, as somebody sets it."""

    model_config = ConfigDict(extra="forbid")

    payer: Payer
    tariff: Annotated[str, Field(min_length=1, max_length=80)] = USUAL
    mode: Mode = "cure"
    diagnosis: Words | None = None
    recipient: Recipient | None = None  # who pays when it is not the patient


class NewCharge(BaseModel):
    """What a hand enters."""

    model_config = ConfigDict(extra="forbid")

    request: UUID
    site: Slug
    patient: UUID
    case: UUID | None = None  # none: the patient's only one, or a new one by the line's illness
    line: Line


class TakenBack(BaseModel):
    """Why a charge is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: Words

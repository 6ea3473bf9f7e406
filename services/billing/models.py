"""What every room of billing speaks of: who sends, who pays, what was done, what it comes to.

Money is Decimal euro with two places, in JSON a text such as "70.68"; databases keep whole cents.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.billing.goae.lines import Line, Words
from services.billing.goae.pricing import Kind as Tariff

Language = Literal["de", "en"]
Kind = Literal["invoice", "cancellation"]
CENT: Final = Decimal("0.01")
Account = Annotated[int, Field(ge=1, le=999_999_999)]


def cents(amount: Decimal) -> int:
    """Whole cents of an amount in euro."""
    return int(amount.quantize(CENT) * 100)


def euro(whole_cents: int) -> Decimal:
    """Euro of whole cents."""
    return (Decimal(whole_cents) / 100).quantize(CENT)


Money = Annotated[
    Decimal,
    BeforeValidator(lambda value: str(value) if isinstance(value, (int, float)) else value),
    Field(max_digits=11, decimal_places=2, allow_inf_nan=False),
]


class Frozen(BaseModel):
    """Written once, never changed in place."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Address(Frozen):
    """Where somebody gets letters."""

    street: Words
    postal_code: Words
    city: Words
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "DE"


class Recipient(Frozen):
    """Who pays: the patient, or whoever answers for one.

    ``is_patient``: whether it is the patient; None where nobody said: then it is who has the patient's name.
    """

    name: Words
    address: Address
    email: str | None = None
    is_patient: bool | None = None


class Patient(Frozen):
    """Who was treated, as the paper names them."""

    id: UUID
    name: Words
    birth_date: date
    given_name: Words | None = None  # the name's parts, for programs that want them apart
    family_name: Words | None = None
    sex: Literal["female", "male", "diverse", "unknown"] = "unknown"
    insurance_number: Words | None = None  # § 291 SGB V: a letter and nine digits


class Accounts(Frozen):
    """How a clinic's books are kept, for its tax adviser's program (DATEV)."""

    consultant: Annotated[int, Field(ge=1001, le=9_999_999)] | None = None  # Beraternummer
    client: Annotated[int, Field(ge=1, le=99_999)] | None = None  # Mandantennummer
    account_digits: Annotated[int, Field(ge=4, le=8)] = 4  # of a general ledger's account
    year_begins: Annotated[int, Field(ge=1, le=12)] = 1  # month in which the fiscal year begins
    chart: Annotated[str, Field(pattern="^[0-9]{2}$")] | None = None  # 03, 04: SKR03, SKR04
    revenue: Account | None = None
    debtors_from: Account | None = None  # patients get accounts from here on, one each; with
    debtors_to: Account | None = None  # both alike, all have this one
    bank: Account | None = None  # where money of each kind comes in
    cash: Account | None = None
    card: Account | None = None
    other: Account | None = None
    fees: Account | None = None  # what reminders ask for: no VAT on it


class BillingOffice(Frozen):
    """An office that collects for a clinic, and how the two know each other (PADneXt)."""

    id: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,39}$")]
    name: Annotated[Words, Field(max_length=40)]
    customer: Annotated[int, Field(ge=1, le=99_999_999)]  # the clinic's number there
    number: Annotated[int, Field(ge=1, le=99_999_999)] | None = None  # the office's own
    data_centre: Annotated[int, Field(ge=1, le=9999)] | None = None  # rzid
    iknr: Annotated[int, Field(ge=100_000_000, le=999_999_999)] | None = None
    contract: Annotated[int, Field(ge=0, le=999)] = 1  # vertragsart, by the office's own table
    is_test: bool = False  # deliveries say that they are tests
    certificate: Annotated[str, Field(max_length=20_000)] | None = None  # PEM; deliveries are for it alone


class Clinic(Frozen):
    """A site's letterhead, bank and tax data. What is missing is named when an invoice is to be issued."""

    name: Words
    doctor: Words | None = None  # who answers for the treatment, with title
    speciality: Words | None = None
    address: Address | None = None
    phone: Words | None = None
    email: Words | None = None
    website: Words | None = None
    account_holder: Words | None = None
    iban: str | None = None
    bic: str | None = None
    bank: Words | None = None
    tax_number: Words | None = None  # BT-32
    vat_id: Words | None = None  # BT-31, where there is one
    identifier: Words | None = None  # BT-29: institution or doctor number; BR-CO-26 asks for it
    payment_days: Annotated[int, Field(ge=0, le=365)] = 30
    zone: str = "Europe/Berlin"
    speciality_code: Annotated[str, Field(pattern="^[A-Z]{4}$")] | None = None  # IHE-D, as ORTH
    accounts: Accounts | None = None
    billing_offices: Annotated[tuple[BillingOffice, ...], Field(max_length=20)] = ()


class PricedLine(Frozen):
    """A line with what the fee schedule says of it and what it comes to."""

    line: Line
    name: str  # the schedule's official text
    section: str
    points: int | None
    minimum_min: int | None = None  # where the official text names one (§ 12 Abs. 2 Nr. 2 GOÄ)
    gross: Money  # count times points, point value and factor, rounded once per service
    reduction: Money = Decimal(0)  # § 6a GOÄ
    amount: Money  # gross less the reduction


class Outlay(Frozen):
    """Something bought for this patient (§ 10 GOÄ)."""

    date: date
    kind: Literal["material", "shipping", "radioactive", "listed"] = "material"
    text: Words
    amount: Annotated[Money, Field(ge=0)]
    receipt: Words | None = None  # § 12 Abs. 2 Nr. 5 GOÄ: above 25.56 euro it comes with the paper


class Paper(Frozen):
    """An invoice or its cancellation, whole: everything that is printed, embedded and exported."""

    id: UUID
    kind: Kind = "invoice"
    number: str
    site: str
    issued_on: date
    due_on: date
    clinic: Clinic
    recipient: Recipient
    patient: Patient
    diagnosis: Words | None = None
    lines: tuple[PricedLine, ...] = ()
    outlays: tuple[Outlay, ...] = ()
    total: Money  # negative on a cancellation
    cancels: str | None = None  # the number of the invoice that is cancelled
    cancels_on: date | None = None
    remarks: tuple[Words, ...] = ()  # what a rule wants to be said on the paper
    language: Language = "de"
    tariff: Tariff = "private"

    @property
    def patient_pays(self) -> bool:
        """Whether the recipient is the patient; by the name where nothing else says so."""
        told = self.recipient.is_patient
        return self.recipient.name == self.patient.name if told is None else told

    @property
    def period(self) -> tuple[date, date]:
        """First and last day of what is charged."""
        days = [one.line.date for one in self.lines] + [one.date for one in self.outlays]
        return (min(days), max(days)) if days else (self.issued_on, self.issued_on)

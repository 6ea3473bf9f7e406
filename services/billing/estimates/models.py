"""Estimates and fee agreements, as they are asked for, kept and shown."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.billing.goae.lines import Factor, Number, Words
from services.billing.goae.pricing import Kind as TariffKind
from services.billing.models import Clinic, Frozen, Language, Money, Patient, PricedLine, Recipient
from services.kit.moments import instant_of

PayerName = Literal["private", "beihilfe", "self", "standardtarif"]
Region = Literal["lumbar", "cervical"]
Part = Literal["first_visit", "session", "infrared", "shortened", "control", "report"]
Kind = Literal["estimate", "agreement"]
How = Literal["signed", "paper", "email", "portal"]
State = Literal["made", "handed", "signed", "withdrawn", "replaced", "expired"]
MOST_SESSIONS: Final = 60
MOST_SIGNED: Final = 10_000_000  # bytes of a scan
Site = Annotated[str, Field(min_length=1, max_length=40)]
Sessions = Annotated[int, Field(ge=1, le=MOST_SESSIONS, strict=True)]
Named = Annotated[str, StringConstraints(max_length=80)]


class Both(Frozen):
    """The same in both languages."""

    de: str
    en: str

    def text(self, language: Language) -> str:
        """In one of them."""
        return self.de if language == "de" else self.en


class Position(Frozen):
    """One service, as often as it is expected, or (not certain) as often as it can come."""

    part: Part
    certain: bool
    line: PricedLine  # of one time, in German
    analogue_en: str | None = None
    behind: tuple[int, ...]  # in or behind which sessions, from 1 on; 0: the first visit
    amount: Money  # of all times

    @property
    def times(self) -> int:
        """How often."""
        return len(self.behind)

    def in_language(self, language: Language) -> PricedLine:
        """The line of one time, its own words in that language."""
        if language == "de" or self.analogue_en is None:
            return self.line
        line = self.line.line.model_copy(update={"analogue": self.analogue_en})
        return self.line.model_copy(update={"line": line})


class Condition(Frozen):
    """What a part depends on, and where that stands. ``amount``: each time; less than before: negative."""

    part: Part
    text: Both
    paragraph: str
    amount: Money
    times: int | None = None  # at most; None: nobody knows


class LeftOut(Frozen):
    """What could come, but was charged already: the words of the rule, with the days."""

    part: Part
    text: Both
    paragraph: str


class Totals(Frozen):
    """What it comes to."""

    first_visit: Money
    per_session: Money  # with everything that a session has
    sessions: Money  # all of them, infrared with each
    certain: Money  # first visit and sessions without what depends
    expected: Money  # with infrared in each lumbar session: what a cure usually comes to
    at_most: Money  # with everything that can come


class Plan(Frozen):
    """A cure as the fee schedule prices it, before anybody's name stands on it."""

    region: Region
    sessions: int
    payer: PayerName
    tariff: str
    kind: TariffKind
    first_visit: str
    on: date
    valid_until: date
    visit: Both
    payer_text: Both
    note: Both  # what is to be said of reimbursement
    positions: tuple[Position, ...]
    conditions: tuple[Condition, ...]
    left_out: tuple[LeftOut, ...] = ()
    totals: Totals


class Clause(Frozen):
    """What a fee agreement says of one number."""

    line: PricedLine


class Content(Frozen):
    """A paper as it was made: everything that stands on it."""

    clinic: Clinic
    patient: Patient | None = None  # none: of a sample
    recipient: Recipient | None = None
    issued_on: date
    language: Language = "de"  # of the patient: which text an e-mail begins with
    diagnosis: Words | None = None
    plan: Plan | None = None  # of an estimate
    clauses: tuple[Clause, ...] = ()  # of an agreement


class NewEstimate(BaseModel):
    """What an estimate is asked for."""

    model_config = ConfigDict(extra="forbid")

    request: UUID
    site: Site
    patient: UUID
    region: Region
    sessions: Sessions
    payer: PayerName
    tariff: Named | None = None  # none: the payer's usual one
    first_visit: Named = "usual"
    cure: UUID | None = None  # which one it is for; none: the next one that is planned


class NewClause(BaseModel):
    """A number and the factor that is agreed on for it."""

    model_config = ConfigDict(extra="forbid")

    number: Number
    factor: Factor


class NewAgreement(BaseModel):
    """What a fee agreement is asked for."""

    model_config = ConfigDict(extra="forbid")

    request: UUID
    site: Site
    patient: UUID
    lines: Annotated[tuple[NewClause, ...], Field(min_length=1, max_length=30)]


class Withdrawn(BaseModel):
    """Why a paper counts no more."""

    model_config = ConfigDict(extra="forbid")

    reason: Words


@dataclass(frozen=True, slots=True)
class Handing:
    """How a paper came to whoever it is for: signed on paper, or handed over in text form."""

    id: UUID
    how: How
    receiver: str
    on: date
    note: str | None
    media: str | None
    sha256: str | None
    by: str
    at_us: int

    def body(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": str(self.id), "how": self.how, "receiver": self.receiver, "on": self.on.isoformat(),
            "note": self.note, "sha256": self.sha256, "media": self.media, "by": self.by,
            "at": instant_of(self.at_us).isoformat(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kept:
    """A paper, with what became of it."""

    id: UUID
    kind: Kind
    site: str
    patient: UUID
    cure: UUID | None
    region: Region | None
    version: int
    issued_on: date
    valid_until: date | None
    total: Decimal | None
    content: Content
    sha256: str
    by: str
    at_us: int
    handings: tuple[Handing, ...]
    withdrawn: str | None
    replaced_by: UUID | None

    @property
    def signed(self) -> bool:
        """Whether a signed copy lies here."""
        return any(one.how == "signed" for one in self.handings)

    @property
    def handed_on(self) -> date | None:
        """The day on which it was first handed over."""
        return min((one.on for one in self.handings), default=None)

    def state(self, on: date) -> State:
        """What it is on that day: the first row that applies."""
        rows: tuple[tuple[bool, State], ...] = (
            (self.withdrawn is not None, "withdrawn"),
            (self.signed, "signed"),
            (bool(self.handings), "handed"),
            (self.replaced_by is not None, "replaced"),
            (self.valid_until is not None and on > self.valid_until, "expired"),
            (True, "made"),
        )
        return next(state for applies, state in rows if applies)

    def head(self, on: date) -> dict[str, Any]:
        """As lists show it."""
        plan = self.content.plan
        return {
            "id": str(self.id), "kind": self.kind, "site": self.site, "patient": str(self.patient),
            "cure": self.cure and str(self.cure), "version": self.version, "state": self.state(on),
            "issued_on": self.issued_on.isoformat(), "by": self.by,
            "valid_until": self.valid_until and self.valid_until.isoformat(),
            "total": None if self.total is None else str(self.total),
            "region": self.region, "sessions": plan and plan.sessions, "payer": plan and plan.payer,
            "handings": [one.body() for one in self.handings], "withdrawn": self.withdrawn,
            "replaced_by": self.replaced_by and str(self.replaced_by), "sha256": self.sha256,
        }  # fmt: skip

    def body(self, on: date) -> dict[str, Any]:
        """The same with everything that stands on it."""
        return {**self.head(on), "content": self.content.model_dump(mode="json")}

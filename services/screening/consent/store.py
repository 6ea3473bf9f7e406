"""Consents as they are kept: begun with the information, signed, copied, withdrawn; every row stays."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from sqlalchemy import Connection, RowMapping, delete, insert, select

from services.kit.auth.principal import Principal
from services.kit.moments import instant_of
from services.screening import zones
from services.screening.clearance.models import us_of
from services.screening.consent.documents import Document, by_id
from services.screening.consent.tables import CONSENT, EVENT, PAPER
from services.screening.patients import store as patients
from services.screening.patients.models import File
from services.screening.rules.days import MONTHS_A_YEAR, after_months

OF_AGE: Final = 18
Ids = Sequence[UUID]
State = Literal["informed", "signed", "withdrawn"]
EventKind = Literal["signed", "copied", "withdrawn"]
PaperKind = Literal["signature", "scan", "declaration"]


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a consent; ``at`` is when, ``noted_at`` when it was written down."""

    kind: EventKind
    at: datetime
    by: str
    noted_at: datetime
    detail: dict[str, Any]

    def body(self) -> dict[str, Any]:
        """As programs read it."""
        return {
            "at": self.at.isoformat(),
            "by": self.by,
            "noted_at": self.noted_at.isoformat(),
            **self.detail,
        }


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent with everything that happened to it."""

    id: UUID
    patient: UUID
    region: str
    at: datetime
    by: str
    information: dict[str, Any]
    document: Document
    events: tuple[Event, ...]

    def last(self, kind: EventKind) -> Event | None:
        """The newest event of a kind."""
        return next((event for event in reversed(self.events) if event.kind == kind), None)

    @property
    def state(self) -> State:
        """Begun, in force, or over."""
        if self.last("withdrawn"):
            return "withdrawn"
        return "signed" if self.last("signed") else "informed"

    @property
    def ended_at(self) -> datetime | None:
        """When it was withdrawn; never before it was signed, whatever was typed."""
        signed, withdrawn = self.last("signed"), self.last("withdrawn")
        if withdrawn is None:
            return None
        return max(withdrawn.at, signed.at) if signed else withdrawn.at

    @property
    def is_copied(self) -> bool:
        """Whether the patient was given what they signed."""
        return self.last("copied") is not None

    def shown(self) -> dict[str, Any]:
        """As programs read it."""
        signed, withdrawn = self.last("signed"), self.last("withdrawn")
        return {
            "id": str(self.id), "patient": str(self.patient), "region": self.region, "state": self.state,
            "at": self.at.isoformat(), "by": self.by, "information": self.information,
            "document": self.document.shown(whole=False), "signed": signed.body() if signed else None,
            "copies": [event.body() for event in self.events if event.kind == "copied"],
            "withdrawn": withdrawn.body() if withdrawn else None,
        }  # fmt: skip


def in_force(
    connection: Connection, patient: UUID, region: str, *, even_outgrown: bool = False
) -> Consent | None:
    """The newest consent of this region that is signed, and that no withdrawal came after (BGB 630d(3)).

    Who withdraws means the treatment, not one of several papers: every earlier consent ends with it. What
    guardians signed for a minor ends on the 18th birthday: then the patient's own is needed (BGB 630d(1)).
    """
    file = patients.current(connection, patient)
    if file is None:
        return None
    found = [row for row in of_patient(connection, patients.family(connection, patient))
             if row.region == region]  # fmt: skip
    ends = [at for row in found if (at := row.ended_at) is not None]
    for row in found:
        signed = row.last("signed")
        is_over = not even_outgrown and is_outgrown(connection, file, row)
        if signed and row.state == "signed" and not is_over and all(signed.at > at for at in ends):
            return row
    return None


def outgrown_on(connection: Connection, file: File, consent: Consent) -> date | None:
    """The 18th birthday of whom guardians signed for before; None where it does not end so."""
    signed = consent.last("signed")
    if signed is None or signed.detail.get("role") != "guardian":
        return None
    birthday = after_months(file.content.birth_date, OF_AGE * MONTHS_A_YEAR)
    return birthday if zones.local(connection, file.site, signed.at).date() < birthday else None


def is_outgrown(connection: Connection, file: File, consent: Consent) -> bool:
    """Whether guardians signed it for somebody who is of age by now."""
    day = outgrown_on(connection, file, consent)
    return day is not None and day <= zones.today(connection, file.site)


def of_patient(connection: Connection, ids: Ids) -> list[Consent]:
    """Every consent, newest first."""
    rows = patients.rows_of(connection, CONSENT, ids)
    return [_consent(connection, row) for row in reversed(rows)]


def one(connection: Connection, ids: Ids, consent: UUID) -> Consent | None:
    """A consent of this person's, or None."""
    return next((row for row in of_patient(connection, ids) if row.id == consent), None)


def add(
    connection: Connection, who: Principal, patient: UUID, region: str, information: dict[str, Any],
    document: Document,
) -> UUID:  # fmt: skip
    """Begin a consent with its information and the version of the text."""
    made = uuid4()
    row = {
        "id": str(made), "region": region, "information": json.dumps(information, ensure_ascii=False),
        "document": str(document.id), "document_sha256": document.sha256,
    }  # fmt: skip
    connection.execute(insert(CONSENT), {"patient": str(patient), **patients.who_columns(who), **row})
    return made


def add_event(
    connection: Connection, who: Principal, consent: Consent, kind: EventKind, at: datetime,
    detail: dict[str, Any],
) -> None:  # fmt: skip
    """Keep what happened to it."""
    row = {
        "consent": str(consent.id), "kind": kind, "happened_at_us": us_of(at),
        "detail": json.dumps(detail, ensure_ascii=False),
    }  # fmt: skip
    connection.execute(insert(EVENT), {"patient": str(consent.patient), **patients.who_columns(who), **row})


def add_paper(
    connection: Connection, who: Principal, consent: Consent, kind: PaperKind, media_type: str, content: bytes
) -> str:
    """Keep a paper and give its SHA-256."""
    sha256 = hashlib.sha256(content).hexdigest()
    row = {
        "consent": str(consent.id), "kind": kind, "media_type": media_type, "sha256": sha256,
        "content": content,
    }  # fmt: skip
    connection.execute(insert(PAPER), {"patient": str(consent.patient), **patients.who_columns(who), **row})
    return sha256


def paper(connection: Connection, consent: UUID, kinds: Sequence[PaperKind]) -> RowMapping | None:
    """The newest paper of these kinds."""
    query = select(PAPER).where(PAPER.c.consent == str(consent), PAPER.c.kind.in_(kinds))
    return connection.execute(query.order_by(PAPER.c.row.desc()).limit(1)).mappings().first()


def papers(connection: Connection, ids: Ids) -> list[dict[str, Any]]:
    """Every paper of this person's consents."""
    return patients.rows_of(connection, PAPER, ids)


def erase(connection: Connection, ids: Ids) -> None:
    """Delete this room's rows of somebody whose file is erased."""
    for table in (EVENT, PAPER, CONSENT):
        connection.execute(delete(table).where(table.c.patient.in_([str(one) for one in ids])))


def _consent(connection: Connection, row: dict[str, Any]) -> Consent:
    query = select(EVENT).where(EVENT.c.consent == row["id"]).order_by(EVENT.c.row)
    events = tuple(
        Event(
            each["kind"], instant_of(each["happened_at_us"]), each["name"], instant_of(each["at_us"]),
            json.loads(each["detail"]),
        )
        for each in connection.execute(query).mappings()
    )  # fmt: skip
    document = by_id(connection, UUID(row["document"]))
    return Consent(
        UUID(row["id"]), UUID(row["patient"]), row["region"], instant_of(row["at_us"]), row["name"],
        json.loads(row["information"]), document, events,
    )  # fmt: skip

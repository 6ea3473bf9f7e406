"""What ``session.db`` keeps, as values: sessions, operators' notes; and their rows in both directions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from services.controller.bedside.reports import Report
from services.controller.recorder.summary import SessionFacts

Row = Mapping[Any, Any]
State = Literal["loading", "open", "closed", "refused"]


@dataclass(frozen=True, slots=True)
class NewSession:
    """What is known of a session when the patient has been confirmed."""

    device: str
    boot: UUID
    patient: UUID
    cure: UUID | None
    appointment: UUID | None
    region: Literal["lumbar", "cervical"]
    segment: str
    prescription: Mapping[str, Any]
    clearance: UUID
    operator: str
    account: str = ""
    pain_before: int | None = None
    cleared_until: datetime | None = None
    correlation: str | None = None

    def as_row(self) -> dict[str, Any]:
        """As a session begins: state ``loading``, an id of its own, confirmed now."""
        return {
            "session": str(uuid4()),
            "device": self.device,
            "boot": str(self.boot),
            "state": "loading",
            "patient": str(self.patient),
            "cure": id_text(self.cure),
            "appointment": id_text(self.appointment),
            "region": self.region,
            "segment": self.segment,
            "prescription": json.dumps(dict(self.prescription)),
            "clearance": str(self.clearance),
            "operator": self.operator,
            "account": self.account or None,
            "cleared_until": None if self.cleared_until is None else self.cleared_until.isoformat(),
            "correlation": self.correlation,
            "confirmed_at": now(),
            "pain_before": self.pain_before,
        }


@dataclass(frozen=True, slots=True)
class Note:
    """What an operator wrote."""

    at: datetime
    operator: str
    text: str


@dataclass(frozen=True, slots=True)
class Session:
    """One session as the operator's side knows it."""

    session: UUID
    session_no: int
    device: str
    boot: UUID
    state: State
    patient: UUID
    cure: UUID | None
    appointment: UUID | None
    region: Literal["lumbar", "cervical"]
    segment: str
    prescription: dict[str, Any]
    parameters: tuple[float, ...]
    clearance: UUID
    operator: str
    account: str | None
    confirmed_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    pain_before: int | None
    pain_after: int | None
    cleared_until: datetime | None = None  # when its clearance ends
    correlation: str | None = None  # of the tap that brought it onto the bed

    def facts(self) -> SessionFacts:
        """What a summary takes from here."""
        return SessionFacts(
            self.session,
            self.patient,
            self.cure,
            self.appointment,
            self.region,
            self.segment,
            self.pain_before,
            self.pain_after,
            self.account,
            self.correlation,
        )


def session_of(row: Row) -> Session:
    """A session from its row."""
    return Session(
        session=UUID(row["session"]),
        session_no=row["session_no"],
        device=row["device"],
        boot=UUID(row["boot"]),
        state=row["state"],
        patient=UUID(row["patient"]),
        cure=uuid_of(row["cure"]),
        appointment=uuid_of(row["appointment"]),
        region=row["region"],
        segment=row["segment"],
        prescription=json.loads(row["prescription"]),
        parameters=tuple(json.loads(row["parameters"] or "[]")),
        clearance=UUID(row["clearance"]),
        operator=row["operator"],
        account=row["account"],
        confirmed_at=datetime.fromisoformat(row["confirmed_at"]),
        started_at=moment_of(row["started_at"]),
        ended_at=moment_of(row["ended_at"]),
        pain_before=row["pain_before"],
        pain_after=row["pain_after"],
        cleared_until=moment_of(row["cleared_until"]),
        correlation=row["correlation"],
    )


def report_of(row: Row) -> Report:
    """A report from its row."""
    return Report(
        report=UUID(row["report"]),
        session=UUID(row["session"]),
        device=row["device"],
        patient=UUID(row["patient"]),
        cure=uuid_of(row["cure"]),
        region=row["region"],
        kind=row["kind"],
        grade=row["grade"],
        serial=row["serial"],
        at=datetime.fromisoformat(row["at"]),
        operator=row["operator"],
        account=row["account"],
    )


def report_row(made: Report) -> dict[str, Any]:
    """A report as ``report_of`` reads it."""
    return {
        "report": str(made.report), "session": str(made.session), "device": made.device,
        "patient": str(made.patient), "cure": id_text(made.cure), "region": made.region,
        "kind": made.kind, "grade": made.grade, "serial": made.serial, "at": made.at.isoformat(),
        "operator": made.operator, "account": made.account,
    }  # fmt: skip


def note_of(row: Row) -> Note:
    """A note from its row."""
    return Note(datetime.fromisoformat(row["at"]), row["operator"], row["text"])


def action_of(row: Row) -> dict[str, Any]:
    """What an operator did, as pages and logs show it."""
    shown = {name: row[name] for name in ("at", "operator", "action", "accepted", "detail")}
    return shown | {"data": json.loads(row["data"])}


def id_text(value: UUID | None) -> str | None:
    """An id as it is kept."""
    return None if value is None else str(value)


def uuid_of(value: str | None) -> UUID | None:
    """An id that was kept."""
    return None if value is None else UUID(value)


def moment_of(value: str | None) -> datetime | None:
    """A time that was kept."""
    return None if value is None else datetime.fromisoformat(value)


def now() -> str:
    """This moment as it is kept."""
    return datetime.now(UTC).isoformat()

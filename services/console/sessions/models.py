"""A session as telemetry tells of it, and as the pages show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

from services.console.texts import TEXTS
from services.kit.language import Language
from services.kit.words import reason

Json = dict[str, Any]
Outcome = Literal["running", "completed", "aborted", "lost"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)
_TONES: Final[Mapping[Outcome, str]] = {"completed": "good", "running": "info"}


@dataclass(frozen=True, slots=True)
class Session:
    """One session. What the gateway has not said yet, or never will, is None."""

    id: UUID
    site: str
    device: str
    outcome: Outcome
    region: str | None
    segment: str | None
    cure: UUID | None
    patient: UUID | None
    appointment: UUID | None
    started_at: datetime
    ended_at: datetime | None
    first_seq: int | None
    last_seq: int | None
    summary: Mapping[str, Any]
    events: tuple[Json, ...] = ()

    @classmethod
    def of(cls, row: Json) -> "Session":
        """From telemetry's JSON."""
        return cls(
            id=UUID(row["session"]),
            site=row["site"],
            device=row["device"],
            outcome=row["state"],
            region=row["region"],
            segment=row["segment"],
            cure=_uuid(row["cure"]),
            patient=_uuid(row["patient"]),
            appointment=_uuid(row["appointment"]),
            started_at=datetime.fromisoformat(row["started_at"]),
            ended_at=datetime.fromisoformat(row["ended_at"]) if row["ended_at"] else None,
            first_seq=row["first_seq"],
            last_seq=row["last_seq"],
            summary=row["summary"] or {},
            events=tuple(row.get("events", ())),
        )

    @property
    def is_running(self) -> bool:
        """Whether it goes on: what is known of it is known so far."""
        return self.outcome == "running"

    @property
    def path(self) -> str:
        """Where its page is."""
        return f"/sessions/{self.id}"

    def place(self, language: Language) -> str:
        """Region and segment: ``lumbar, L4/L5``."""
        region = TEXTS.get(f"region_{self.region}")
        parts = [region[language] if region else self.region, self.segment]
        return ", ".join(part for part in parts if part)

    def outcome_text(self, language: Language) -> str:
        """``completed``, ``aborted``, ``still running``, ``end unknown``."""
        return TEXTS[f"outcome_{self.outcome}"][language]

    @property
    def tone(self) -> str:
        """The tone of the badge that says the outcome."""
        return _TONES.get(self.outcome, "notice")

    def ended_by(self, language: Language) -> str:
        """Why it ended, where that says more than how."""
        code = self.summary.get("reason")
        return "" if code in (None, "", "completed") else reason(code, language)

    def shares_patient(self, other: "Session") -> bool:
        """Whether both are known to be one person's: a patient's, or, where one is not told, a cure's."""
        if self.patient and other.patient:
            return self.patient == other.patient
        return self.cure is not None and self.cure == other.cure

    def said(self, name: str) -> float | None:
        """A number of the gateway's summary."""
        return self.summary.get(name)


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None

"""What the rows of outcomes say."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing that was said or measured; ``corrected_by`` is the row that stands instead of it."""

    id: UUID
    site: str
    patient: UUID
    region: str
    kind: str
    session: UUID | None
    cure: UUID | None
    value: dict[str, Any]
    score: float | None
    corrects: UUID | None
    why: str
    measured_at: datetime
    by: str
    at: datetime
    corrected_by: UUID | None = None

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        return {
            "outcome": str(self.id), "site": self.site, "patient": str(self.patient),
            "region": self.region, "kind": self.kind, "session": self.session and str(self.session),
            "cure": self.cure and str(self.cure), "value": self.value, "score": self.score,
            "corrects": self.corrects and str(self.corrects), "why": self.why,
            "corrected_by": self.corrected_by and str(self.corrected_by),
            "measured_at": self.measured_at.isoformat(), "by": self.by, "at": self.at.isoformat(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Adverse:
    """One adverse event as it was reported."""

    id: UUID
    site: str
    patient: UUID
    region: str
    kind: str
    grade: int
    session: UUID | None
    cure: UUID | None
    suspended: bool
    detail: str
    happened_at: datetime
    by: str
    at: datetime

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        return {
            "event": str(self.id), "site": self.site, "patient": str(self.patient), "region": self.region,
            "kind": self.kind, "grade": self.grade, "session": self.session and str(self.session),
            "cure": self.cure and str(self.cure), "suspended": self.suspended, "detail": self.detail,
            "happened_at": self.happened_at.isoformat(), "by": self.by, "at": self.at.isoformat(),
        }  # fmt: skip

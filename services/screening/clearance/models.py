"""What the rows of this room say."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.kit.moments import EPOCH
from services.screening.clearance.words import reasons


def us_of(at: datetime) -> int:
    """A time as columns keep it."""
    return (at - EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Signed:
    """Who signed, when, and with which words."""

    account: str
    name: str
    reason: str
    at: datetime

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        return {"by": self.name, "account": self.account, "reason": self.reason, "at": self.at.isoformat()}


@dataclass(frozen=True, slots=True)
class Suspension:
    """One suspension, open until somebody signed why treatment may go on."""

    id: UUID
    site: str
    patient: UUID
    region: str | None
    reason: str
    subject: str
    adverse: bool
    detail: str
    by: str | None
    at: datetime
    restored: Signed | None

    def concerns(self, region: str) -> bool:
        """Whether nobody may treat this region meanwhile."""
        return self.restored is None and self.region in (None, region)

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        row = reasons()[self.reason]
        return {
            "suspension": str(self.id), "site": self.site, "patient": str(self.patient),
            "region": self.region, "reason": self.reason, "text_de": row.de, "text_en": row.en,
            "restored_by": row.restored_by, "subject": self.subject, "adverse": self.adverse,
            "detail": self.detail, "by": self.by, "at": self.at.isoformat(),
            "restored": self.restored and self.restored.as_json(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Given:
    """One clearance as it was signed."""

    id: UUID
    site: str
    patient: UUID
    region: str
    token: str
    conditions: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime
    signed_until: datetime  # by the clinician; what it stands on may end before
    account: str
    by: str
    at: datetime
    ended_at: datetime | None
    replaced_by: UUID | None

    def is_running(self, now: datetime) -> bool:
        """Neither ended nor expired; a suspension may rest on it all the same."""
        return self.ended_at is None and now < self.valid_until

    def is_signed(self, now: datetime) -> bool:
        """The same, or only waiting until what it stands on has been asked again."""
        return self.ended_at is None and now < self.signed_until

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        return {
            "clearance": str(self.id), "site": self.site, "patient": str(self.patient),
            "region": self.region, "token": self.token, "conditions": list(self.conditions),
            "valid_from": self.valid_from.isoformat(), "valid_until": self.valid_until.isoformat(),
            "signed_until": self.signed_until.isoformat(), "by": self.by,
            "at": self.at.isoformat(), "ended_at": self.ended_at and self.ended_at.isoformat(),
            "replaced_by": self.replaced_by and str(self.replaced_by),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """One session that came to its end, as the bed told it."""

    id: UUID
    site: str
    device: str
    cure: UUID | None
    region: str
    completed: bool
    reason: str
    guardings: int
    peak_n: float
    traction_s: float
    pain_before: int | None
    pain_after: int | None
    started_at: datetime
    ended_at: datetime

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        return {
            "session": str(self.id), "site": self.site, "device": self.device,
            "cure": self.cure and str(self.cure), "region": self.region, "completed": self.completed,
            "reason": self.reason, "guardings": self.guardings, "peak_n": self.peak_n,
            "traction_s": self.traction_s, "pain_before": self.pain_before, "pain_after": self.pain_after,
            "started_at": self.started_at.isoformat(), "ended_at": self.ended_at.isoformat(),
        }  # fmt: skip

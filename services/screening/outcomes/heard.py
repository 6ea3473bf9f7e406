"""Adverse events that were reported at a bed: each is kept once, by the id of its report."""

from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import Connection

from broker.messages import Event
from services.kit.auth.principal import Principal
from services.kit.business.inbox import Handler, Heard
from services.kit.business.service import Office
from services.screening.clearance import people
from services.screening.errors import Invalid
from services.screening.outcomes.adverse import LONGEST_AGO, Report, kinds, report

REPORTED: Final = "adverse.reported"
OTHER: Final = "other"
SUSPENDS_FROM: Final = 2  # a kind that is not in the table here is never taken for less
NOBODY: Final = str(UUID(int=0))  # the account of somebody whom a bed does not name


class _Said(BaseModel):
    """What the bed says of it, beyond the words for people."""

    model_config = ConfigDict(extra="ignore")

    report: UUID
    kind: str
    grade: int
    region: Literal["lumbar", "cervical"]
    patient: UUID
    cure: UUID | None = None
    by: UUID | None = None


def hear_reports(office: Office) -> Handler:
    """The handler of beds' events; of patients that nobody knows here it keeps nothing."""

    def hear(connection: Connection, heard: Heard) -> None:
        event = heard.message
        if not isinstance(event, Event) or event.type != REPORTED:
            return
        said = _said(event.data)
        if people.find(connection, said.patient) is None:
            return
        given, by = _given(event, said), _by(heard, said)
        report(office, connection, said.patient, given, by, subject=str(said.report))

    return hear


def _said(data: dict[str, Any]) -> _Said:
    try:
        return _Said.model_validate(data)
    except ValidationError as error:
        why = "; ".join(f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in error.errors()[:3])
        english = f"a bed's report of an adverse event cannot be read: {why}"
        raise Invalid(english, {"de": f"Meldung einer Liege nicht lesbar: {why}", "en": english}) from None


def _given(event: Event, said: _Said) -> Report:
    at, detail = _moment(event.at)
    kind, grade = said.kind, said.grade
    if kind not in kinds():
        detail = " ".join(filter(None, (f"({kind[:40]})", detail)))
        kind, grade = OTHER, max(grade, SUSPENDS_FROM)
    return Report(
        id=said.report, kind=kind, grade=grade, region=said.region, happened_at=at,
        session=event.session, cure=said.cure, detail=detail,
    )  # fmt: skip


def _moment(at: datetime) -> tuple[datetime, str]:
    """When it happened; a bed whose clock is wrong must not lose it: then it is now, and its word is kept."""
    now = datetime.now(UTC)
    if now - LONGEST_AGO < at <= now:
        return at, ""
    return now, f"({at.isoformat(timespec='seconds')})"


def _by(heard: Heard, said: _Said) -> Principal:
    """Who reported it: the account; of names a bed tells none."""
    return Principal(str(said.by) if said.by else NOBODY, f"{heard.device} · {heard.site}", ())

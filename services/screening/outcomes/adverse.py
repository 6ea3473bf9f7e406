"""Adverse events: what may be reported, with which grade, and what suspends the clearance by itself."""

import tomllib
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.language import Text
from services.screening.clearance import people
from services.screening.clearance.suspension import suspend, tell
from services.screening.errors import Conflict, Invalid
from services.screening.outcomes import store
from services.screening.outcomes.models import Adverse
from services.screening.patients.models import Long

TABLE: Final = Path(__file__).with_name("adverse.toml")
LONGEST_AGO: Final = timedelta(days=366)
AHEAD: Final = timedelta(minutes=5)  # clocks differ


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    en: str
    de: str


class Kind(_Row):
    """What happened."""

    id: str
    origin: Literal["order", "proposal"]
    lumbar: int
    cervical: int
    source: str

    def suspends(self, region: str, grade: int) -> bool:
        """Whether nobody goes on before a clinician has signed."""
        return grade >= (self.lumbar if region == "lumbar" else self.cervical)


class Grade(_Row):
    """How bad it was."""

    number: int


class Report(BaseModel):
    """What somebody reports; ``id`` is theirs, so that sending it twice reports it once."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    kind: str = Field(max_length=40)
    grade: int
    region: Literal["lumbar", "cervical"]
    happened_at: AwareDatetime
    session: UUID | None = None
    cure: UUID | None = None
    detail: Long = ""


@cache
def kinds() -> dict[str, Kind]:
    """By id, in the order of the table."""
    return {row["id"]: Kind(**row) for row in _read()["kind"]}


@cache
def grades() -> dict[int, Grade]:
    """By number."""
    return {row["number"]: Grade(**row) for row in _read()["grade"]}


def report(
    office: Office, connection: Connection, patient: UUID, given: Report, by: Principal, *, subject: str = ""
) -> Adverse:
    """Keep it, tell it, and suspend at once where its row says so. Raises Invalid, Conflict.

    With a ``subject`` it suspends beside what is open already: a bed waits to hear it answered.
    """
    kind = _checked(given)
    file = people.hold(connection, patient)
    if known := store.adverse_of(connection, given.id):
        if known.patient not in people.ids(connection, patient):
            raise Conflict("this id is taken", {"de": "diese Kennung ist vergeben", "en": "this id is taken"})
        return known
    is_suspending = kind.suspends(given.region, given.grade)
    made = Adverse(
        given.id, file.site, file.patient, given.region, given.kind, given.grade, given.session, given.cure,
        is_suspending, given.detail, given.happened_at, by.name, datetime.now(UTC),
    )  # fmt: skip
    store.add_adverse(connection, made, by)
    data: dict[str, object] = {
        "patient": str(file.patient), "grade": given.grade, "kind": given.kind,
        "session": given.session and str(given.session),
    }  # fmt: skip
    tell(office, connection, file.site, "patient.adverse", data, made.at)
    if is_suspending:
        suspend(
            office, connection, patient=patient, region=None, reason="adverse", adverse=True, by=by,
            detail=f"{given.kind} {given.grade}", subject=subject,
        )  # fmt: skip
    return made


def _checked(given: Report) -> Kind:
    kind = kinds().get(given.kind)
    if kind is None:
        shown = given.kind[:40]
        raise _invalid(
            f"kind is {shown!r}: one of {', '.join(kinds())}",
            f"Art ist „{shown}“: eine von {', '.join(kinds())}",
        )
    if given.grade not in grades():
        raise _invalid(f"grade is {given.grade}: from 1 to 5", f"Grad ist {given.grade}: von 1 bis 5")
    require_past(given.happened_at)
    return kind


def require_past(at: datetime) -> None:
    """Raise Invalid for a time that is not in the last year."""
    now = datetime.now(UTC)
    if not now - LONGEST_AGO <= at <= now + AHEAD:
        said = at.isoformat(timespec="minutes")
        raise _invalid(
            f"the time is {said}: within the last year and not ahead",
            f"der Zeitpunkt ist {said}: innerhalb des letzten Jahres und nicht in der Zukunft",
        )


@cache
def _read() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def _invalid(english: str, german: str) -> Invalid:
    words: Text = {"de": german, "en": english}
    return Invalid(english, words)

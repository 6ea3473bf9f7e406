"""Who lets which billing office have what it needs to collect: given, withdrawn, never changed.

Without it a name on an invoice is a breach of confidence (§ 203 StGB), and health data may not leave at all
(Art. 9 Abs. 2 a DSGVO); § 10 Abs. 6 GOZ asks dentists for the same in writing. It is for one office under
the name that it had: another company behind the same short name gets nothing.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, insert, select

from broker.fields import Slug
from services.billing.charges import patients
from services.billing.charges.tables import CASES, PATIENTS
from services.billing.errors import Conflict, Invalid, NotFound, other_work, said
from services.billing.exchange.tables import DISCLOSURES
from services.billing.models import BillingOffice
from services.kit.language import Text

LAW: Final = "§ 203 StGB, Art. 9 Abs. 2 a DSGVO"
EARLIEST: Final = date(2000, 1, 1)


class Withdrawal(BaseModel):
    """The day on which somebody took it back."""

    model_config = ConfigDict(extra="forbid")

    request: UUID
    on: date


class Consent(Withdrawal):
    """A signed consent; ``note`` says where the paper is."""

    site: Slug
    patient: UUID
    office: str = Field(max_length=40)
    note: str | None = Field(None, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")


@dataclass(frozen=True, slots=True)
class Act:
    """One of them as it was recorded."""

    id: UUID
    site: str
    patient: UUID
    office: str
    office_name: str
    kind: Literal["given", "withdrawn"]
    on: date
    note: str | None
    by: str
    at_us: int

    def body(self) -> dict[str, Any]:
        """As pages show it."""
        return {
            "id": str(self.id), "office": self.office, "office_name": self.office_name, "kind": self.kind,
            "on": self.on.isoformat(), "note": self.note, "by": self.by, "at_us": self.at_us,
        }  # fmt: skip


def of_person(connection: Connection, site: str, patient: UUID) -> list[Act]:
    """What somebody gave and took back at a site, newest first."""
    at = (DISCLOSURES.c.site == site) & DISCLOSURES.c.patient.in_(patients.files(connection, patient))
    wanted = select(DISCLOSURES).where(at).order_by(DISCLOSURES.c.seq.desc())
    return [_act(row) for row in connection.execute(wanted).mappings()]


def lacking(acts: list[Act], office: BillingOffice) -> Text | None:
    """Why this office may not have this person's data; None where it may. ``acts``: newest first."""
    last = next((act for act in acts if act.office == office.id), None)
    if last is None:
        return {
            "de": f"Keine Einwilligung in die Weitergabe an {office.name} ({LAW}).",
            "en": f"no consent to handing data to {office.name} ({LAW})",
        }
    if last.kind == "withdrawn":
        return {
            "de": f"Einwilligung am {last.on:%d.%m.%Y} widerrufen (Art. 7 Abs. 3 DSGVO).",
            "en": f"consent withdrawn on {last.on} (Art. 7 Abs. 3 DSGVO)",
        }
    if last.office_name != office.name:
        return {
            "de": f"Die Einwilligung gilt „{last.office_name}“, die Stelle heißt jetzt „{office.name}“ "
            "(Art. 4 Nr. 11 DSGVO: für den bestimmten Fall).",
            "en": f"the consent is for “{last.office_name}”, the office is now “{office.name}” "
            "(Art. 4 Nr. 11 DSGVO: specific)",
        }
    return None


def give(
    connection: Connection, body: Consent, office: BillingOffice, today: date, by: str, at_us: int
) -> Act:
    """Record a consent; the same request again is the same one. Raises Invalid, Conflict, NotFound."""
    _one_at_a_time(connection, body.patient)
    if (made := _by_request(connection, body.request)) is not None:
        same = (made.site, made.patient, made.office, made.kind, made.on)
        if same != (body.site, body.patient, body.office, "given", body.on):
            raise other_work(body.request)
        return made
    _require_here(connection, body.site, body.patient)
    _require_day(body.on, EARLIEST, today)
    if lacking(of_person(connection, body.site, body.patient), office) is None:
        raise said(
            Conflict,
            {
                "de": f"Die Einwilligung für {office.name} liegt schon vor.",
                "en": f"there is a consent for {office.name} already",
            },
        )
    act = Act(
        uuid4(), body.site, body.patient, office.id, office.name, "given", body.on, body.note or None,
        by[:80], at_us,
    )  # fmt: skip
    return _add(connection, act, body.request)


def withdraw(connection: Connection, given: Act, body: Withdrawal, today: date, by: str, at_us: int) -> Act:
    """Record that it counts no more; no reason is asked for. Raises Invalid, Conflict."""
    _one_at_a_time(connection, given.patient)
    if (made := _by_request(connection, body.request)) is not None:
        if (made.site, made.office, made.kind, made.on) != (given.site, given.office, "withdrawn", body.on):
            raise other_work(body.request)
        return made
    acts = of_person(connection, given.site, given.patient)
    last = next((act for act in acts if act.office == given.office), None)
    if last is None or last.id != given.id or given.kind != "given":
        raise said(
            Conflict,
            {
                "de": f"Diese Einwilligung für {given.office_name} gilt nicht mehr.",
                "en": f"this consent for {given.office_name} counts no more",
            },
        )
    _require_day(body.on, given.on, today)
    act = Act(
        uuid4(), given.site, given.patient, given.office, given.office_name, "withdrawn", body.on, None,
        by[:80], at_us,
    )  # fmt: skip
    return _add(connection, act, body.request)


def one(connection: Connection, disclosure: UUID) -> Act:
    """By its id. Raises NotFound."""
    row = (
        connection.execute(select(DISCLOSURES).where(DISCLOSURES.c.id == str(disclosure))).mappings().first()
    )
    if row is None:
        raise unknown(disclosure)
    return _act(row)


def unknown(disclosure: UUID) -> NotFound:
    """There is none, or none that this caller may see."""
    return said(
        NotFound,
        {"de": f"Einwilligung {disclosure} gibt es nicht.", "en": f"there is no consent {disclosure}"},
    )


def _require_here(connection: Connection, site: str, patient: UUID) -> None:
    """Raises NotFound for somebody of another site who is not treated here."""
    files = patients.files(connection, patient)
    own = select(PATIENTS.c.patient).where(PATIENTS.c.patient.in_(files), PATIENTS.c.site == site).limit(1)
    treated = select(CASES.c.id).where(CASES.c.site == site, CASES.c.patient.in_(files)).limit(1)
    if connection.execute(own).first() is None and connection.execute(treated).first() is None:
        raise said(
            NotFound,
            {"de": f"Patient {patient} gibt es nicht.", "en": f"there is no patient {patient}"},
        )


def _require_day(on: date, first: date, today: date) -> None:
    if not first <= on <= today:
        raise said(
            Invalid,
            {
                "de": f"Tag {on:%d.%m.%Y}: vom {first:%d.%m.%Y} bis heute, {today:%d.%m.%Y}.",
                "en": f"day {on}: from {first} to today, {today}",
            },
            field="on",
        )


def _one_at_a_time(connection: Connection, patient: UUID) -> None:
    """Two desks that record at once take turns: the file's row is held."""
    at = PATIENTS.c.patient == str(patients.current(connection, patient))
    connection.execute(select(PATIENTS.c.patient).where(at).with_for_update())


def _by_request(connection: Connection, request: UUID) -> Act | None:
    wanted = select(DISCLOSURES).where(DISCLOSURES.c.request == str(request))
    row = connection.execute(wanted).mappings().first()
    return None if row is None else _act(row)


def _add(connection: Connection, act: Act, request: UUID) -> Act:
    connection.execute(
        insert(DISCLOSURES).values(
            id=str(act.id), request=str(request), site=act.site, patient=str(act.patient), office=act.office,
            office_name=act.office_name, kind=act.kind, on_date=act.on, note=act.note, by=act.by,
            at_us=act.at_us,
        )
    )  # fmt: skip
    return act


def _act(row: Any) -> Act:
    return Act(
        UUID(row["id"]), row["site"], UUID(row["patient"]), row["office"], row["office_name"], row["kind"],
        row["on_date"], row["note"], row["by"], row["at_us"],
    )  # fmt: skip

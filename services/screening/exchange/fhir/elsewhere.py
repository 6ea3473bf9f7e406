"""Procedure: what was done elsewhere, an operation on the spine, injections, as a hospital sends it.

It is kept as it was sent and never changed. It decides nothing: the questionnaire asks about operations, and
an answer suspends; this is for the clinician who looks.
"""

import json
import unicodedata
from collections.abc import Iterator
from datetime import date
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from sqlalchemy import Connection, RowMapping, insert, select
from sqlalchemy.exc import IntegrityError

from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.fhir import FhirInvalid, Resource, checked
from services.kit.moments import now_us
from services.screening.errors import Conflict
from services.screening.exchange.fhir.treatments import PROCEDURES, reference
from services.screening.exchange.tables import PROCEDURE
from services.screening.patients.models import File
from services.screening.patients.store import family
from services.screening.zones import latest_day

TAKEN: Final = ("completed", "stopped", "unknown")
MOST_CHARACTERS: Final = 20_000  # of one resource
_BLANKS: Final = "\n\r\t"
_DAY: Final = len("2026-11-22")


# --- reading ----------------------------------------------------------------------------------------------
def procedures(connection: Connection, found: File) -> list[Resource]:
    """Everything that others did, in the order in which it came."""
    ids = [str(one) for one in family(connection, found.patient)]
    query = select(PROCEDURE).where(PROCEDURE.c.patient.in_(ids)).order_by(PROCEDURE.c.at_us, PROCEDURE.c.id)
    return [resource(row, found.patient) for row in connection.execute(query).mappings()]


def patient_of(connection: Connection, procedure: UUID) -> UUID | None:
    """Whose it is."""
    found = connection.execute(select(PROCEDURE.c.patient).where(PROCEDURE.c.id == str(procedure))).scalar()
    return UUID(found) if found else None


def resource(row: RowMapping, patient: UUID) -> Resource:
    """One of them, as it was sent, with its id and its patient here."""
    said = json.loads(row["resource"])
    return checked("Procedure", said | {"id": row["id"], "subject": reference(patient)})


# --- writing ----------------------------------------------------------------------------------------------
def keep(office: Office, who: Principal, file: File, sent: Resource) -> Resource:
    """Keep it; sent twice under one identifier it is there once. Raises FhirInvalid, Conflict."""
    _require_sound(sent, file)
    known = [row for row in sent.get("identifier") or [] if row.get("value")]
    name = f"{file.patient}|{known[0].get('system')}|{known[0]['value']}" if known else ""
    key = uuid5(NAMESPACE_URL, name) if name else uuid4()
    said = {key: value for key, value in sent.items() if key not in ("id", "meta", "subject")}
    text = json.dumps(said, ensure_ascii=False, sort_keys=True)
    if len(text) > MOST_CHARACTERS:
        raise FhirInvalid([("", f"has {len(text)} characters: {MOST_CHARACTERS} at most")])
    row = {
        "id": str(key), "site": file.site, "patient": str(file.patient), "resource": text, "at_us": now_us(),
        "account": who.account[:36], "name": who.name[:80],
    }  # fmt: skip
    office.seen(who, "procedure.added", str(file.patient), file.site, id=str(key))
    try:
        with writing(office.engine) as connection:
            connection.execute(insert(PROCEDURE), row)
    except IntegrityError:
        _require_same(office, key, text)
    with reading(office.engine) as connection:
        kept = connection.execute(select(PROCEDURE).where(PROCEDURE.c.id == str(key))).mappings().one()
    return resource(kept, file.patient)


def _require_same(office: Office, key: UUID, text: str) -> None:
    with reading(office.engine) as connection:
        known = connection.execute(select(PROCEDURE.c.resource).where(PROCEDURE.c.id == str(key))).scalar()
    if known != text:
        raise Conflict(
            f"Procedure/{key} has this identifier and says something else; what was kept is not changed",
            {
                "de": f"Procedure/{key} hat diesen Identifier und sagt etwas anderes; "
                "Aufbewahrtes wird nicht geändert.",
                "en": f"Procedure/{key} has this identifier and says something else; "
                "what was kept is not changed.",
            },
        )


def _require_sound(sent: Resource, file: File) -> None:
    """FHIR's definition holds already; these are ours."""
    if sent.get("status") not in TAKEN:
        what = f"is {str(sent.get('status'))[:40]!r}: only what was done is taken, {', '.join(TAKEN)}"
        raise _refused("status", what, f"übernommen wird nur, was geschehen ist: {', '.join(TAKEN)}.")
    code = sent.get("code") or {}
    codings = code.get("coding") or []
    if not code.get("text") and not any(row.get("code") or row.get("display") for row in codings):
        raise _refused("code", "is empty: a coding or a text is needed", "Coding oder Text fehlt.")
    if any(row.get("system") == PROCEDURES for row in codings):
        what = f"is of {PROCEDURES}: sessions here are written by their beds alone"
        raise _refused("code", what, "Sitzungen hier schreiben nur ihre Geräte.")
    for text in _texts(sent):
        wrong = next(
            (it for it in text if unicodedata.category(it) in ("Cc", "Cs") and it not in _BLANKS), ""
        )
        if wrong:
            raise _refused(
                "", f"holds the control character U+{ord(wrong):04X}",
                f"enthält das Steuerzeichen U+{ord(wrong):04X}.",
            )  # fmt: skip
    _require_past(sent, file.content.birth_date)


def _require_past(sent: Resource, born: date) -> None:
    """From the patient's birth to today, as exactly as it is said: a year, a month, a day or a moment."""
    period = sent.get("performedPeriod") or {}
    said = [sent.get("performedDateTime"), period.get("start"), period.get("end")]
    days = [str(one)[:_DAY] for one in said if one]
    if not days:
        what = "is needed, as performedDateTime or performedPeriod: when it was done"
        raise _refused("performed[x]", what, "wann es geschehen ist, fehlt.")
    first, last = born.isoformat(), latest_day().isoformat()
    for day in days:
        if not first[: len(day)] <= day <= last[: len(day)]:
            raise _refused(
                "performed[x]", f"is {day}: from the patient's birth on {first} to today, {last}",
                f"{day}: möglich ist von der Geburt am {first} bis heute, {last}.",
            )  # fmt: skip


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _refused(place: str, english: str, german: str) -> FhirInvalid:
    where = f"Procedure.{place}" if place else "Procedure"
    return FhirInvalid([(where, english)], {"de": f"{where}: {german}", "en": f"{where} {english}"})

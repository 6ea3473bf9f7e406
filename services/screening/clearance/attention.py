"""Whom a clinician has to look at today: suspended, or a review is due."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from services.kit.auth.principal import Sites
from services.kit.business.service import Office
from services.screening import zones
from services.screening.clearance import store
from services.screening.clearance.ending import Ending, ahead, disputed, endings, soon
from services.screening.clearance.gates import progress
from services.screening.clearance.models import Suspension
from services.screening.clearance.words import gates, reasons
from services.screening.patients import store as patients

RECENT: Final = timedelta(days=30)  # a cure without a session for so long waits for no look


def needing(office: Office, connection: Connection, sites: Sites) -> list[dict[str, Any]]:
    """One row a patient: why, since when; adverse events first, then the longest waiting.

    A suspension that only takes a clearance away waits for nobody once that clearance has run out.
    """
    by_patient: dict[UUID, list[Suspension]] = {}
    opened = store.open_at(connection, sites)
    heads = _heads(connection, [found.patient for found in opened])
    for found in opened:
        by_patient.setdefault(heads.get(found.patient, found.patient), []).append(found)
    treated = _heads(
        connection, store.patients_treated(connection, sites, min(gates()), datetime.now(UTC) - RECENT)
    )
    for head in treated.values():
        by_patient.setdefault(head, [])
    ends = _ending(office, connection, sites)
    for patient in ends:
        by_patient.setdefault(patient, [])
    rows = [
        _row(connection, sites, patient, found, ends.get(patient, []))
        for patient, found in by_patient.items()
    ]
    return sorted((row for row in rows if row), key=lambda row: (not row["adverse"], row["since"]))


def _row(
    connection: Connection, sites: Sites, patient: UUID, found: list[Suspension], ends: list[Ending]
) -> dict[str, Any] | None:
    file = patients.current(connection, patient)
    if file is None or (sites is not None and file.site not in sites):
        return None  # (a bed of another site may have told of a session of theirs)
    ids = patients.family(connection, patient)
    now = datetime.now(UTC)
    running = {given.region for given in store.clearances(connection, ids) if given.is_signed(now)}
    waiting = [one for one in found if _matters(one, running)]
    due = [
        {
            "number": gate.after, "cure": one.cure and str(one.cure), "region": one.region,
            "text_de": gate.de, "text_en": gate.en, "completed": one.completed, "suspends": gate.suspends,
            "since": one.last_at and one.last_at.isoformat(),
        }
        for one in progress(connection, ids)
        for gate in one.due()
        if gate.suspends or one.last_at is None or one.last_at >= now - RECENT
    ]  # fmt: skip
    if not waiting and not due and not ends:
        return None
    times = [one.at.isoformat() for one in waiting] + [row["since"] for row in due if row["since"]]
    times = times or [now.isoformat()]
    return {
        "patient": str(file.patient), "site": file.site, "family_name": file.content.family_name,
        "given_name": file.content.given_name, "birth_date": file.content.birth_date.isoformat(),
        "adverse": any(one.adverse for one in waiting), "since": min(times),
        "suspensions": [one.as_json() for one in waiting], "gates": due,
        "ask_again": [one.as_json() for one in ends],
    }  # fmt: skip


def _ending(office: Office, connection: Connection, sites: Sites) -> dict[UUID, list[Ending]]:
    """Who has to be asked again soon, or their clearance ends before what was signed."""
    now = datetime.now(UTC)
    found: dict[UUID, dict[str, Ending]] = {}
    is_every = (disputed(office) or {}).get("aged_answers") == "listed"  # no clearance shows what has aged
    for given in store.signed_at(connection, sites, now):
        ends_before = given.valid_until < min(given.signed_until, now + ahead())
        file = patients.current(connection, given.patient) if ends_before or is_every else None
        if file is None:
            continue
        today = zones.today(connection, file.site)
        for one in soon(endings(office, connection, file.patient, given.region), today):
            found.setdefault(file.patient, {})[one.of] = one
    return {patient: sorted(by.values(), key=lambda one: one.on) for patient, by in found.items()}


def _matters(one: Suspension, running: set[str]) -> bool:
    if not reasons()[one.reason].needs_clearance:
        return True
    return bool(running) if one.region is None else one.region in running


def _heads(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """The file that counts of each."""
    found = patients.names_of(connection, list(dict.fromkeys(ids)))
    return {one: UUID(row["id"]) for one, row in found.items()}

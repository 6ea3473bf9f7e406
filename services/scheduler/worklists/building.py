"""What each bed of a site is told of today: appointments with prescription and clearance, and who is
suspended.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from broker.messages import Suspension, WorklistEntry
from services.scheduler.booking import care
from services.scheduler.booking import store as booking
from services.scheduler.booking.models import Appointment
from services.scheduler.resources import store as resources

TO_COME: Final = frozenset({"booked", "undecided"})  # an aborted session may be taken up again
MOST_ENTRIES: Final = 100  # of one bed and day
MOST_SUSPENDED: Final = 1200  # of one list: with MOST_ENTRIES below the contract's size


@dataclass(frozen=True, slots=True)
class Draft:
    """One bed's list before names are in it."""

    site: str
    device: str
    sealing_key: str | None
    entries: tuple[WorklistEntry, ...]
    suspended: tuple[Suspension, ...]


def drafts(connection: Connection, site: str, now: datetime) -> list[Draft]:
    """The lists of a site's beds on its day of now; those whose gateway no longer has them are empty."""
    day = now.astimezone(resources.site_of(connection, site).clock).date()
    planned = [one for one in booking.of_day(connection, site, None, day) if one.state in TO_COME]
    patients = {one.patient for one in planned}
    cleared = care.clearances(connection, patients, now)
    suspended = _suspended(connection, site, patients)
    return [
        Draft(
            site, bed.device, bed.sealing_key if bed.is_there else None,
            tuple(_entries(planned, bed.device, cleared)) if bed.is_there else (), suspended,
        )
        for bed in resources.devices(connection, site)
    ]  # fmt: skip


def _entries(
    planned: Sequence[Appointment], device: str, cleared: dict[tuple[str, str], dict[str, Any]]
) -> Iterable[WorklistEntry]:
    here = [one for one in planned if one.device == device]
    for one in here[:MOST_ENTRIES]:
        clearance = cleared.get((str(one.patient), one.region))
        yield WorklistEntry(
            appointment=one.appointment,
            patient=one.patient,
            cure=one.cure,
            session_number=one.number,
            starts_at=one.starts_at,
            ends_at=one.ends_at,
            prescription=dict(one.prescription) if one.prescription is not None else None,
            clearance=clearance["token"] if clearance else None,
            patient_sealed=None,
        )


def _suspended(connection: Connection, site: str, patients: set[UUID]) -> tuple[Suspension, ...]:
    """Everybody of the site, and whoever comes today from another; under every id that they go by."""
    ids = {one for patient in patients for one in care.same(connection, patient)}
    rows = {
        (row.patient, row.region, row.since, row.reason): row
        for row in [
            *care.suspended(connection, site),
            *(care.suspended(connection, patients=sorted(ids)) if ids else ()),
        ]
    }
    named = [
        row if one == row.patient else row.model_copy(update={"patient": one})
        for row in rows.values()
        for one in _all_ids(connection, row.patient)
    ]
    # What cannot be told is told of those first who could lie on a bed today, then of the gravest and newest.
    named.sort(key=lambda row: (row.patient not in ids, not row.adverse, -row.since.timestamp()))
    chosen = named[:MOST_SUSPENDED]
    return tuple(sorted(chosen, key=lambda row: (row.since, str(row.patient), row.region or "", row.reason)))


def _all_ids(connection: Connection, patient: UUID) -> list[UUID]:
    return sorted({patient, *care.same(connection, care.current(connection, patient))})

"""Suspending at once, and restoring by a clinician's signed reason."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlalchemy import Connection

from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.screening.clearance import people, store
from services.screening.clearance.models import Signed, Suspension
from services.screening.clearance.words import reasons

MOST_SAID = 1000  # characters of a suspension's detail


def suspend(
    office: Office,
    connection: Connection,
    *,
    patient: UUID,
    region: str | None,
    reason: str,
    adverse: bool = False,
    by: Principal | None = None,
    detail: str = "",
    subject: str = "",
) -> UUID | None:
    """Nobody treats this region (None: neither) of this patient until a clinician has signed why they may.

    ``reason`` is a row of reasons.toml. While one of the same reason, region and subject is open it stays
    the only one. None where there is nothing to suspend: an unknown patient, or a reason that only takes a
    clearance away and there is none.
    """
    row = reasons()[reason]
    file = people.find(connection, patient)
    if file is None:
        return None
    ids, now = people.ids(connection, file.patient), datetime.now(UTC)
    if row.needs_clearance and not _is_cleared(connection, ids, region, now):
        return None
    for known in store.open_suspensions(connection, ids):
        if (known.region, known.reason, known.subject, known.adverse) == (region, reason, subject, adverse):
            return known.id
    made = Suspension(
        uuid4(), file.site, file.patient, region, reason, subject, adverse, detail[:MOST_SAID],
        by.name if by else None, now, None,
    )  # fmt: skip
    store.add_suspension(connection, made, by)
    data = {
        "suspension": str(made.id), "patient": str(made.patient), "region": region, "reason": reason,
        "adverse": adverse,
    }  # fmt: skip
    tell(office, connection, made.site, "clearance.suspended", data, now)
    return made.id


def close(office: Office, connection: Connection, found: Suspension, signed: Signed) -> None:
    """A suspension is over; a clearance that it rested on is the caller's to issue anew."""
    store.add_restoration(connection, found, signed)
    data = {"suspension": str(found.id), "patient": str(found.patient), "region": found.region}
    tell(office, connection, found.site, "clearance.restored", data, signed.at)


def tell(
    office: Office, connection: Connection, site: str, kind: str, data: Mapping[str, object], at: datetime
) -> None:
    """Put an event of clearances into the outbox."""
    event = ClinicEvent.model_validate({"id": uuid4(), "type": kind, "time": at, "data": data})
    office.outbox.add(connection, STREAMS[kind.partition(".")[0]], site, event)


def _is_cleared(connection: Connection, ids: list[UUID], region: str | None, now: datetime) -> bool:
    return any(
        given.is_signed(now) and region in (None, given.region) for given in store.clearances(connection, ids)
    )

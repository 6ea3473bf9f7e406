"""What the exchange keeps of what it hears: results of sessions, appointments of the scheduler."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from broker.messages import ClinicEvent, Event
from services.kit.business.inbox import Heard
from services.kit.moments import EPOCH, instant_of, now_us
from services.screening.exchange import store
from services.screening.patients.store import current

_STATES: Final = {  # of the last event of an appointment
    "appointment.booked": "booked",
    "appointment.moved": "booked",
    "appointment.cancelled": "cancelled",
    "appointment.missed": "missed",
    "appointment.completed": "completed",
    "appointment.undecided": "undecided",
}
_NO_NUMBER: Final = {
    "why_de": "Das Praxisprogramm hat für diese Akte keine Patientennummer genannt.",
    "why_en": "The practice system has given no patient's number for this file.",
}


def session(connection: Connection, heard: Heard) -> None:
    """A session has ended: its result is due where the practice system knows the patient by a number."""
    event = heard.message
    if not isinstance(event, Event) or event.summary is None:
        return
    summary = event.summary
    if current(connection, summary.patient) is None:
        return  # nobody of ours: simulated beds treat such
    rows = store.numbers_of(connection, summary.patient, store.GDT)
    addressed = any(row["site"] == heard.site for row in rows)
    row = {
        "session": str(summary.session), "site": heard.site, "device": heard.device,
        "patient": str(summary.patient), "summary": summary.model_dump_json(),
        "state": "due" if addressed else "unaddressed",
    }  # fmt: skip
    store.put_result(connection, row | ({} if addressed else _NO_NUMBER))


def appointment(connection: Connection, heard: Heard) -> None:
    """An appointment was made, moved or ended: kept for the copy of the file (GDPR 15)."""
    event = heard.message
    if not isinstance(event, ClinicEvent) or event.type not in _STATES:
        return
    data = event.data
    row = {
        "appointment": _id(data.get("appointment")), "site": heard.site, "patient": _id(data.get("patient")),
        "cure": _id(data.get("cure")), "device": _slug(data.get("device")),
        "number": data.get("number") if isinstance(data.get("number"), int) else None,
        "state": _STATES[event.type], "reason": _slug(data.get("reason")),
        "starts_us": _us(data.get("starts_at")), "ends_us": _us(data.get("ends_at")),
        "said_us": _us(event.time.isoformat()) or now_us(),
    }  # fmt: skip
    if row["appointment"] and row["patient"]:
        store.put_appointment(connection, row)


def _id(value: object) -> str | None:
    try:
        return str(UUID(str(value)))
    except ValueError:
        return None


def _slug(value: object) -> str | None:
    return value[:200] if isinstance(value, str) and value else None


def _us(value: object) -> int | None:
    """A time with a zone, in whole microseconds."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return round((at - EPOCH).total_seconds() * 1_000_000) if at.tzinfo else None


def moment(at_us: int | None) -> datetime | None:
    """Back again."""
    return None if at_us is None else instant_of(at_us)

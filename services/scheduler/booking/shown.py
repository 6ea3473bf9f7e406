"""Appointments as the API shows them."""

from typing import Any

from services.scheduler.booking.models import Appointment

Row = dict[str, Any]


def shown(one: Appointment) -> Row:
    """One of them."""
    return {
        "appointment": one.appointment, "cure": one.cure, "patient": one.patient, "site": one.site,
        "device": one.device, "therapist": one.therapist, "region": one.region, "segment": one.segment,
        "number": one.number, "sessions": one.sessions or None,
        "starts_at": one.starts_at, "ends_at": one.ends_at, "free_at": one.free_at,
        "state": one.state, "confirmed": one.confirmed, "session": one.session,
        "prescription": one.prescription,
    }  # fmt: skip

"""A patient's file has changed: their sealed name is asked for anew."""

from contextlib import suppress
from uuid import UUID

from sqlalchemy import Connection

from broker.messages import ClinicEvent
from services.kit.business.inbox import Heard
from services.scheduler.worklists import store


def hear(connection: Connection, heard: Heard) -> None:
    """Forget the name of whomever an event of patients is about."""
    event = heard.message
    if not isinstance(event, ClinicEvent) or event.type == "patient.adverse":
        return
    patients = []
    for name in ("patient", "into"):
        with suppress(ValueError, TypeError, AttributeError):
            patients.append(UUID(str(event.data.get(name))))
    store.forget_names(connection, patients)

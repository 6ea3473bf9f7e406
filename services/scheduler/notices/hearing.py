"""Of somebody whose file is erased no calendar is left."""

from sqlalchemy import Connection

from broker.messages import ClinicEvent
from services.kit.business.inbox import Heard
from services.scheduler.notices import store


def hear(connection: Connection, heard: Heard) -> None:
    """An event of a patient's file."""
    event = heard.message
    if isinstance(event, ClinicEvent) and event.type == "patient.erased":
        store.forget_patient(connection, str(event.data.get("patient")))

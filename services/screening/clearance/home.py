"""Pain at home: a report above its programme's limit suspends until a clinician has signed why not."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import Connection

from services.kit.business import told
from services.kit.business.inbox import Handler, Heard
from services.kit.business.service import Office
from services.kit.business.told import Told, Types
from services.screening.clearance import people, store
from services.screening.clearance.suspension import suspend
from services.screening.clearance.words import REGIONS

REASON: Final = "home-pain"


class _Reported(Told):
    """``region`` may be thoracic, which nobody clears: then neither region is treated meanwhile."""

    report: UUID
    patient: UUID
    region: Literal["lumbar", "thoracic", "cervical"]
    exercise: str | None = Field(None, max_length=60)
    pain_nrs: int = Field(ge=0, le=10)
    above: bool


def hear_home(office: Office) -> Handler:
    """The handler of home programmes; each report suspends once, however often it is told."""

    def reported(connection: Connection, _site: str, said: _Reported, _at: datetime) -> None:
        file = people.find(connection, said.patient) if said.above else None
        if file is None:
            return
        known = store.suspensions(connection, people.ids(connection, file.patient))
        if any((one.reason, one.subject) == (REASON, str(said.report)) for one in known):
            return
        suspend(
            office, connection, patient=file.patient, reason=REASON, subject=str(said.report),
            region=said.region if said.region in REGIONS else None,
            detail=f"{said.exercise or '-'}: {said.pain_nrs}/10",
        )  # fmt: skip

    types: Types = {"pain.reported": (_Reported, reported)}

    def hear(connection: Connection, heard: Heard) -> None:
        told.hear(types, connection, heard)

    return hear

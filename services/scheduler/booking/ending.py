"""The end of a cure: by the desk, or by itself when nothing of it is to come or to be decided."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from services.scheduler.booking import care, store
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.models import Appointment

Row = dict[str, Any]


def call_off(
    desk: Desk, connection: Connection, chosen: Sequence[Appointment], by: str, reason: str
) -> list[Appointment]:
    """Rows, history and what is told."""
    changed = [replace(one, state="cancelled") for one in chosen]
    store.put(connection, "cancelled", changed, by, reason, desk.at_us)
    desk.tell_all(connection, "cancelled", changed, reason)
    return changed


def end_cure(desk: Desk, connection: Connection, cure: UUID, reason: str, by: str) -> list[Appointment]:
    """Nothing more of it takes place: what is still to come is called off."""
    known = store.cure_of(connection, cure)
    care.hold_patient(connection, UUID(known["patient"]), known["site"])  # first, as everybody does
    row = store.cure_of(connection, cure, lock=True)
    if row["ended_us"] is not None:
        return []
    every = store.of_cure(connection, cure)
    now: datetime = desk.now()
    left = [one for one in every if one.state == "booked" and one.starts_at > now]
    changed = call_off(desk, connection, left, by, reason)
    _note_end(desk, connection, row, every, reason)
    return changed


def end_if_over(desk: Desk, connection: Connection, cure: UUID) -> None:
    """A cure ends by itself when nothing of it is to come or to be decided."""
    row = store.cure_of(connection, cure)
    every = store.of_cure(connection, cure)
    if row["ended_us"] is None and not any(one.state in ("booked", "undecided") for one in every):
        _note_end(desk, connection, row, every, "completed")


def _note_end(
    desk: Desk, connection: Connection, row: Row, every: Sequence[Appointment], reason: str
) -> None:
    store.change_cure(connection, UUID(row["cure"]), ended_us=desk.at_us, end_reason=reason)
    held = sum(one.state == "completed" for one in every)
    desk.tell(
        connection, "cure.ended", row["site"], cure=row["cure"], patient=row["patient"],
        region=row["region"], sessions=held, reason=reason,
    )  # fmt: skip

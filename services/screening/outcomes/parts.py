"""This room's share of a patient's file: for the copy, the retention and the erasure."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, delete

from services.screening.clearance import store as clearances
from services.screening.clearance import tables as of_clearances
from services.screening.outcomes import store, tables
from services.screening.patients.parts import Part

TABLES: Final = (
    of_clearances.CLEARANCE,
    of_clearances.CLEARANCE_END,
    of_clearances.SUSPENSION,
    of_clearances.RESTORATION,
    of_clearances.SESSION,
    of_clearances.GATE,
    tables.OUTCOME,
    tables.ADVERSE,
)


def _rows(connection: Connection, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    gates = [
        {**row, "cure": row["cure"] and str(row["cure"]), "signed": row["signed"].as_json()}
        for row in clearances.gate_signatures(connection, ids)
    ]
    parts = {
        "session": [held.as_json() for held in clearances.sessions(connection, ids)],
        "outcome": [row.as_json() for row in store.outcomes(connection, ids)],
        "adverse": [event.as_json() for event in store.adverse(connection, ids)],
        "clearance": [given.as_json() for given in clearances.clearances(connection, ids)],
        "suspension": [one.as_json() for one in clearances.suspensions(connection, ids)],
        "gate": gates,
    }
    return [{"what": what, **row} for what, rows in parts.items() for row in rows]


def _last_on(connection: Connection, ids: Sequence[UUID]) -> date | None:
    times = [held.ended_at for held in clearances.sessions(connection, ids)]
    times += [row.at for row in store.outcomes(connection, ids)]
    times += [event.at for event in store.adverse(connection, ids)]
    return max(times).date() if times else None


def _erase(connection: Connection, ids: Sequence[UUID]) -> None:
    for table in TABLES:
        connection.execute(delete(table).where(table.c.patient.in_(clearances.texts(ids))))


PART: Final = Part(
    "treatment",
    {"de": "Freigaben, Sitzungen, Verlauf, Ereignisse", "en": "Clearances, sessions, outcomes, events"},
    _rows,
    _erase,
    _last_on,
)

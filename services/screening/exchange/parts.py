"""What of a patient's file this room has: for the copy of everything, and for the erasure."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, delete, select

from services.screening.exchange.tables import APPOINTMENT, IDENTIFIER, PROCEDURE, RESULT, TAKEN
from services.screening.patients import parts

_TABLES: Final = (IDENTIFIER, TAKEN, RESULT, APPOINTMENT, PROCEDURE)


def rows(connection: Connection, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Every row of these."""
    texts = [str(one) for one in ids]
    return [
        {"kind": table.name.removeprefix("exchange_"), **row}
        for table in _TABLES
        for row in connection.execute(select(table).where(table.c.patient.in_(texts))).mappings()
    ]


def erase(connection: Connection, ids: Sequence[UUID]) -> None:
    """Without them."""
    for table in _TABLES:
        connection.execute(delete(table).where(table.c.patient.in_([str(one) for one in ids])))


PART: Final = parts.Part(
    "exchange", {"de": "Austausch mit anderen Systemen", "en": "Exchange with other systems"}, rows, erase
)

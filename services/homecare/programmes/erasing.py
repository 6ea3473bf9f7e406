"""Programmes of erased patients (Art. 17 DSGVO): closed at once, gone when nothing asks to keep them.

Screening erases a file ten years after its last entry. What was set, signed, done and reported here is part
of the treatment's record, too, and is kept for ten years after its own last day (§ 630f Abs. 3 BGB); until
then nothing shows it. What is no record goes at once: ``hearing``.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection, delete, func, select

from services.homecare.diary.tables import ANSWERS, ENTRIES, LINKS, PAINS, REMINDERS
from services.homecare.programmes.tables import PROGRAMMES, SUPERVISED, TURNS, VERSIONS
from services.homecare.tables import FILES
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.moments import Now, instant_of, utc_now

YEARS: Final = 10
ERASED: Final = select(FILES.table.c.patient).where(FILES.table.c.erased)
OF_PROGRAMME: Final = (VERSIONS, SUPERVISED, TURNS, ENTRIES, PAINS, ANSWERS, LINKS, REMINDERS)
WHEN: Final = (VERSIONS.c.at_us, SUPERVISED.c.at_us, TURNS.c.at_us, ENTRIES.c.received_us, ANSWERS.c.at_us)


class Erasing:
    """``turn`` is called again and again."""

    def __init__(self, office: Office, now: Now = utc_now) -> None:
        self._office, self._now = office, now
        self._looked: date | None = None

    def turn(self) -> int:
        """Erase what nothing keeps, once a day; how many programmes."""
        today = self._now().date()
        if today == self._looked:
            return 0
        with reading(self._office.engine) as connection:
            found = due(connection, today)
        if found:
            with writing(self._office.engine) as connection:
                erase(connection, found)
        self._looked = today
        return len(found)


def due(connection: Connection, today: date) -> list[str]:
    """Programmes of erased patients whose record has had its years."""
    erased = select(PROGRAMMES.c.id).where(PROGRAMMES.c.patient.in_(ERASED))
    programmes = connection.execute(erased).scalars()
    return [programme for programme in programmes if today >= _kept_until(connection, programme)]


def erase(connection: Connection, programmes: Iterable[str]) -> None:
    """With all that belongs to them; the database refuses it of anybody who is not erased."""
    ids = list(programmes)
    for table in OF_PROGRAMME:
        connection.execute(delete(table).where(table.c.programme.in_(ids)))
    connection.execute(delete(PROGRAMMES).where(PROGRAMMES.c.id.in_(ids)))


def _kept_until(connection: Connection, programme: str) -> date:
    latest_us = [
        connection.execute(select(func.max(column)).where(column.table.c.programme == programme)).scalar()
        for column in WHEN
    ]
    return _years_later(instant_of(max(filter(None, latest_us))))


def _years_later(moment: datetime) -> date:
    """The day after so many full years: of 29 February the 1 March."""
    day = moment.date()
    try:
        return day.replace(year=day.year + YEARS)
    except ValueError:
        return date(day.year + YEARS, 3, 1)

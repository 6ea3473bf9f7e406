"""Papers of erased patients (Art. 17 DSGVO): gone at once, or when nothing asks for them to be kept any more.

Screening erases a file ten years after its last entry (§ 630f Abs. 3 BGB). A paper that was signed, or handed
over before treatment, is part of the file and the proof that the law asks of a clinic (§ 630h Abs. 2 BGB): it
stays for ten years of its own, which covers § 147 Abs. 1 Nr. 2 and 3, Abs. 3 AO. One that led to nothing is
kept for nobody (§ 257 Abs. 2 HGB asks for letters about a transaction).
"""

from datetime import date
from typing import Final

from sqlalchemy import Connection, delete, func, select

from services.billing.charges.tables import CHARGES, PATIENTS
from services.billing.estimates.tables import ESTIMATE_WITHDRAWALS, ESTIMATES, HANDINGS, PLANNED
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.moments import Now, utc_now

YEARS: Final = 10


class Erasing:
    """``turn`` is called again and again."""

    def __init__(self, office: Office, now: Now = utc_now) -> None:
        self._office, self._now = office, now
        self._looked: tuple[date, int] | None = None  # on which day, and how many were erased then

    def turn(self) -> int:
        """Erase what nothing keeps, once a day and whenever somebody was erased; how many papers."""
        today = self._now().date()
        with reading(self._office.engine) as connection:
            count = select(func.count()).select_from(PATIENTS).where(PATIENTS.c.erased)
            state = today, connection.execute(count).scalar_one()
            if state == self._looked:
                return 0
            found = due(connection, today)
            left = _cures(connection)
        if found or left:
            with writing(self._office.engine) as connection:
                erase(connection, found, left)
        self._looked = state
        return len(found)


def due(connection: Connection, today: date) -> list[str]:
    """Papers of erased patients that nothing asks for any more."""
    columns = (ESTIMATES.c.id, ESTIMATES.c.patient)
    erased = select(*columns).join(PATIENTS, PATIENTS.c.patient == ESTIMATES.c.patient)
    rows = connection.execute(erased.where(PATIENTS.c.erased)).all()
    return [paper for paper, patient in rows if _is_over(connection, paper, patient, today)]


def erase(connection: Connection, papers: list[str], cures: list[str]) -> None:
    """With what became of them; the database refuses it of anybody who is not erased."""
    for table, column in (
        (HANDINGS, HANDINGS.c.estimate),
        (ESTIMATE_WITHDRAWALS, ESTIMATE_WITHDRAWALS.c.estimate),
        (ESTIMATES, ESTIMATES.c.id),
    ):
        connection.execute(delete(table).where(column.in_(papers)))
    connection.execute(delete(PLANNED).where(PLANNED.c.cure.in_(cures)))


def _is_over(connection: Connection, paper: str, patient: str, today: date) -> bool:
    rows = connection.execute(
        select(HANDINGS.c.how, HANDINGS.c.on_date).where(HANDINGS.c.estimate == paper)
    ).all()
    charged = connection.execute(
        select(func.max(CHARGES.c.on_date)).where(CHARGES.c.patient == patient)
    ).scalar()
    if not rows or (charged is None and all(how != "signed" for how, _ in rows)):
        return True
    last = max(filter(None, [charged, *(day for _, day in rows)]))
    return today >= _years_later(last)


def _years_later(day: date) -> date:
    """The day after so many full years: of 29 February the 1 March."""
    try:
        return day.replace(year=day.year + YEARS)
    except ValueError:
        return date(day.year + YEARS, 3, 1)


def _cures(connection: Connection) -> list[str]:
    """Plans of cures of erased patients: nobody is owed an estimate any more."""
    erased = select(PATIENTS.c.patient).where(PATIENTS.c.erased)
    return list(connection.execute(select(PLANNED.c.cure).where(PLANNED.c.patient.in_(erased))).scalars())

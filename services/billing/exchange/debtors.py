"""The account that a patient has in a clinic's books: the next free one, and then always this one."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, func, insert, select

from services.billing.errors import Invalid, said
from services.billing.exchange.tables import DEBTORS

AT_ONCE: Final = 500  # parameters of one statement


def accounts(
    connection: Connection, site: str, patients: Iterable[UUID], first: int, last: int, at_us: int
) -> dict[UUID, int]:
    """An account for each; those that have none get the next ones. Raises Invalid when there are no more.

    With one account alone all of them share it.
    """
    wanted = list(dict.fromkeys(patients))
    if first == last:
        return dict.fromkeys(wanted, first)
    known = _known(connection, site, wanted)
    new = [patient for patient in wanted if patient not in known]
    inside = (DEBTORS.c.site == site) & DEBTORS.c.account.between(first, last)
    highest = connection.execute(select(func.max(DEBTORS.c.account)).where(inside)).scalar()
    following = first if highest is None else highest + 1
    if following + len(new) - 1 > last:
        raise _exhausted(first, last, len(new))
    made = {patient: following + place for place, patient in enumerate(new)}
    rows = [
        {"site": site, "patient": str(patient), "account": account, "at_us": at_us}
        for patient, account in made.items()
    ]
    if rows:
        connection.execute(insert(DEBTORS), rows)
    return known | made


def _known(connection: Connection, site: str, patients: list[UUID]) -> dict[UUID, int]:
    found: dict[UUID, int] = {}
    for start in range(0, len(patients), AT_ONCE):
        some = [str(patient) for patient in patients[start : start + AT_ONCE]]
        at = (DEBTORS.c.site == site) & DEBTORS.c.patient.in_(some)
        rows = connection.execute(select(DEBTORS.c.patient, DEBTORS.c.account).where(at))
        found |= {UUID(row.patient): row.account for row in rows}
    return found


def _exhausted(first: int, last: int, wanted: int) -> Invalid:
    return said(
        Invalid,
        {
            "de": f"Debitorenkonten {first} bis {last}: {wanted} weitere werden gebraucht, so viele sind "
            "nicht frei. Bitte den Nummernkreis bei den Praxisdaten erweitern.",
            "en": f"debtors' accounts {first} to {last}: {wanted} more are needed, so many are not free; "
            "please widen the range at the clinic's data",
        },
        missing=["accounts.debtors_to"],
    )

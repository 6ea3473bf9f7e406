"""Which files are one person, for many at once."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select

from services.homecare.tables import FILES
from services.kit.business.files import DEEPEST
from services.kit.business.sites import unknown
from services.kit.language import Text

PATIENT: Final[Text] = {"de": "Patient/in", "en": "patient"}


@dataclass(frozen=True, slots=True)
class Person:
    """The file that holds now, and every file of theirs, as text."""

    head: str
    files: tuple[str, ...]


def people(connection: Connection, patients: Iterable[UUID | str]) -> dict[str, Person]:
    """By the files that were asked for; one query however many they are."""
    table = FILES.table
    rows = connection.execute(select(table.c.patient, table.c.into).where(table.c.into.is_not(None)))
    into = {row.patient: row.into for row in rows}
    below = defaultdict(list)
    for file in into:
        below[_head(into, file)].append(file)
    asked = {str(patient): _head(into, str(patient)) for patient in patients}
    return {
        file: Person(head, tuple(dict.fromkeys((head, *below.get(head, ()), file))))
        for file, head in asked.items()
    }


def person(connection: Connection, patient: UUID | str) -> Person:
    """One of them."""
    return people(connection, [patient])[str(patient)]


def require_patient(connection: Connection, site: str, patient: UUID, *, hold: bool = False) -> str:
    """The file that holds now, of this site and not erased. Raises NotFound.

    ``hold``: nobody else who asks so sets anything for this person until the transaction ends.
    """
    table, whole = FILES.table, person(connection, patient)
    query = select(table).where(table.c.patient.in_(whole.files)).order_by(table.c.patient)
    rows = {row.patient: row for row in connection.execute(query.with_for_update() if hold else query)}
    head = rows.get(whole.head)
    if head is None or head.erased or site not in {row.site for row in rows.values()}:
        raise unknown(PATIENT, patient)
    return whole.head


def _head(into: dict[str, str], file: str) -> str:
    for _ in range(DEEPEST):
        file = into.get(file, file)
    return file

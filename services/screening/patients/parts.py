"""What a file consists of beyond this room: a row a room, for the copy, the retention, the erasure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.language import Text

Ids = Sequence[UUID]
Rows = list[dict[str, Any]]


def _nothing(_connection: Connection, _ids: Ids) -> None:
    return None


def _no_files(_connection: Connection, _ids: Ids) -> Mapping[str, bytes]:
    return {}


@dataclass(frozen=True, slots=True)
class Part:
    """One room's share of a patient's file; every function is given all ids that the person has.

    ``rows`` goes into the copy as ``{name}.json`` and as a table of the readable document; ``files`` adds
    documents to it by their name; ``last_on`` is the day of the last entry, from which the ten years of BGB
    630f(3) run; ``erase`` deletes the room's rows, inside the transaction of the erasure.
    """

    name: str
    title: Text
    rows: Callable[[Connection, Ids], Rows]
    erase: Callable[[Connection, Ids], None]
    last_on: Callable[[Connection, Ids], date | None] = _nothing
    files: Callable[[Connection, Ids], Mapping[str, bytes]] = _no_files


def every() -> tuple[Part, ...]:
    """The rows. Imported here and not above: rooms stand on patients' files, whose erasure asks them all."""
    from services.screening.exchange.parts import PART as EXCHANGE
    from services.screening.outcomes.parts import PART as TREATMENT
    from services.screening.rules.parts import PARTS as SCREENING

    return (*SCREENING, EXCHANGE, TREATMENT)


def changed(office: Office, connection: Connection, patient: UUID, by: Principal) -> None:
    """Age, sex and weight decide as answers do: what was cleared and would not be now is suspended."""
    from services.screening.clearance.giving import go_on, look_again
    from services.screening.clearance.telling import tell_standing

    if not look_again(office, connection, patient, by):
        go_on(office, connection, patient)
    tell_standing(office, connection, patient)


def merged(office: Office, connection: Connection, patient: UUID, into: UUID, by: Principal) -> None:
    """Two files are about to be one: where their answers contradict each other, a clinician has to look."""
    from services.screening.clearance.parting import before_merge

    before_merge(office, connection, patient, into, by)


def parted(office: Office, connection: Connection, patient: UUID, of: UUID, by: Principal) -> None:
    """One file is two again: neither keeps what it had from the other, both what came up meanwhile."""
    from services.screening.clearance.parting import after_parting
    from services.screening.clearance.telling import tell_standing

    after_parting(office, connection, patient, of, by)
    for file in (patient, of):
        tell_standing(office, connection, file)


def last_days(connection: Connection, ids: Ids) -> Iterator[date]:
    """The last day of every room that has one."""
    found = (part.last_on(connection, ids) for part in every())
    return (day for day in found if day is not None)


def erase(connection: Connection, ids: Ids) -> None:
    """Every room's rows."""
    for part in every():
        part.erase(connection, ids)

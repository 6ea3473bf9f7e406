"""Files that become one, and two again: nobody is treated on what is another's or contradicts itself."""

from uuid import UUID

from sqlalchemy import Connection

from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.moments import instant_of
from services.screening.clearance import store
from services.screening.clearance.gates import suspend_by_gates
from services.screening.clearance.giving import look_again
from services.screening.clearance.suspension import suspend
from services.screening.clearance.words import reasons
from services.screening.patients import store as patients
from services.screening.patients.tables import MERGE
from services.screening.rules import store as rules


def before_merge(office: Office, connection: Connection, patient: UUID, into: UUID, by: Principal) -> None:
    """Suspend both where their answers to a question differ: the newest is not the truer."""
    one, other = (rules.answers(connection, patients.family(connection, it)) for it in (patient, into))
    differing = sorted(rule for rule in one.keys() & other.keys() if one[rule].answer != other[rule].answer)
    for file in (patient, into) if differing else ():
        suspend(
            office, connection, patient=file, region=None, reason="file", by=by, detail=", ".join(differing)
        )


def after_parting(office: Office, connection: Connection, patient: UUID, of: UUID, by: Principal) -> None:
    """Suspend the one that is taken out for whatever came up while it was one with ``of``, for nobody knows
    whose it was; then each for what it lacks by itself.
    """
    merges = patients.rows_of(connection, MERGE, [patient])
    since = instant_of(max(row["at_us"] for row in merges if row["action"] == "merged"))
    for found in store.open_suspensions(connection, patients.family(connection, of)):
        if found.at >= since and reasons()[found.reason].restored_by != "gate":
            suspend(
                office, connection, patient=patient, region=found.region, reason=found.reason,
                adverse=found.adverse, by=by, detail=found.detail, subject=found.subject,
            )  # fmt: skip
    for file in (patient, of):
        suspend_by_gates(office, connection, file)
        look_again(office, connection, file, by)

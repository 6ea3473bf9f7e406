"""What a decision comes to is told on the bus, so that nobody is booked who is refused.

The scheduler keeps the newest word of each patient and region: outcome, ids of the rules that refuse or wait
for a signature, whether a consent is in force; weight and age, to which a first prescription is held.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from services.kit.business.service import Office
from services.screening.clearance import people
from services.screening.clearance.giving import decided
from services.screening.clearance.suspension import tell
from services.screening.clearance.words import REGIONS
from services.screening.consent import store as consents
from services.screening.errors import Invalid
from services.screening.patients.models import File

Said = Mapping[str, Any]


def tell_standing(
    office: Office, connection: Connection, patient: UUID, *, known: Mapping[str, Said] | None = None
) -> None:
    """Tell how it stands now, of every region where it is not as in ``known``."""
    file = people.find(connection, patient)
    if file is None:
        return
    now = datetime.now(UTC)
    for region, said in standing(office, connection, file).items():
        if known is None or known.get(region) != said:
            data = {"patient": str(file.patient), "region": region, **said}
            tell(office, connection, file.site, "clearance.decided", data, now)


@contextmanager
def telling(office: Office, connection: Connection, patient: UUID) -> Iterator[None]:
    """Around a change inside its transaction: what it makes different is told."""
    file = people.find(connection, patient)
    before = standing(office, connection, file) if file is not None else None
    yield
    tell_standing(office, connection, patient, known=before)


def standing(office: Office, connection: Connection, file: File) -> dict[str, Said]:
    """By region what is told."""
    return {region: _of(office, connection, file, region) for region in REGIONS}


def _of(office: Office, connection: Connection, file: File, region: str) -> Said:
    said: dict[str, Any] = {"consented": consents.in_force(connection, file.patient, region) is not None}
    try:
        decision = decided(office, connection, file.patient, region)
    except Invalid:  # a file with which nothing can be decided
        return said | {"outcome": "incomplete", "rules": []}
    rules = {
        "refused": [reason.rule for reason in decision.reasons if reason.kind == "refuses"],
        "conditions": decision.unsigned,
    }.get(decision.outcome, [])
    said |= {"outcome": decision.outcome, "rules": rules, "age_years": decision.age_years}
    weight = file.content.body_weight_kg
    return said if weight is None else said | {"body_weight_kg": weight}

"""This room's share of a patient's file: for the copy, the retention and the erasure."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import Connection, Table, func, select

from services.kit.moments import instant_of
from services.screening.consent import store as consents
from services.screening.consent.signing import ENDINGS
from services.screening.consent.tables import CONSENT, EVENT
from services.screening.patients.parts import Part
from services.screening.rules import store
from services.screening.rules.tables import ANSWER, DECISION, SIGNATURE

Ids = Sequence[UUID]


def _last_on(connection: Connection, ids: Ids, *tables: Table) -> date | None:
    found = [
        connection.execute(
            select(func.max(table.c.at_us)).where(table.c.patient.in_([str(one) for one in ids]))
        ).scalar()
        for table in tables
    ]
    newest = max((at for at in found if at is not None), default=None)
    return None if newest is None else instant_of(newest).date()


def _papers(connection: Connection, ids: Ids) -> dict[str, bytes]:
    return {
        f"consents/{row['consent']}-{row['kind']}-{row['row']}.{ENDINGS[row['media_type']]}": bytes(
            row["content"]
        )
        for row in consents.papers(connection, ids)
    }


PARTS = (
    Part("answers", {"de": "Antworten im Fragebogen", "en": "Answers to the questionnaire"}, store.history,
         store.erase, lambda connection, ids: _last_on(connection, ids, ANSWER)),
    Part("conditions", {"de": "Begründete Bedingungen", "en": "Signed conditions"}, store.signed,
         lambda _connection, _ids: None, lambda connection, ids: _last_on(connection, ids, SIGNATURE)),
    Part("decisions", {"de": "Entscheidungen", "en": "Decisions"}, store.decisions,
         lambda _connection, _ids: None, lambda connection, ids: _last_on(connection, ids, DECISION)),
    Part("consents", {"de": "Einwilligungen", "en": "Consents"},
         lambda connection, ids: [row.shown() for row in consents.of_patient(connection, ids)],
         consents.erase, lambda connection, ids: _last_on(connection, ids, CONSENT, EVENT), _papers),
)  # fmt: skip

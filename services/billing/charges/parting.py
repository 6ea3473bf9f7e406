"""Charges that change their case: of two files that are one person no more, or of two cases that are one.

A charge is never changed: it is taken back in the one case and charged anew in the other. What stands on an
invoice stays there; a person is shown it (``/clear-ups``), and its cancellation sends the charges home.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select

from services.billing.charges import cases, charging, patients, store
from services.billing.charges.models import Case, Charge
from services.billing.charges.tables import SESSIONS
from services.billing.errors import Conflict, NotFound, said
from services.billing.estimates import agreeing
from services.billing.goae.charges import SessionFacts
from services.billing.invoices import drafts

PARTED: Final = "Zusammenführung der Akten aufgehoben · the merge of the files was undone"
JOINED: Final = "zum anderen Behandlungsfall der Erkrankung · to the illness's other case"
BY: Final = "billing"


def part(connection: Connection, patient: UUID, at_us: int) -> None:
    """This file is a person of its own again: open charges of sessions go to whose sessions they were."""
    _send_home(connection, store.strays(connection, files=patients.files(connection, patient)), at_us)


def settle(connection: Connection, charges: Iterable[UUID], at_us: int) -> None:
    """The same of charges that stood on an invoice until now."""
    _send_home(connection, store.strays(connection, of_these=charges), at_us)


def join(connection: Connection, case: Case, by: str, at_us: int) -> Case:
    """Charge what is open in this case in the illness's other one, drafts and all. Raises Conflict."""
    first = cases.alike(connection, case)[0]
    if first.id == case.id:
        raise said(
            Conflict,
            {
                "de": f"Zu {case.illness} gibt es hier keinen zweiten Behandlungsfall, in den dieser gehört.",
                "en": f"there is no second case of {case.illness} here that this one belongs to",
            },
        )
    target = cases.one(connection, first.id, lock=True)
    for draft in drafts.of_case(connection, case.id):
        held = drafts.charges_of(connection, draft.id)
        moved = [_moved(connection, charge, target, JOINED, by, at_us) for charge in held]
        drafts.move(connection, drafts.one(connection, draft.id), target, moved)
    left = store.open_of(connection, case.site, case=case.id)
    instead = {one.id: _moved(connection, one, target, JOINED, by, at_us).id for one in left}
    drafts.stay_out(connection, target.id, instead)
    return target


def _send_home(connection: Connection, strays: Iterable[store.Stray], at_us: int) -> None:
    for stray in strays:
        if stray.charge.is_open:
            source = cases.one(connection, stray.charge.case)
            home = cases.opened(connection, stray.owner, source.site, source.illness, at_us)
            with suppress(Conflict, NotFound):  # a desk has just invoiced it: a person is shown that
                _moved(connection, stray.charge, home, PARTED, BY, at_us)


def _moved(connection: Connection, charge: Charge, into: Case, reason: str, by: str, at_us: int) -> Charge:
    """The charge anew, by the other case's tariff where that is another one."""
    source = cases.one(connection, charge.case)
    drafts.release(connection, [charge])
    store.take_back(connection, charge, reason, by, at_us)
    line = charge.line
    if charge.session is not None and source.tariff != into.tariff:
        wanted = select(SESSIONS.c.facts).where(SESSIONS.c.session == str(charge.session))
        facts = SessionFacts.model_validate(connection.execute(wanted).scalar_one())
        anew = {one.number: one for one in charging.charged(connection, into, facts).lines}
        line = anew.get(line.number, line)
    line = line.model_copy(update={"illness": into.illness})
    (made,) = store.add(
        connection, into, [agreeing.under(connection, into.site, into.patient, line)], origin=charge.origin,
        by=by, at_us=at_us, cure=charge.cure, session=charge.session,
    )  # fmt: skip
    return made

"""Treatments of one illness, and how each is paid."""

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, insert, select, update

from services.billing.charges import patients
from services.billing.charges.models import USUAL, Case, Terms
from services.billing.charges.tables import CASES, CURES
from services.billing.errors import NotFound, said
from services.billing.models import Recipient


def opened(connection: Connection, patient: UUID, site: str, illness: str, at_us: int) -> Case:
    """The case of this illness, made where there is none; how it is paid is asked later.

    Nobody else changes how it is paid until this transaction ends.
    """
    person = patients.current(connection, patient)
    for file in patients.files(connection, person):
        here = (CASES.c.patient == file) & (CASES.c.site == site) & (CASES.c.illness == illness)
        if (found := _first(connection, here, lock=True)) is not None:
            return found
    new = {
        "id": str(uuid4()), "patient": str(person), "site": site, "illness": illness, "diagnosis": None,
        "payer": None, "tariff": USUAL, "mode": "cure", "recipient": None, "opened_us": at_us,
        "changed_us": at_us,
    }  # fmt: skip
    connection.execute(insert(CASES).values(new))
    return _case(new)


def one(connection: Connection, case: UUID, *, lock: bool = False) -> Case:
    """By its id; with ``lock`` nobody else changes it until this transaction ends. Raises NotFound."""
    found = _first(connection, CASES.c.id == str(case), lock=lock)
    if found is None:
        raise said(
            NotFound, {"de": f"Behandlungsfall {case} gibt es nicht.", "en": f"there is no case {case}"}
        )
    return found


def listed(connection: Connection, site: str, patient: UUID | None = None) -> list[Case]:
    """A site's cases, or one person's there."""
    wanted = select(CASES).where(CASES.c.site == site).order_by(CASES.c.opened_us)
    if patient is not None:
        wanted = wanted.where(CASES.c.patient.in_(patients.files(connection, patient)))
    return [_case(row) for row in connection.execute(wanted).mappings()]


def alike(connection: Connection, case: Case) -> list[Case]:
    """The cases of this illness that its person has at its site, itself among them; after a merge there may
    be two. The first is the one that is charged from now on.
    """
    order = patients.files(connection, case.patient)
    same = [
        one for one in listed(connection, case.site, case.patient) if one.same_illness == case.same_illness
    ]
    return sorted(same, key=lambda one: order.index(str(one.patient)))


def unpaid(connection: Connection, most: int = 10_000) -> list[Case]:
    """Those of whom nobody asked yet how they are paid."""
    wanted = select(CASES).where(CASES.c.payer.is_(None)).order_by(CASES.c.opened_us).limit(most)
    return [_case(row) for row in connection.execute(wanted).mappings()]


def agree(connection: Connection, case: UUID, terms: Terms, at_us: int) -> None:
    """Set how it is paid."""
    connection.execute(
        update(CASES).where(CASES.c.id == str(case)).values(**terms.model_dump(mode="json"), changed_us=at_us)
    )


def put_cure(connection: Connection, cure: UUID, row: dict[str, Any]) -> None:
    """Remember a planned cure; told again, nothing changes."""
    if connection.execute(select(CURES.c.cure).where(CURES.c.cure == str(cure))).first() is None:
        connection.execute(insert(CURES).values(cure=str(cure), **row))


def end_cure(connection: Connection, cure: UUID, reason: str, at_us: int) -> None:
    """Remember that it is over."""
    running = update(CURES).where(CURES.c.cure == str(cure), CURES.c.ended_us.is_(None))
    connection.execute(running.values(ended_us=at_us, reason=reason))


def _first(connection: Connection, where: ColumnElement[bool], *, lock: bool) -> Case | None:
    """The one way to read a case that is then charged by: locked, it is as whoever held it left it."""
    wanted = select(CASES).where(where)
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().first()
    return None if row is None else _case(row)


def _case(row: Any) -> Case:
    recipient = row["recipient"]
    return Case(
        UUID(row["id"]), UUID(row["patient"]), row["site"], row["illness"], row["diagnosis"], row["payer"],
        row["tariff"], row["mode"], recipient and Recipient.model_validate(recipient),
    )  # fmt: skip

"""Charges in the database. A charge is added and taken back, never changed: what is open is what neither was
taken back nor stands on a living invoice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, Select, delete, insert, select

from services.billing.charges import patients
from services.billing.charges.models import Case, Charge, Origin
from services.billing.charges.tables import BILLED, CHARGES, REVERSALS, SESSIONS
from services.billing.errors import Conflict, NotFound, said
from services.billing.goae.lines import Line

MOST: Final = 10_000


def add(
    connection: Connection,
    case: Case,
    lines: Iterable[Line],
    *,
    origin: Origin,
    by: str,
    at_us: int,
    cure: UUID | None = None,
    session: UUID | None = None,
    request: UUID | None = None,
) -> list[Charge]:
    """Charge these. ``request`` is of one line alone."""
    made = [
        Charge(uuid4(), case.site, case.patient, case.id, cure, session, line, origin, by[:80], at_us)
        for line in lines
    ]
    if made:
        connection.execute(insert(CHARGES), [_row(charge, request) for charge in made])
    return made


def by_request(connection: Connection, request: UUID) -> Charge | None:
    """What this request made already."""
    return _first(connection, _all().where(CHARGES.c.request == str(request)))


def one(connection: Connection, charge: UUID) -> Charge:
    """By its id. Raises NotFound."""
    found = _first(connection, _all().where(CHARGES.c.id == str(charge)))
    if found is None:
        raise said(
            NotFound, {"de": f"Leistung {charge} gibt es nicht.", "en": f"there is no charge {charge}"}
        )
    return found


def of(connection: Connection, charges: Iterable[UUID]) -> list[Charge]:
    """These, oldest first."""
    wanted = [str(charge) for charge in charges]
    return _listed(connection, _all().where(CHARGES.c.id.in_(wanted)))


def open_of(
    connection: Connection,
    site: str,
    patient: UUID | None = None,
    cure: UUID | None = None,
    until: date | None = None,
    case: UUID | None = None,
) -> list[Charge]:
    """What can be invoiced, in the order of days; a merged patient's charges are found under either file."""
    wanted = _all().where(CHARGES.c.site == site, BILLED.c.invoice.is_(None), REVERSALS.c.charge.is_(None))
    if patient is not None:
        wanted = wanted.where(CHARGES.c.patient.in_(patients.files(connection, patient)))
    if cure is not None:
        wanted = wanted.where(CHARGES.c.cure == str(cure))
    if case is not None:
        wanted = wanted.where(CHARGES.c.case == str(case))
    if until is not None:
        wanted = wanted.where(CHARGES.c.on_date <= until)
    return _listed(connection, wanted)


def of_patient(connection: Connection, site: str | None, patient: UUID) -> list[Charge]:
    """Everything ever charged to somebody there, or at any site; taken back or not."""
    wanted = _all().where(CHARGES.c.patient.in_(patients.files(connection, patient)))
    return _listed(connection, wanted if site is None else wanted.where(CHARGES.c.site == site))


@dataclass(frozen=True, slots=True)
class Stray:
    """A charge of somebody's session that another person is charged with, since their files are two again."""

    charge: Charge
    owner: UUID  # whose session it was


def strays(
    connection: Connection,
    *,
    site: str | None = None,
    files: Iterable[str] | None = None,
    of_these: Iterable[UUID] | None = None,
) -> list[Stray]:
    """Those of a site, of these files, or among these charges."""
    wanted = (
        _all()
        .add_columns(SESSIONS.c.patient.label("owner"))
        .join(SESSIONS, SESSIONS.c.session == CHARGES.c.session)
        .where(SESSIONS.c.patient != CHARGES.c.patient, REVERSALS.c.charge.is_(None))
    )
    if site is not None:
        wanted = wanted.where(CHARGES.c.site == site)
    if files is not None:
        named = list(files)
        wanted = wanted.where(CHARGES.c.patient.in_(named) | SESSIONS.c.patient.in_(named))
    if of_these is not None:
        wanted = wanted.where(CHARGES.c.id.in_([str(charge) for charge in of_these]))
    found = [Stray(_charge(row), UUID(row["owner"])) for row in connection.execute(wanted).mappings()]
    return [
        stray
        for stray in found
        if patients.current(connection, stray.owner) != patients.current(connection, stray.charge.patient)
    ]


def of_session(connection: Connection, session: UUID) -> list[Charge]:
    """What a session was charged with and was not taken back."""
    wanted = _all().where(CHARGES.c.session == str(session), REVERSALS.c.charge.is_(None))
    return _listed(connection, wanted)


def take_back(connection: Connection, wanted: Charge, reason: str, by: str, at_us: int) -> None:
    """Charge it no more. Raises Conflict for one that stands on an invoice, or was taken back."""
    _lock(connection, [wanted.id])
    charge = one(connection, wanted.id)
    if charge.invoice is not None:
        raise said(
            Conflict,
            {
                "de": f"{charge.line.number} vom {charge.line.date:%d.%m.%Y} steht auf einer Rechnung: "
                "erst wird diese storniert.",
                "en": f"{charge.line.number} of {charge.line.date} stands on an invoice: cancel that first",
            },
            invoice=str(charge.invoice),
        )
    if charge.reversed is not None:
        raise said(
            Conflict,
            {
                "de": f"Die Leistung ist schon zurückgenommen: {charge.reversed}",
                "en": f"the charge was taken back already: {charge.reversed}",
            },
        )
    connection.execute(
        insert(REVERSALS).values(charge=str(charge.id), reason=reason, by=by[:80], at_us=at_us)
    )


def replace(
    connection: Connection, charge: Charge, changed: Mapping[str, Any], by: str, at_us: int
) -> Charge:
    """Take a charge back and charge it anew with these fields of its line changed."""
    take_back(connection, charge, "changed on a draft", by, at_us)
    line = Line.model_validate({**charge.line.model_dump(exclude={"amount"}), **changed})
    made = Charge(
        uuid4(), charge.site, charge.patient, charge.case, charge.cure, charge.session, line, charge.origin,
        by[:80], at_us,
    )  # fmt: skip
    connection.execute(insert(CHARGES).values(_row(made, None)))
    return made


def bill(connection: Connection, charges: Iterable[UUID], invoice: UUID) -> None:
    """Let them stand on this invoice; the primary key refuses one that stands on another (IntegrityError).

    Raises Conflict for one that was taken back meanwhile.
    """
    wanted = list(charges)
    _lock(connection, wanted)
    if any(charge.reversed is not None for charge in of(connection, wanted)):
        raise said(
            Conflict,
            {
                "de": "Eine der Leistungen wurde gerade zurückgenommen: bitte noch einmal ansehen.",
                "en": "one of the charges has just been taken back: please look at it again",
            },
        )
    rows = [{"charge": str(charge), "invoice": str(invoice)} for charge in wanted]
    if rows:
        connection.execute(insert(BILLED), rows)


def unbill(connection: Connection, invoice: UUID) -> None:
    """Open again what stood on this invoice, which is cancelled."""
    connection.execute(delete(BILLED).where(BILLED.c.invoice == str(invoice)))


def _lock(connection: Connection, charges: Iterable[UUID]) -> None:
    """Nobody else bills these or takes them back until this transaction ends."""
    wanted = CHARGES.c.id.in_([str(charge) for charge in charges])
    connection.execute(select(CHARGES.c.seq).where(wanted).order_by(CHARGES.c.seq).with_for_update())


def _all() -> Select[Any]:
    return (
        select(CHARGES, BILLED.c.invoice, REVERSALS.c.reason)
        .join(BILLED, BILLED.c.charge == CHARGES.c.id, isouter=True)
        .join(REVERSALS, REVERSALS.c.charge == CHARGES.c.id, isouter=True)
        .order_by(CHARGES.c.on_date, CHARGES.c.seq)
        .limit(MOST)
    )


def _listed(connection: Connection, wanted: Select[Any]) -> list[Charge]:
    return [_charge(row) for row in connection.execute(wanted).mappings()]


def _first(connection: Connection, wanted: Select[Any]) -> Charge | None:
    row = connection.execute(wanted.limit(1)).mappings().first()
    return None if row is None else _charge(row)


def _charge(row: Any) -> Charge:
    return Charge(
        UUID(row["id"]), row["site"], UUID(row["patient"]), UUID(row["case"]), _uuid(row["cure"]),
        _uuid(row["session"]), Line.model_validate(row["line"]), row["origin"], row["by"], row["at_us"],
        _uuid(row["invoice"]), row["reason"],
    )  # fmt: skip


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)


def _row(charge: Charge, request: UUID | None) -> dict[str, Any]:
    return {
        "id": str(charge.id), "request": request and str(request), "site": charge.site,
        "patient": str(charge.patient), "case": str(charge.case), "cure": charge.cure and str(charge.cure),
        "session": charge.session and str(charge.session), "on_date": charge.line.date,
        "line": charge.line.model_dump(mode="json", exclude_none=True), "origin": charge.origin,
        "by": charge.by, "at_us": charge.at_us,
    }  # fmt: skip

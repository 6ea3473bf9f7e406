"""The exchange in the database."""

import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from services.kit.auth.principal import Principal, Sites
from services.kit.moments import now_us
from services.screening.exchange.tables import APPOINTMENT, IDENTIFIER, RESULT, TAKEN
from services.screening.patients.folding import fold, name_key
from services.screening.patients.store import family
from services.screening.patients.tables import PATIENT

GDT: Final = "urn:spondyl:gdt:3000"  # the system of a practice's patient numbers, one a site
MOST_SHOWN: Final = 200


# --- numbers of other systems -----------------------------------------------------------------------------
def patient_of(connection: Connection, site: str, system: str, value: str) -> UUID | None:
    """Whose number this is."""
    where = (IDENTIFIER.c.site == site, IDENTIFIER.c.system == system, IDENTIFIER.c.value == value)
    found = connection.execute(select(IDENTIFIER.c.patient).where(*where)).scalar()
    return UUID(found) if found else None


def numbers_of(connection: Connection, patient: UUID, system: str | None = None) -> list[RowMapping]:
    """What this one is called elsewhere; the numbers of files merged into this one, too."""
    ids = [str(one) for one in family(connection, patient)] or [str(patient)]
    query = select(IDENTIFIER).where(IDENTIFIER.c.patient.in_(ids)).order_by(IDENTIFIER.c.at_us)
    if system is not None:
        query = query.where(IDENTIFIER.c.system == system)
    return list(connection.execute(query).mappings())


def link(connection: Connection, who: Principal, site: str, system: str, value: str, patient: UUID) -> None:
    """This number is this one's from now on, whoever had it."""
    key = (IDENTIFIER.c.site == site, IDENTIFIER.c.system == system, IDENTIFIER.c.value == value)
    connection.execute(delete(IDENTIFIER).where(*key))
    row = {"site": site, "system": system, "value": value, "patient": str(patient), "at_us": now_us()}
    connection.execute(insert(IDENTIFIER), row | {"account": who.account[:36], "name": who.name[:80]})


def namesakes(connection: Connection, site: str, family_name: str, given_name: str, born: str) -> list[UUID]:
    """Everybody of this name and birth date at the site; umlauts and capitals make no difference."""
    query = select(PATIENT.c.id).where(
        PATIENT.c.site == site,
        PATIENT.c.birth_date == born,
        PATIENT.c.folded == name_key(family_name, given_name),
        PATIENT.c.merged_into.is_(None),
    )
    return [UUID(one) for one in connection.execute(query).scalars()]


def alike(connection: Connection, site: str, family_name: str, given_name: str, born: str) -> list[UUID]:
    """Who could be meant: the same birth date and half the name, or the same name."""
    query = select(PATIENT).where(PATIENT.c.site == site, PATIENT.c.merged_into.is_(None))
    same_day = connection.execute(query.where(PATIENT.c.birth_date == born)).mappings()
    names = {fold(family_name), fold(given_name)}
    found = [row["id"] for row in same_day if names & {fold(row["family_name"]), fold(row["given_name"])}]
    same_name = query.where(PATIENT.c.folded == name_key(family_name, given_name))
    found += [row["id"] for row in connection.execute(same_name).mappings()]
    return [UUID(one) for one in dict.fromkeys(found)][:MOST_SHOWN]


# --- what came in files -----------------------------------------------------------------------------------
def taken(connection: Connection, file: UUID, place: int) -> RowMapping | None:
    """What became of one record of a file; locked until the transaction ends."""
    query = select(TAKEN).where(TAKEN.c.file == str(file), TAKEN.c.place == place).with_for_update()
    return connection.execute(query).mappings().first()


def put_taken(connection: Connection, row: dict[str, Any]) -> None:
    """Write down what became of a record."""
    given: dict[str, Any] = {"warnings": json.dumps(row.pop("warnings", []), ensure_ascii=False)}
    fields = row.pop("fields", None)
    given["fields"] = None if fields is None else json.dumps(fields, ensure_ascii=False)
    empty = dict.fromkeys(("number", "effect", "patient", "request", "why_de", "why_en", "settled_us"))
    connection.execute(insert(TAKEN), {**empty, "at_us": now_us(), **row, **given})


def settle(connection: Connection, file: UUID, place: int, **values: Any) -> None:
    """Somebody has decided: what it said is no longer kept here."""
    query = update(TAKEN).where(TAKEN.c.file == str(file), TAKEN.c.place == place)
    connection.execute(query.values(fields=None, settled_us=now_us(), **values))


def tidy(connection: Connection, site: str, before_us: int) -> None:
    """Forget what was nobody's: its warnings may quote a birth date."""
    nobody = TAKEN.c.state.in_(("rejected", "dismissed"))
    connection.execute(delete(TAKEN).where(TAKEN.c.site == site, nobody, TAKEN.c.at_us < before_us))


def taken_rows(connection: Connection, sites: Sites, state: str | None = None) -> list[dict[str, Any]]:
    """The newest first."""
    query = select(TAKEN).order_by(TAKEN.c.at_us.desc(), TAKEN.c.place).limit(MOST_SHOWN)
    if sites is not None:
        query = query.where(TAKEN.c.site.in_(sites))
    if state is not None:
        query = query.where(TAKEN.c.state == state)
    return [dict(row) for row in connection.execute(query).mappings()]


# --- what is to be written --------------------------------------------------------------------------------
def put_result(connection: Connection, row: dict[str, Any]) -> bool:
    """Remember a session's result; False when it is known already."""
    known = select(RESULT.c.session).where(RESULT.c.session == row["session"])
    if connection.execute(known).first():
        return False
    empty = dict.fromkeys(("device", "filename", "why_de", "why_en", "written_us"))
    connection.execute(insert(RESULT), {**empty, "at_us": now_us(), **row})
    return True


def result_of(connection: Connection, session: UUID) -> RowMapping | None:
    """A session's result."""
    return connection.execute(select(RESULT).where(RESULT.c.session == str(session))).mappings().first()


def results_in(connection: Connection, site: str, states: Sequence[str]) -> list[RowMapping]:
    """The results of a site in one of these states, the oldest first."""
    query = select(RESULT).where(RESULT.c.site == site, RESULT.c.state.in_(states)).order_by(RESULT.c.at_us)
    return list(connection.execute(query.limit(MOST_SHOWN)).mappings())


def results_of(connection: Connection, patients: Sequence[UUID]) -> list[RowMapping]:
    """Every session of these, the oldest first."""
    query = select(RESULT).where(RESULT.c.patient.in_([str(one) for one in patients]))
    return list(connection.execute(query.order_by(RESULT.c.at_us)).mappings())


def result_rows(connection: Connection, sites: Sites) -> list[dict[str, Any]]:
    """The newest first."""
    query = select(RESULT).order_by(RESULT.c.at_us.desc()).limit(MOST_SHOWN)
    if sites is not None:
        query = query.where(RESULT.c.site.in_(sites))
    return [dict(row) for row in connection.execute(query).mappings()]


def set_result(connection: Connection, session: str, **values: Any) -> None:
    """What became of it."""
    connection.execute(update(RESULT).where(RESULT.c.session == session).values(**values))


def due_again(connection: Connection, patients: Sequence[UUID]) -> None:
    """These have a number now: what could not be addressed can be."""
    where = (RESULT.c.patient.in_([str(one) for one in patients]), RESULT.c.state == "unaddressed")
    connection.execute(update(RESULT).where(*where).values(state="due", why_de=None, why_en=None))


def counts(connection: Connection, site: str) -> dict[str, int]:
    """How many records came to what, and how many results."""
    found: dict[str, int] = {}
    for table in (TAKEN, RESULT):
        query = select(table.c.state, func.count()).where(table.c.site == site).group_by(table.c.state)
        found |= {f"{table.name.removeprefix('exchange_')}_{state}": count
                  for state, count in connection.execute(query)}  # fmt: skip
    return found


# --- appointments, as the scheduler says them -------------------------------------------------------------
def put_appointment(connection: Connection, row: dict[str, Any]) -> None:
    """The newest event of an appointment counts; what it does not say stays as it was."""
    key = APPOINTMENT.c.appointment == row["appointment"]
    known = connection.execute(select(APPOINTMENT).where(key).with_for_update()).mappings().first()
    if known is None:
        empty = dict.fromkeys(("cure", "device", "number", "reason", "starts_us", "ends_us"))
        connection.execute(insert(APPOINTMENT), {**empty, **row})
    elif known["said_us"] <= row["said_us"]:
        given = {name: value for name, value in row.items() if value is not None}
        connection.execute(update(APPOINTMENT).where(key).values(**given))

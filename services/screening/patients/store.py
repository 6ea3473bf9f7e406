"""Patients' files in the database: what is there now, and every version that was."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, RowMapping, Table, delete, func, insert, or_, select, update

from services.kit.auth.principal import Principal
from services.kit.moments import instant_of, now_us
from services.screening.patients.folding import grams, name_key
from services.screening.patients.models import Content, File
from services.screening.patients.tables import (
    ATTACHMENT,
    ATTACHMENT_BACK,
    DISTINCT,
    ERASURE,
    GRAM,
    MERGE,
    NOTE,
    PATIENT,
    VERSION,
)

DEEPEST: Final = 50  # merges in a row; a ring cannot be, and would end here


# --- reading ----------------------------------------------------------------------------------------------
def row_of(connection: Connection, patient: UUID) -> RowMapping | None:
    """The patient's own row, merged or not."""
    return connection.execute(select(PATIENT).where(PATIENT.c.id == str(patient))).mappings().first()


def survivor(connection: Connection, patient: UUID) -> RowMapping | None:
    """The row of the file that counts: this one's, or the one's that it was merged into."""
    row = row_of(connection, patient)
    for _ in range(DEEPEST):
        if row is None or row["merged_into"] is None:
            return row
        row = row_of(connection, UUID(row["merged_into"]))
    return row


def current(connection: Connection, patient: UUID) -> File | None:
    """The file as it is now, following merges; None when there is none (any more)."""
    row = survivor(connection, patient)
    if row is None:
        return None
    last = connection.execute(
        select(VERSION).where(VERSION.c.patient == row["id"], VERSION.c.number == row["version"])
    ).mappings().one()  # fmt: skip
    return file_of(row, last)


def content_at(connection: Connection, patient: UUID, at_us: int) -> Content | None:
    """What this very file said at that moment."""
    query = select(VERSION.c.content).where(VERSION.c.patient == str(patient), VERSION.c.at_us <= at_us)
    found = connection.execute(query.order_by(VERSION.c.number.desc()).limit(1)).scalar()
    return None if found is None else Content.model_validate_json(found)


def file_of(row: RowMapping, version: RowMapping) -> File:
    """A version as the file that it is."""
    return File(
        UUID(row["id"]), row["site"], version["number"], instant_of(version["at_us"]), version["name"],
        Content.model_validate_json(version["content"]),
    )  # fmt: skip


def family(connection: Connection, patient: UUID) -> list[UUID]:
    """Every id that this person's records may carry: the file that counts first, then all merged into it."""
    head = survivor(connection, patient)
    if head is None:
        return []
    found, ask = [head["id"]], [head["id"]]
    while ask:
        query = select(PATIENT.c.id).where(PATIENT.c.merged_into.in_(ask)).order_by(PATIENT.c.number)
        ask = [one for one in connection.execute(query).scalars() if one not in found]
        found += ask
    return [UUID(one) for one in found]


def rows_of(connection: Connection, table: Table, patients: Iterable[UUID]) -> list[dict[str, Any]]:
    """The rows of these patients in their order: versions, notes, attachments, merges."""
    query = select(table).where(table.c.patient.in_([str(one) for one in patients])).order_by(table.c.row)
    return [dict(row) for row in connection.execute(query).mappings()]


def names_of(connection: Connection, patients: Sequence[UUID]) -> dict[UUID, RowMapping]:
    """The row that counts of each, for lists."""
    query = select(PATIENT).where(PATIENT.c.id.in_([str(one) for one in patients]))
    own = {UUID(row["id"]): row for row in connection.execute(query).mappings()}
    merged = {one: survivor(connection, one) for one, row in own.items() if row["merged_into"]}
    return own | {one: row for one, row in merged.items() if row is not None}


def names_alone(connection: Connection, patients: Sequence[UUID]) -> list[RowMapping]:
    """The rows of these themselves, merged or not."""
    query = select(PATIENT).where(PATIENT.c.id.in_([str(one) for one in patients])).order_by(PATIENT.c.number)
    return list(connection.execute(query).mappings())


def merges_into(connection: Connection, patients: Sequence[UUID]) -> list[dict[str, Any]]:
    """What was merged into these, or taken out again."""
    query = select(MERGE).where(MERGE.c.into.in_([str(one) for one in patients]))
    return [dict(row) for row in connection.execute(query).mappings()]


# --- changing ---------------------------------------------------------------------------------------------
def who_columns(who: Principal) -> dict[str, Any]:
    """When and by whom."""
    return {"at_us": now_us(), "account": who.account[:36], "name": who.name[:80]}


def put_version(
    connection: Connection, who: Principal, patient: UUID, number: int, content: Content, reason: str
) -> None:
    """Add a version, for good."""
    connection.execute(
        insert(VERSION),
        {"patient": str(patient), "number": number, "reason": reason, "content": content.model_dump_json()}
        | who_columns(who),
    )


def open_row(connection: Connection, patient: UUID, site: str, content: Content) -> None:
    """The new patient's row and what a search finds it by."""
    moment = now_us()
    values = {"id": str(patient), "site": site, "version": 1, "opened_at_us": moment, "changed_at_us": moment}
    connection.execute(insert(PATIENT), values | _shown(content))
    _index(connection, str(patient), site, content)


def change_row(connection: Connection, row: RowMapping, version: int, content: Content) -> None:
    """The same after a correction."""
    values = {"version": version, "changed_at_us": now_us()} | _shown(content)
    connection.execute(update(PATIENT).where(PATIENT.c.id == row["id"]).values(values))
    connection.execute(delete(GRAM).where(GRAM.c.number == row["number"]))
    _index(connection, row["id"], row["site"], content)


def _shown(content: Content) -> dict[str, Any]:
    return {
        "family_name": content.family_name, "given_name": content.given_name,
        "birth_date": content.birth_date.isoformat(), "sex": content.sex, "region": content.region,
        "insurance": content.insurance, "insurance_number": content.insurance_number or None,
        "folded": name_key(content.family_name, content.given_name),
    }  # fmt: skip


def _index(connection: Connection, patient: str, site: str, content: Content) -> None:
    number = connection.execute(select(PATIENT.c.number).where(PATIENT.c.id == patient)).scalar_one()
    found = sorted(grams(name_key(content.family_name, content.given_name)))
    if found:
        connection.execute(insert(GRAM), [{"gram": it, "site": site, "number": number} for it in found])


def lock(connection: Connection, patient: UUID) -> RowMapping | None:
    """The patient's row, held until the transaction ends (SQLite has one writer anyway)."""
    query = select(PATIENT).where(PATIENT.c.id == str(patient)).with_for_update()
    return connection.execute(query).mappings().first()


def hold(connection: Connection, patient: UUID) -> RowMapping | None:
    """The row of the file that counts, held until the transaction ends: whoever decides about somebody reads
    after this what the one before has written. None when there is no file (any more).
    """
    for _ in range(DEEPEST):
        head = survivor(connection, patient)
        held = lock(connection, UUID(head["id"])) if head is not None else None
        if held is None or held["merged_into"] is None:
            return held  # (else it was merged while we waited)
    return None


def set_merged(connection: Connection, patient: UUID, into: UUID | None) -> None:
    """Let this file's place be taken by another's, or be its own again."""
    values = {"merged_into": str(into) if into else None, "changed_at_us": now_us()}
    connection.execute(update(PATIENT).where(PATIENT.c.id == str(patient)).values(values))


def treated(connection: Connection, patient: UUID, on: date) -> None:
    """A treatment took place that day: from the last one on the file is kept for ten years."""
    earlier = or_(PATIENT.c.last_treated_on.is_(None), PATIENT.c.last_treated_on < on.isoformat())
    query = update(PATIENT).where(PATIENT.c.id == str(patient), earlier)
    connection.execute(query.values(last_treated_on=on.isoformat()))


def last_entry_on(connection: Connection, patients: Sequence[UUID]) -> date:
    """The day of the last treatment, note or finding; where there is none, of the file's opening."""
    ids = [str(one) for one in patients]
    treated_on = connection.execute(
        select(func.max(PATIENT.c.last_treated_on)).where(PATIENT.c.id.in_(ids))
    ).scalar_one()
    moments = [
        connection.execute(select(func.max(column)).where(of.in_(ids))).scalar_one()
        for column, of in (
            (PATIENT.c.opened_at_us, PATIENT.c.id),
            (NOTE.c.at_us, NOTE.c.patient),
            (ATTACHMENT.c.at_us, ATTACHMENT.c.patient),
        )
    ]
    last = max(instant_of(moment).date() for moment in moments if moment is not None)
    return max(last, date.fromisoformat(treated_on)) if treated_on else last


def erase(connection: Connection, who: Principal, head: RowMapping, ids: Sequence[UUID], reason: str,
          ended_on: date) -> None:  # fmt: skip
    """Take everything of these away but the fact; other rooms' rows go first (``parts.py``)."""
    texts = [str(one) for one in ids]
    written = {"site": head["site"], "reason": reason, "ended_on": ended_on.isoformat()} | who_columns(who)
    connection.execute(insert(ERASURE), [{"patient": one} | written for one in texts])


def erase_rows(connection: Connection, ids: Sequence[UUID]) -> None:
    """This room's rows of patients who stand in ``patient_erasure``."""
    texts = [str(one) for one in ids]
    numbers = connection.execute(select(PATIENT.c.number).where(PATIENT.c.id.in_(texts))).scalars().all()
    for table in (VERSION, NOTE, ATTACHMENT, ATTACHMENT_BACK, MERGE):
        connection.execute(delete(table).where(table.c.patient.in_(texts)))
    connection.execute(delete(DISTINCT).where(or_(DISTINCT.c.one.in_(texts), DISTINCT.c.other.in_(texts))))
    connection.execute(delete(GRAM).where(GRAM.c.number.in_(numbers)))
    connection.execute(delete(PATIENT).where(PATIENT.c.id.in_(texts)))


def today() -> date:
    """Today, in UTC: what is compared with days counted from moments, years ago. A site's: ``zones``."""
    return datetime.now(UTC).date()

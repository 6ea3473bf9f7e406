"""All SQL of the diary: links, entries, reports of pain, answers."""

import hashlib
from collections.abc import Iterable
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Select, func, insert, select, update

from services.homecare.diary.tables import ANSWERS, ENTRIES, LINKS, PAINS
from services.homecare.programmes.tables import PROGRAMMES
from services.homecare.tables import FILES
from services.kit.auth.principal import Sites

Row = dict[str, Any]
MOST_SHOWN: Final = 1000


def digest(secret: str) -> str:
    """What is kept of a link's secret."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


# --- links ------------------------------------------------------------------------------------------------
def link_by_secret(connection: Connection, secret: str) -> Row | None:
    """The link of a secret, revoked or not."""
    return _one(connection, select(LINKS).where(LINKS.c.secret_sha256 == digest(secret)))


def link_by_request(connection: Connection, request: UUID) -> Row | None:
    """What this request made before."""
    return _one(connection, select(LINKS).where(LINKS.c.request == str(request)))


def link(connection: Connection, link: UUID) -> Row | None:
    """A link by its id."""
    return _one(connection, select(LINKS).where(LINKS.c.link == str(link)))


def links(connection: Connection, programme: UUID) -> list[Row]:
    """Every link of a programme, the newest first."""
    wanted = select(LINKS).where(LINKS.c.programme == str(programme))
    return _all(connection, wanted.order_by(LINKS.c.made_us.desc(), LINKS.c.link))


def add_link(connection: Connection, row: Row) -> None:
    """A new one."""
    connection.execute(insert(LINKS).values(row))


def opened(connection: Connection, link: str, at_us: int) -> None:
    """It was used."""
    connection.execute(update(LINKS).where(LINKS.c.link == link).values(opened_us=at_us))


def revoke(connection: Connection, link: UUID, by: str, at_us: int) -> None:
    """From now on it leads nowhere; the first who revoked it stands there."""
    at = (LINKS.c.link == str(link)) & LINKS.c.revoked_us.is_(None)
    connection.execute(update(LINKS).where(at).values(revoked_us=at_us, revoked_by=by[:80]))


def first_made_us(connection: Connection, programme: UUID) -> int:
    """When its first link was made."""
    wanted = select(func.min(LINKS.c.made_us)).where(LINKS.c.programme == str(programme))
    return int(connection.execute(wanted).scalar() or 0)


# --- entries ----------------------------------------------------------------------------------------------
def known(connection: Connection, ids: Iterable[UUID | str]) -> dict[str, Row]:
    """The entries of these ids that are kept already, whosever they are."""
    wanted = select(ENTRIES).where(ENTRIES.c.id.in_([str(one) for one in ids]))
    return {row["id"]: row for row in _all(connection, wanted)}


def add_entry(connection: Connection, row: Row) -> None:
    """Keep it."""
    connection.execute(insert(ENTRIES).values(row))


def entries(
    connection: Connection, programme: UUID, first: date | None = None, last: date | None = None,
    most: int | None = MOST_SHOWN,
) -> list[Row]:  # fmt: skip
    """Of these days, the newest first."""
    wanted = select(ENTRIES).where(ENTRIES.c.programme == str(programme))
    if first is not None:
        wanted = wanted.where(ENTRIES.c.day >= first)
    if last is not None:
        wanted = wanted.where(ENTRIES.c.day <= last)
    order = (ENTRIES.c.day.desc(), ENTRIES.c.at_us.desc(), ENTRIES.c.id)
    return _all(connection, wanted.order_by(*order).limit(most))


# --- pain -------------------------------------------------------------------------------------------------
def add_pain(connection: Connection, row: Row) -> None:
    """A report, which locks until it is answered."""
    connection.execute(insert(PAINS).values(row))


def pain(connection: Connection, entry: UUID) -> Row | None:
    """A report."""
    return _one(connection, select(PAINS).where(PAINS.c.entry == str(entry)))


def pains(connection: Connection, programmes: Iterable[UUID | str]) -> list[Row]:
    """Reports of these programmes, the newest first, each with its answer or None."""
    ids = [str(one) for one in programmes]
    wanted = select(PAINS).where(PAINS.c.programme.in_(ids))
    rows = _all(connection, wanted.order_by(PAINS.c.received_us.desc(), PAINS.c.entry))
    answered = _all(connection, select(ANSWERS).where(ANSWERS.c.programme.in_(ids)))
    by_pain = {row["pain"]: row for row in answered}
    return [row | {"answer": by_pain.get(row["entry"])} for row in rows]


def pains_of_sites(connection: Connection, sites: Sites, *, is_open: bool, most: int) -> list[Row]:
    """Reports of these sites, the newest first; ``is_open``: those alone that nobody has answered."""
    wanted = (
        select(PAINS.c.entry, PAINS.c.programme)
        .join(PROGRAMMES, PROGRAMMES.c.id == PAINS.c.programme)
        .join(FILES.table, FILES.table.c.patient == PROGRAMMES.c.patient)
        .where(~FILES.table.c.erased)
    )
    if sites is not None:
        wanted = wanted.where(PROGRAMMES.c.site.in_(sites))
    if is_open:
        wanted = wanted.where(~select(ANSWERS.c.pain).where(ANSWERS.c.pain == PAINS.c.entry).exists())
    newest = wanted.order_by(PAINS.c.received_us.desc(), PAINS.c.entry).limit(most)
    found = [(row.entry, row.programme) for row in connection.execute(newest)]
    every = {row["entry"]: row for row in pains(connection, {programme for _, programme in found})}
    return [every[entry] for entry, _ in found]


def open_pains(connection: Connection, sites: Sites) -> list[str]:
    """Ids of the reports that nobody has answered, the newest first; ``sites`` None: at every one."""
    wanted = (
        select(PAINS.c.entry)
        .join(PROGRAMMES, PROGRAMMES.c.id == PAINS.c.programme)
        .join(FILES.table, FILES.table.c.patient == PROGRAMMES.c.patient)
        .where(~FILES.table.c.erased, ~select(ANSWERS.c.pain).where(ANSWERS.c.pain == PAINS.c.entry).exists())
    )
    if sites is not None:
        wanted = wanted.where(PROGRAMMES.c.site.in_(sites))
    newest = wanted.order_by(PAINS.c.received_us.desc(), PAINS.c.entry).limit(MOST_SHOWN)
    return [str(entry) for entry in connection.execute(newest).scalars()]


def answer(connection: Connection, pain: UUID) -> Row | None:
    """The answer to a report."""
    return _one(connection, select(ANSWERS).where(ANSWERS.c.pain == str(pain)))


def answer_by_request(connection: Connection, request: UUID) -> Row | None:
    """What this request answered before."""
    return _one(connection, select(ANSWERS).where(ANSWERS.c.request == str(request)))


def add_answer(connection: Connection, row: Row) -> None:
    """A clinician's, once."""
    connection.execute(insert(ANSWERS).values(row))


def _one(connection: Connection, query: Select[Any]) -> Row | None:
    row = connection.execute(query).mappings().first()
    return None if row is None else dict(row)


def _all(connection: Connection, query: Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]

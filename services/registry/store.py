"""All SQL of the registry."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, insert, select, text, update

from services.registry.models import Issued, Member, us
from services.registry.tables import CERTIFICATES, CODES, MEMBERS, REVOCATIONS

_TURN: Final = 0x5B_0D_72_01  # PostgreSQL's advisory lock: who belongs to the chain changes one by one


def wait_turn(connection: Connection) -> None:
    """Whoever changes who may what waits for the other, until the transaction ends.

    PostgreSQL shows neither of two what the other has written; SQLite's BEGIN IMMEDIATE has seen to it.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _TURN})


# --- members --------------------------------------------------------------------------------------------
def member(connection: Connection, name: str) -> Member | None:
    """The one of this name, revoked or not."""
    row = connection.execute(select(MEMBERS).where(MEMBERS.c.name == name)).mappings().first()
    return None if row is None else _member(row)


def members(connection: Connection, *, living: bool = False) -> list[Member]:
    """Every one, by name; only those who may still connect, if ``living``."""
    query = select(MEMBERS).order_by(MEMBERS.c.name)
    if living:
        query = query.where(MEMBERS.c.ended_us.is_(None))
    return [_member(row) for row in connection.execute(query).mappings()]


def put_member(connection: Connection, made: Member) -> None:
    """A new one, or the same anew: with other devices, or back after a revocation."""
    values = {
        "role": made.role, "site": made.site, "devices": json.dumps(made.devices), "version": made.version,
        "hosts": json.dumps(made.hosts), "made_us": made.made_us, "ended_us": made.ended_us,
    }  # fmt: skip
    changed = connection.execute(update(MEMBERS).where(MEMBERS.c.name == made.name).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(MEMBERS).values(name=made.name, **values))


def note_version(connection: Connection, name: str, version: str) -> None:
    """Which release a gateway runs, as it says."""
    connection.execute(update(MEMBERS).where(MEMBERS.c.name == name).values(version=version))


def end_member(connection: Connection, name: str, now: datetime) -> None:
    """Revoked; its codes are void."""
    connection.execute(update(MEMBERS).where(MEMBERS.c.name == name).values(ended_us=us(now)))
    void_codes(connection, name, now)


# --- codes ----------------------------------------------------------------------------------------------
def void_codes(connection: Connection, name: str, now: datetime) -> None:
    """No code of this member opens anything any more."""
    unused = (CODES.c.member == name) & CODES.c.used_us.is_(None) & (CODES.c.ends_us > us(now))
    connection.execute(update(CODES).where(unused).values(ends_us=us(now)))


def add_code(connection: Connection, digest: str, name: str, now: datetime, ends: datetime) -> None:
    """A code, by its hash."""
    row = {"digest": digest, "member": name, "made_us": us(now), "ends_us": us(ends)}
    connection.execute(insert(CODES).values(row))


def code(connection: Connection, digest: str) -> RowMapping | None:
    """The code with this hash."""
    return connection.execute(select(CODES).where(CODES.c.digest == digest)).mappings().first()


def use_code(connection: Connection, digest: str, now: datetime) -> bool:
    """Take it, once: whether it was still there to be taken."""
    unused = (CODES.c.digest == digest) & CODES.c.used_us.is_(None) & (CODES.c.ends_us > us(now))
    return connection.execute(update(CODES).where(unused).values(used_us=us(now))).rowcount == 1


# --- certificates ---------------------------------------------------------------------------------------
def add_certificate(connection: Connection, made: Issued) -> None:
    """What was issued."""
    row: dict[str, Any] = {name: getattr(made, name) for name in Issued.__slots__}
    connection.execute(insert(CERTIFICATES).values(row))


def certificate(connection: Connection, serial: str) -> Issued | None:
    """The one with this serial number."""
    row = connection.execute(select(CERTIFICATES).where(CERTIFICATES.c.serial == serial)).mappings().first()
    return None if row is None else _issued(row)


def certificates_of(connection: Connection, name: str) -> list[Issued]:
    """Every certificate of a member's machine, newest first."""
    query = select(CERTIFICATES).where(CERTIFICATES.c.member == name).order_by(CERTIFICATES.c.number.desc())
    return [_issued(row) for row in connection.execute(query).mappings()]


def newest(connection: Connection) -> dict[tuple[str, str], int]:
    """When the newest certificate of each member and part ends: (member, part) -> microseconds."""
    query = select(CERTIFICATES.c.member, CERTIFICATES.c.part, CERTIFICATES.c.ends_us).order_by(
        CERTIFICATES.c.number
    )
    return {(row.member, row.part): row.ends_us for row in connection.execute(query) if row.member}


def ended_bridges(connection: Connection) -> set[str]:
    """Names of bridges whose every certificate was revoked: who still speaks as one of them may not."""
    query = (
        select(CERTIFICATES.c.name)
        .select_from(CERTIFICATES.outerjoin(REVOCATIONS, CERTIFICATES.c.serial == REVOCATIONS.c.serial))
        .where(CERTIFICATES.c.part == "bridge")
        .group_by(CERTIFICATES.c.name)
        .having(func.count() == func.count(REVOCATIONS.c.serial))
    )
    return {row[0] for row in connection.execute(query)}


# --- revocations ----------------------------------------------------------------------------------------
def revoke(connection: Connection, serials: Iterable[str], now: datetime, reason: str) -> None:
    """These hold no more; those that were revoked before stay as they are."""
    known = {row[0] for row in connection.execute(select(REVOCATIONS.c.serial))}
    rows = [
        {"serial": serial, "at_us": us(now), "reason": reason} for serial in serials if serial not in known
    ]
    if rows:
        connection.execute(insert(REVOCATIONS), rows)


def is_revoked(connection: Connection, serial: str) -> bool:
    """Whether it holds no more."""
    return connection.execute(select(REVOCATIONS).where(REVOCATIONS.c.serial == serial)).first() is not None


def revoked_serials(connection: Connection, serials: Sequence[str]) -> set[str]:
    """Those of these that hold no more."""
    query = select(REVOCATIONS.c.serial).where(REVOCATIONS.c.serial.in_(serials))
    return {row[0] for row in connection.execute(query)}


def revoked(connection: Connection, issuer: str, now: datetime) -> list[tuple[str, int]]:
    """Serial numbers and times of an authority's revoked certificates that would otherwise still hold."""
    joined = REVOCATIONS.join(CERTIFICATES, REVOCATIONS.c.serial == CERTIFICATES.c.serial)
    query = (
        select(REVOCATIONS.c.serial, REVOCATIONS.c.at_us)
        .select_from(joined)
        .where((CERTIFICATES.c.issuer == issuer) & (CERTIFICATES.c.ends_us > us(now)))
        .order_by(REVOCATIONS.c.at_us)
    )
    return [(row.serial, row.at_us) for row in connection.execute(query)]


def _member(row: RowMapping) -> Member:
    values = dict(row)
    return Member(**values | {name: tuple(json.loads(values[name])) for name in ("devices", "hosts")})


def _issued(row: RowMapping) -> Issued:
    return Issued(**{name: row[name] for name in Issued.__slots__})

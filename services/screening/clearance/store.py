"""All the SQL of clearances, suspensions, gates and counted sessions.

``patients``: every id of one person, for rows of files that were merged keep the ids they were written with.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, Select, func, insert, select

from services.kit.auth.principal import Principal, Sites
from services.kit.moments import instant_of
from services.screening.clearance.models import Given, Held, Signed, Suspension, us_of
from services.screening.clearance.tables import (
    CLEARANCE,
    CLEARANCE_END,
    GATE,
    RESTORATION,
    SESSION,
    SUSPENSION,
)

_CLEARANCES = select(
    CLEARANCE, CLEARANCE_END.c.at_us.label("ended_at_us"), CLEARANCE_END.c.replaced_by
).outerjoin(CLEARANCE_END, CLEARANCE.c.clearance == CLEARANCE_END.c.clearance)
_SUSPENSIONS = select(
    SUSPENSION,
    RESTORATION.c.account.label("restored_account"),
    RESTORATION.c.name.label("restored_name"),
    RESTORATION.c.reason.label("restored_reason"),
    RESTORATION.c.at_us.label("restored_at_us"),
).outerjoin(RESTORATION, SUSPENSION.c.suspension == RESTORATION.c.suspension)


def texts(ids: Iterable[UUID]) -> list[str]:
    """As columns have them."""
    return [str(one) for one in ids]


def clearances(connection: Connection, patients: Sequence[UUID]) -> list[Given]:
    """Every one ever given, newest first."""
    query = _CLEARANCES.where(CLEARANCE.c.patient.in_(texts(patients))).order_by(
        CLEARANCE.c.at_us.desc(), CLEARANCE.c.clearance
    )
    return [_given(row) for row in connection.execute(query).mappings()]


def add_clearance(connection: Connection, given: Given) -> None:
    """Keep one that was just signed."""
    row = {
        "clearance": str(given.id), "site": given.site, "patient": str(given.patient),
        "region": given.region, "token": given.token, "conditions": json.dumps(list(given.conditions)),
        "valid_from_us": us_of(given.valid_from), "valid_until_us": us_of(given.valid_until),
        "signed_until_us": us_of(given.signed_until), "account": given.account, "name": given.by,
        "at_us": us_of(given.at),
    }  # fmt: skip
    connection.execute(insert(CLEARANCE), row)


def signed_at(connection: Connection, sites: Sites, now: datetime) -> list[Given]:
    """Those of these sites that neither ended nor were signed for less, newest first."""
    query = _CLEARANCES.where(
        CLEARANCE_END.c.at_us.is_(None),
        func.coalesce(CLEARANCE.c.signed_until_us, CLEARANCE.c.valid_until_us) > us_of(now),
    )
    if sites is not None:
        query = query.where(CLEARANCE.c.site.in_(sorted(sites)))
    return [_given(row) for row in connection.execute(query.order_by(CLEARANCE.c.at_us.desc())).mappings()]


def end_clearance(connection: Connection, given: Given, at: datetime, replaced_by: UUID | None) -> None:
    """It is none any more."""
    row = {
        "clearance": str(given.id), "patient": str(given.patient), "at_us": us_of(at),
        "replaced_by": replaced_by and str(replaced_by),
    }  # fmt: skip
    connection.execute(insert(CLEARANCE_END), row)


def suspensions(connection: Connection, patients: Sequence[UUID]) -> list[Suspension]:
    """Every one there was, newest first."""
    query = _SUSPENSIONS.where(SUSPENSION.c.patient.in_(texts(patients)))
    return _read_suspensions(connection, query)


def open_suspensions(connection: Connection, patients: Sequence[UUID]) -> list[Suspension]:
    """Those that nobody has restored yet, newest first."""
    query = _SUSPENSIONS.where(SUSPENSION.c.patient.in_(texts(patients)), RESTORATION.c.suspension.is_(None))
    return _read_suspensions(connection, query)


def open_at(connection: Connection, sites: Sites) -> list[Suspension]:
    """The same of every patient of these sites (None: of all)."""
    query = _SUSPENSIONS.where(RESTORATION.c.suspension.is_(None))
    if sites is not None:
        query = query.where(SUSPENSION.c.site.in_(sorted(sites)))
    return _read_suspensions(connection, query)


def add_suspension(connection: Connection, found: Suspension, by: Principal | None) -> None:
    """Keep one."""
    row = {
        "suspension": str(found.id), "site": found.site, "patient": str(found.patient),
        "region": found.region, "reason": found.reason, "subject": found.subject,
        "adverse": found.adverse, "detail": found.detail, "account": by and by.account,
        "name": found.by, "at_us": us_of(found.at),
    }  # fmt: skip
    connection.execute(insert(SUSPENSION), row)


def add_restoration(connection: Connection, suspension: Suspension, signed: Signed) -> None:
    """Why treatment may go on."""
    row = {
        "suspension": str(suspension.id), "patient": str(suspension.patient), "account": signed.account,
        "name": signed.name, "reason": signed.reason, "at_us": us_of(signed.at),
    }  # fmt: skip
    connection.execute(insert(RESTORATION), row)


def knows_session(connection: Connection, session: UUID) -> bool:
    """Whether its end was counted."""
    query = select(SESSION.c.session).where(SESSION.c.session == str(session))
    return connection.execute(query).first() is not None


def add_session(connection: Connection, patient: UUID, appointment: UUID | None, held: Held) -> None:
    """Count one."""
    row = {
        "session": str(held.id), "site": held.site, "device": held.device, "patient": str(patient),
        "cure": held.cure and str(held.cure), "appointment": appointment and str(appointment),
        "region": held.region, "completed": held.completed, "reason": held.reason,
        "guardings": held.guardings, "peak_n": held.peak_n, "traction_s": held.traction_s,
        "pain_before": held.pain_before, "pain_after": held.pain_after,
        "started_at_us": us_of(held.started_at), "ended_at_us": us_of(held.ended_at),
    }  # fmt: skip
    connection.execute(insert(SESSION), row)


def sessions(connection: Connection, patients: Sequence[UUID]) -> list[Held]:
    """Every one that ended, oldest first."""
    query = (
        select(SESSION)
        .where(SESSION.c.patient.in_(texts(patients)))
        .order_by(SESSION.c.ended_at_us, SESSION.c.session)
    )
    return [held(row) for row in connection.execute(query).mappings()]


def patients_treated(connection: Connection, sites: Sites, least: int, since: datetime) -> list[UUID]:
    """Whoever completed at least so many sessions of one cure at these sites, the last of them since then."""
    query = select(SESSION.c.patient).where(SESSION.c.completed).distinct()
    query = query.group_by(SESSION.c.patient, SESSION.c.cure, SESSION.c.region)
    query = query.having(func.count() >= least, func.max(SESSION.c.ended_at_us) >= us_of(since))
    if sites is not None:
        query = query.where(SESSION.c.site.in_(sorted(sites)))
    return [UUID(row.patient) for row in connection.execute(query)]


def gate_signatures(connection: Connection, patients: Sequence[UUID]) -> list[dict[str, Any]]:
    """Who signed which review: rows {cure, region, number, signed}, oldest first."""
    query = select(GATE).where(GATE.c.patient.in_(texts(patients))).order_by(GATE.c.at_us)
    return [
        {
            "cure": row["cure"] and UUID(row["cure"]),
            "region": row["region"],
            "number": row["number"],
            "signed": Signed(row["account"], row["name"], row["reason"], instant_of(row["at_us"])),
        }
        for row in connection.execute(query).mappings()
    ]


def add_gate(
    connection: Connection, gate: UUID, patient: UUID, cure: UUID | None, region: str, number: int,
    signed: Signed,
) -> None:  # fmt: skip
    """A review that was signed."""
    row = {
        "gate": str(gate), "patient": str(patient), "cure": cure and str(cure), "region": region,
        "number": number, "account": signed.account, "name": signed.name, "reason": signed.reason,
        "at_us": us_of(signed.at),
    }  # fmt: skip
    connection.execute(insert(GATE), row)


def held(row: RowMapping) -> Held:
    """A row of sessions."""
    return Held(
        UUID(row["session"]), row["site"], row["device"], row["cure"] and UUID(row["cure"]), row["region"],
        bool(row["completed"]), row["reason"], row["guardings"], row["peak_n"], row["traction_s"],
        row["pain_before"], row["pain_after"], instant_of(row["started_at_us"]),
        instant_of(row["ended_at_us"]),
    )  # fmt: skip


def _read_suspensions(connection: Connection, query: Select[Any]) -> list[Suspension]:
    ordered = query.order_by(SUSPENSION.c.at_us.desc(), SUSPENSION.c.suspension)
    return [_suspension(row) for row in connection.execute(ordered).mappings()]


def _suspension(row: RowMapping) -> Suspension:
    restored = row["restored_at_us"] and Signed(
        row["restored_account"],
        row["restored_name"],
        row["restored_reason"],
        instant_of(row["restored_at_us"]),
    )
    return Suspension(
        UUID(row["suspension"]), row["site"], UUID(row["patient"]), row["region"], row["reason"],
        row["subject"], bool(row["adverse"]), row["detail"], row["name"], instant_of(row["at_us"]), restored,
    )  # fmt: skip


def _given(row: RowMapping) -> Given:
    return Given(
        UUID(row["clearance"]), row["site"], UUID(row["patient"]), row["region"], row["token"],
        tuple(json.loads(row["conditions"])), instant_of(row["valid_from_us"]),
        instant_of(row["valid_until_us"]), instant_of(row["signed_until_us"] or row["valid_until_us"]),
        row["account"], row["name"], instant_of(row["at_us"]),
        row["ended_at_us"] and instant_of(row["ended_at_us"]),
        row["replaced_by"] and UUID(row["replaced_by"]),
    )  # fmt: skip

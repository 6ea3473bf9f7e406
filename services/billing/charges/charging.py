"""What becomes a charge: a session once, whatever was told how often; a line that a hand enters; and the
charges of sessions anew when somebody pays by another tariff.
"""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert, select

from broker.messages import SessionSummary
from services.billing.charges import cases, patients, store, waiting
from services.billing.charges.models import Case, Charge, NewCharge, Terms
from services.billing.charges.tables import PATIENTS, SESSIONS
from services.billing.clinics import store as clinics
from services.billing.errors import Invalid, said
from services.billing.estimates import agreeing
from services.billing.goae.charges import SessionCharges, SessionFacts, of_session
from services.billing.models import Clinic
from services.kit.moments import us_of, utc_now

SESSIONS_BY: str = "session"


def hear(connection: Connection, site: str, summary: SessionSummary, *, completed: bool) -> None:
    """Charge a session, or keep it until its patient is known."""
    known = select(PATIENTS.c.patient).where(PATIENTS.c.patient == str(summary.patient))
    if connection.execute(known).first() is None:
        waiting.keep(connection, site, summary, us_of(utc_now()), completed=completed)
    else:
        session(connection, site, summary, completed=completed)


def known_at_last(connection: Connection, patient: UUID) -> None:
    """Charge the sessions that waited for this patient to be known."""
    for row in waiting.taken(connection, patient):
        patients.put(connection, patient, row["site"])
        session(
            connection,
            row["site"],
            SessionSummary.model_validate(row["summary"]),
            completed=row["completed"],
        )


def session(connection: Connection, site: str, summary: SessionSummary, *, completed: bool) -> list[Charge]:
    """Charge a session by its facts; told again, under whatever event, it is charged no more."""
    key = str(summary.session)
    if connection.execute(select(SESSIONS.c.session).where(SESSIONS.c.session == key)).first() is not None:
        return []
    at_us = us_of(summary.ended_at)
    case = cases.opened(connection, summary.patient, site, summary.region, at_us)
    facts = _facts(summary, case, zone_of(connection, site), completed=completed)
    charged = _charged(connection, case, facts)
    row = {
        "session": key, "patient": str(summary.patient), "site": site, "case": str(case.id),
        "cure": summary.cure and str(summary.cure), "facts": facts.model_dump(mode="json"),
        "outcome": charged.outcome.id,
        "reasons": [dict(reason) for reason in charged.reasons], "heard_us": us_of(utc_now()),
    }  # fmt: skip
    connection.execute(insert(SESSIONS).values(row))
    return store.add(
        connection, case, charged.lines, origin="session", by=SESSIONS_BY, at_us=at_us,
        cure=summary.cure, session=summary.session,
    )  # fmt: skip


def by_hand(connection: Connection, body: NewCharge, by: str, now: datetime) -> Charge:
    """Charge what somebody enters; the same request again is the same charge. Raises Invalid, NotFound."""
    made = store.by_request(connection, body.request)
    if made is not None:
        return made
    if body.case is None:
        illness = body.line.illness or _usual_illness(connection, body)
        case = cases.opened(connection, body.patient, body.site, illness, us_of(now))
    else:
        case = cases.one(connection, body.case)
    _require_same(connection, case, body)
    line = agreeing.under(connection, body.site, body.patient, body.line)
    made_now = store.add(
        connection, case, [line], origin="hand", by=by, at_us=us_of(now), request=body.request
    )
    return made_now[0]


def agree(connection: Connection, case: Case, terms: Terms, by: str, now: datetime) -> None:
    """Set how a case is paid; its sessions' open charges follow. Raises Invalid for an unknown tariff."""
    clinics.tariff_of(connection, case.site, terms.tariff, now.date())
    cases.agree(connection, case.id, terms, us_of(now))
    if terms.tariff != case.tariff:
        _charge_anew(connection, cases.one(connection, case.id), by, us_of(now))


def zone_of(connection: Connection, site: str) -> ZoneInfo:
    """By whose clock a site's days begin."""
    clinic = clinics.clinic_of(connection, site)
    return ZoneInfo((clinic or Clinic(name=site)).zone)


def _charge_anew(connection: Connection, case: Case, by: str, at_us: int) -> None:
    """Take the open charges of the case's sessions back and charge the sessions by its tariff."""
    for row in connection.execute(select(SESSIONS).where(SESSIONS.c.case == str(case.id))).mappings().all():
        charged = store.of_session(connection, UUID(row["session"]))
        if not charged or any(not charge.is_open for charge in charged):
            continue  # what stands on an invoice stays what it was
        for charge in charged:
            store.take_back(connection, charge, f"tariff {case.tariff}", by, at_us)
        anew = _charged(connection, case, SessionFacts.model_validate(row["facts"]))
        store.add(
            connection, case, anew.lines, origin="session", by=by, at_us=at_us,
            cure=row["cure"] and UUID(row["cure"]), session=UUID(row["session"]),
        )  # fmt: skip


def _charged(connection: Connection, case: Case, facts: SessionFacts) -> SessionCharges:
    tariff = clinics.tariff_of(connection, case.site, case.tariff, facts.date)
    return of_session(facts, tariff)


def _facts(summary: SessionSummary, case: Case, zone: ZoneInfo, *, completed: bool) -> SessionFacts:
    began = summary.started_at.astimezone(zone)
    return SessionFacts(
        date=began.date(),
        time=began.time().replace(microsecond=0, second=0),
        region=summary.region,
        traction_s=summary.traction_s,
        heat_s=summary.heat_s,
        completed=completed,
        reason=summary.reason,
        illness=case.illness,
    )


def _usual_illness(connection: Connection, body: NewCharge) -> str:
    """That of the patient's only case there. Raises Invalid when there is none, or more than one."""
    found = cases.listed(connection, body.site, body.patient)
    if len(found) == 1:
        return found[0].illness
    names = ", ".join(case.illness for case in found) or "-"
    raise said(
        Invalid,
        {
            "de": f"Zu welcher Erkrankung gehört die Leistung? Behandlungsfälle hier: {names}.",
            "en": f"which illness does the charge belong to? cases here: {names}",
        },
    )


def _require_same(connection: Connection, case: Case, body: NewCharge) -> None:
    told: tuple[Any, ...] = (body.site, patients.current(connection, body.patient))
    kept = (case.site, patients.current(connection, case.patient))
    if told != kept:
        raise said(
            Invalid,
            {
                "de": f"Der Behandlungsfall {case.id} ist nicht der dieses Patienten in {body.site}.",
                "en": f"case {case.id} is not this patient's at {body.site}",
            },
        )

"""What becomes a charge: a session once, whatever was told how often; a line that a hand enters; and the
charges of sessions anew when somebody pays by another tariff.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection, insert, select

from broker.messages import SessionSummary
from services.billing.charges import cases, patients, store, waiting
from services.billing.charges.models import LONGEST_ILLNESS, Case, Charge, NewCharge, Terms
from services.billing.charges.tables import PATIENTS, SESSIONS
from services.billing.clinics import store as clinics
from services.billing.errors import Invalid, other_work, said
from services.billing.estimates import agreeing
from services.billing.goae import catalogue
from services.billing.goae.charges import SessionCharges, SessionFacts, of_session
from services.billing.goae.lines import Line
from services.billing.invoices import drafts
from services.billing.models import Clinic
from services.kit import correlation
from services.kit.errors import SpondylError
from services.kit.moments import us_of, utc_now

log = structlog.get_logger(__name__)

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
        with correlation.holding(row["correlation"]):
            session(
                connection,
                row["site"],
                SessionSummary.model_validate(row["summary"]),
                completed=row["completed"],
            )


def session(connection: Connection, site: str, summary: SessionSummary, *, completed: bool) -> list[Charge]:
    """Charge a session by its facts; told again, under whatever event, it is charged no more.

    Raises SpondylError when it is told again with another end: somebody has to look at that.
    """
    key = str(summary.session)
    known = connection.execute(select(SESSIONS.c.facts).where(SESSIONS.c.session == key)).scalar()
    if known is not None:
        _require_same_end(summary, known, completed=completed)
        return []
    at_us = us_of(summary.ended_at)
    case = cases.opened(connection, summary.patient, site, summary.region, at_us)
    facts = _facts(summary, case, zone_of(connection, site), completed=completed)
    found = charged(connection, case, facts)
    row = {
        "session": key, "patient": str(summary.patient), "site": site, "case": str(case.id),
        "cure": summary.cure and str(summary.cure), "facts": facts.model_dump(mode="json"),
        "outcome": found.outcome.id,
        "reasons": [dict(reason) for reason in found.reasons], "heard_us": us_of(utc_now()),
        "correlation": correlation.current(),
    }  # fmt: skip
    connection.execute(insert(SESSIONS).values(row))
    made = store.add(
        connection, case, found.lines, origin="session", by=SESSIONS_BY, at_us=at_us,
        cure=summary.cure, session=summary.session,
    )  # fmt: skip
    log.info("session charged", session=key, charges=len(made))
    return made


def _require_same_end(summary: SessionSummary, known: dict[str, Any], *, completed: bool) -> None:
    """Raises SpondylError: the message is kept with this reason, and /readyz counts it."""
    if known["completed"] != completed:
        ends = {True: "completed", False: "aborted"}
        raise SpondylError(
            f"session {summary.session} was charged as {ends[known['completed']]} "
            f"and is told as {ends[completed]} now"
        )


def by_hand(connection: Connection, body: NewCharge, by: str, now: datetime) -> Charge:
    """Charge what somebody enters; the same request again is the same charge.

    Raises Invalid, NotFound, Conflict for a request that did something else.
    """
    made = store.by_request(connection, body.request)
    if made is not None:
        _require_asked(connection, made, body)
        return made
    _require_chargeable(body.line, now.astimezone(zone_of(connection, body.site)).date())
    if body.case is None:
        illness = body.line.illness or _usual_illness(connection, body)
        case = cases.opened(connection, body.patient, body.site, illness, us_of(now))
    else:
        case = cases.one(connection, body.case, lock=True)
    _require_same(connection, case, body)
    line = agreeing.under(connection, body.site, body.patient, body.line)
    made_now = store.add(
        connection, case, [line], origin="hand", by=by, at_us=us_of(now), request=body.request
    )
    return made_now[0]


def take_back(connection: Connection, charge: Charge, reason: str, by: str, at_us: int) -> None:
    """Charge it no more, on whatever draft it waits. Raises Conflict for one that stands on an invoice."""
    drafts.release(connection, [charge])
    store.take_back(connection, charge, reason, by, at_us)


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
    """Take the open charges of the case's sessions back and charge the sessions by its tariff.

    A line that a person took back stays away, and the new ones wait on the draft on which the old ones did.
    """
    sessions = {str(one.session) for one in store.open_of(connection, case.site, case=case.id) if one.session}
    wanted = select(SESSIONS).where(SESSIONS.c.session.in_(sessions)).order_by(SESSIONS.c.heard_us)
    for row in connection.execute(wanted).mappings().all():
        held = store.of_session(connection, UUID(row["session"]))
        if any(not charge.is_open for charge in held):
            continue  # what stands on an invoice stays what it was
        old = {charge.line.number: charge for charge in held}
        on_draft = drafts.release(connection, held)
        for charge in held:
            store.take_back(connection, charge, f"tariff {case.tariff}", by, at_us)
        anew = charged(connection, case, SessionFacts.model_validate(row["facts"]))
        made = store.add(
            connection, case, [line for line in anew.lines if line.number in old], origin="session", by=by,
            at_us=at_us, cure=row["cure"] and UUID(row["cure"]), session=UUID(row["session"]),
        )  # fmt: skip
        instead = {old[charge.line.number].id: charge for charge in made}
        for before, draft in on_draft.items():
            drafts.put_on(connection, draft, [instead[before]] if before in instead else [])
        drafts.stay_out(connection, case.id, {before: charge.id for before, charge in instead.items()})


def charged(connection: Connection, case: Case, facts: SessionFacts) -> SessionCharges:
    """What a session costs by the case's tariff."""
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


def _require_asked(connection: Connection, made: Charge, body: NewCharge) -> None:
    """Raises Conflict when the request that made a charge was another one."""
    worked_out = {"amount", "agreed"}
    told = (body.site, patients.current(connection, body.patient), body.line.model_dump(exclude=worked_out))
    kept = (made.site, patients.current(connection, made.patient), made.line.model_dump(exclude=worked_out))
    if told != kept or body.case not in (None, made.case):
        raise other_work(body.request)


def _require_chargeable(line: Line, today: date) -> None:
    """Raises Invalid for a number that the day's fee schedule lacks, an endless illness, a day to come."""
    catalogue.at(line.date).item(line.number)
    if len(line.illness or "") > LONGEST_ILLNESS:
        raise said(
            Invalid,
            {
                "de": f"Die Erkrankung hat {len(line.illness or '')} Zeichen: höchstens {LONGEST_ILLNESS}.",
                "en": f"the illness has {len(line.illness or '')} characters: {LONGEST_ILLNESS} at most",
            },
            field="illness",
        )
    if line.date > today:
        raise said(
            Invalid,
            {
                "de": f"Leistung am {line.date:%d.%m.%Y}: heute ist erst der {today:%d.%m.%Y} "
                "(§ 12 Abs. 1 und Abs. 2 Nr. 1 GOÄ: berechnet wird, was erbracht ist).",
                "en": f"service of {line.date}: that is to come, today is {today} "
                "(§ 12 (1) and (2) no. 1 GOÄ: what was done is charged)",
            },
            field="date",
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

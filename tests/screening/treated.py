"""Patients who may be treated, and the sessions that their bed tells of."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from access import somebody

from broker.contract import EVENT
from broker.messages import Event, SessionSummary
from services.kit.business.inbox import Heard
from services.kit.database import writing
from services.screening.consent import documents
from services.screening.consent import store as consents
from services.screening.patients import store as patients
from services.screening.rules import store as rules
from services.screening.rules.answers import Answer

CLINICIAN = somebody("clinician")
BOOT = uuid4()


def cleared(rig, region="lumbar", **content):
    """A patient with every question answered, a consent in force, and a clearance of 90 days."""
    patient = rig.patient(**content)
    consented(rig, answered(rig, patient, region), region)
    rig.ask("POST", f"/patients/{patient}/clearances", json={"region": region, "days": 90}, status=201)
    return patient


def answered(rig, patient, region="lumbar", **but):
    """Every question of the region answered with no, but for those named."""
    given = {name.replace("_", "-"): value for name, value in but.items()}
    with writing(rig.engine) as connection:
        for rule in rules.rules_of(patients.today()).questions(region):
            said = Answer(answer=given.get(rule.id, "no"))
            rules.add_answer(connection, CLINICIAN, patient, rule.id, said, "staff")
    return patient


def consented(rig, patient, region="lumbar"):
    """A consent that was signed on paper."""
    with writing(rig.engine) as connection:
        text = documents.pin(connection, documents.current(connection, "consent", "de", "north"))
        made = consents.add(connection, CLINICIAN, patient, region, {}, text)
        found = consents.one(connection, patients.family(connection, patient), made)
        now = datetime.now(UTC)
        consents.add_event(connection, CLINICIAN, found, "signed", now, {"way": "scanned"})
    return made


def ended(patient, *, kind="session.completed", cure=None, days_ago=0.0, session=None, **said):
    """The event of a session's end, as a bed tells it."""
    end = datetime.now(UTC) - timedelta(days=days_ago)
    about = {
        "session": session or uuid4(), "patient": patient, "cure": cure, "appointment": None,
        "region": "lumbar", "segment": "L4/L5", "started_at": end - timedelta(minutes=31), "ended_at": end,
        "reason": "completed", "traction_s": 1800.0, "heat_s": 0.0, "peak_n": 300.0, "hold_mean_n": 290.0,
        "hold_rms_n": 2.0, "cycles": 17, "guardings": 0, "phase_s": {}, "pain_before": 6, "pain_after": 5,
    }  # fmt: skip
    summary = SessionSummary(**(about | said))
    return Event(
        id=uuid4(), type=kind, at=end, boot=BOOT, seq=1, index=1, session=summary.session, summary=summary
    )


def hear(rig, *events, site="north", device="bed-01"):
    """Let screening hear them, each in a transaction of its own."""
    for event in events:
        with writing(rig.engine) as connection:
            rig.handlers[EVENT](connection, Heard(EVENT, site, device, event))


def state(rig, patient, region="lumbar"):
    """How the clearance stands."""
    rows = rig.ask("GET", f"/patients/{patient}/clearances")["regions"]
    return next(row for row in rows if row["region"] == region)


def open_reasons(rig, patient):
    """What suspends, oldest first."""
    rows = rig.ask("GET", f"/patients/{patient}/suspensions")
    return [row["reason"] for row in reversed(rows) if row["restored"] is None]

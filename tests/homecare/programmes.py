"""Programmes as tests set them, sign them and report pain in them."""

from uuid import uuid4

from sqlalchemy import insert

from services.homecare.diary.tables import ANSWERS, ENTRIES, PAINS
from services.kit.database import writing
from services.kit.moments import us_of

MONDAY = "2026-11-23"
NORTH = {"site": "north"}
WANTED = {
    "region": "lumbar", "stage": "chronic", "hernia": "protrusion", "size": "slight", "body_weight_kg": 80,
    "starts_on": MONDAY, "weeks": 8,
    "exercises": [{"exercise": "bridge", "ceiling_level": 2},
                  {"exercise": "abdominal-tightening", "ceiling_level": 1},
                  {"exercise": "hanging-knees-bent", "ceiling_level": 1}],
}  # fmt: skip


def request(**more):
    """A body with a request of its own."""
    return {"request": str(uuid4()), **more}


def cleared(rig, region="lumbar", **told):
    """Somebody whom screening has cleared."""
    patient = rig.patient()
    said = {"region": region, "outcome": "cleared", "rules": [], "body_weight_kg": 80.0, **told}
    rig.clinic_event("clearance.decided", patient=patient, **said)
    return patient


def new(patient, **changed):
    """The body of a programme for them."""
    return request(site="north", patient=str(patient), language="de", wanted=WANTED | changed)


def made(rig, patient=None, **changed):
    """A programme as it is shown when it is set."""
    return rig.ask("POST", "/programmes", json=new(patient or cleared(rig), **changed))


def shown(rig, programme):
    """A programme as it stands."""
    return rig.ask("GET", f"/programmes/{programme}")


def sign(rig, programme, exercise, day=MONDAY, *, went_well=True, **options):
    """Sign a supervised session."""
    body = request(exercise=exercise, day=day, went_well=went_well)
    return rig.ask("POST", f"/programmes/{programme}/supervised", json=body, **options)


def turn(rig, programme, verb, **options):
    """Pause, resume or end it."""
    return rig.ask("POST", f"/programmes/{programme}/{verb}", json=request(reason="Urlaub"), **options)


def change(rig, programme, version, *, again=(), wanted=None, **options):
    """The next version of it."""
    body = request(version=version, wanted=wanted or WANTED, again=list(again))
    return rig.ask("PUT", f"/programmes/{programme}", json=body, **options)


def statuses(view):
    """What today says of each exercise."""
    return {item["exercise"]: item["status"] for item in view["today"]["items"]}


def hurt(rig, programme, exercise=None, pain_nrs=6):
    """A report of pain as the diary keeps it; its id."""
    report, at_us = str(uuid4()), us_of(rig.now)
    row = {"entry": report, "programme": str(programme), "exercise": exercise, "pain_nrs": pain_nrs,
           "where": "back", "signs": [], "above": True, "at_us": at_us, "received_us": at_us}  # fmt: skip
    with writing(rig.engine) as connection:
        connection.execute(insert(PAINS).values(row))
    return report


def answer(rig, programme, report, decision):
    """A clinician's answer as the diary keeps it."""
    row = {"pain": report, "request": str(uuid4()), "programme": str(programme), "decision": decision,
           "words": "", "account": str(uuid4()), "name": "clara", "at_us": us_of(rig.now)}  # fmt: skip
    with writing(rig.engine) as connection:
        connection.execute(insert(ANSWERS).values(row))


def done(rig, programme, exercise, day, **data):
    """An exercise that was done at home, as the diary keeps it."""
    at_us = us_of(rig.now)
    said = {"sets": 4, "repetitions": 10, "seconds": 300, "stopped": False, **data}
    row = {"id": str(uuid4()), "programme": str(programme), "link": str(uuid4()), "version": 1,
           "kind": "exercise", "exercise": exercise, "day": day, "at_us": at_us, "received_us": at_us,
           "marks": [], "data": said}  # fmt: skip
    with writing(rig.engine) as connection:
        connection.execute(insert(ENTRIES).values(row))

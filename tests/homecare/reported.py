"""Programmes that run at home, and a diary of theirs, as the reports find them."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

from homecare.at_home import WANTED
from sqlalchemy import insert

from services.homecare.diary.tables import ENTRIES, LINKS, PAINS
from services.kit.database import writing
from services.kit.moments import us_of

STARTED = date(2026, 10, 26)  # a Monday, four weeks before the rig's
SIGNED = ("bridge", "abdominal-tightening")


def noon(day):
    """Of that day in Berlin, about."""
    return datetime(day.year, day.month, day.day, 11, 0, tzinfo=UTC)


def begin(rig, site="north", *, signed=SIGNED, **changed):
    """The id of a programme that was set on STARTED; with its supervised sessions signed it runs at home."""
    now, rig.now = rig.now, noon(STARTED)
    patient = rig.patient(site)
    said = {"region": "lumbar", "outcome": "cleared", "rules": []}
    rig.clinic_event("clearance.decided", site, patient=patient, **said)
    body = {
        "request": str(uuid4()), "site": site, "patient": str(patient), "language": "de",
        "wanted": WANTED | {"starts_on": str(STARTED)} | changed,
    }  # fmt: skip
    programme = rig.ask("POST", "/programmes", json=body)["programme"]["id"]
    for exercise in signed:
        signing = {"request": str(uuid4()), "exercise": exercise, "day": str(STARTED), "went_well": True}
        rig.ask("POST", f"/programmes/{programme}/supervised", json=signing)
    rig.now = now
    return programme


def enter(rig, programme, days, kind="exercise", exercise="bridge", marks=(), received=None, **data):
    """Entries of some days, counted from STARTED, as the diary keeps them."""
    said = {"sets": 1, "repetitions": 10, "seconds": 300, "stopped": False} if kind == "exercise" else {}
    rows = []
    for number in days:
        at = noon(STARTED + timedelta(days=number))
        rows.append({
            "id": str(uuid4()), "programme": programme, "link": str(uuid4()), "version": 1, "kind": kind,
            "exercise": exercise if kind == "exercise" else None, "day": at.date(), "at_us": us_of(at),
            "received_us": us_of(received or at), "data": said | data, "marks": list(marks),
        })  # fmt: skip
    with writing(rig.engine) as connection:
        connection.execute(insert(ENTRIES), rows)
    return [row["id"] for row in rows]


def hurt(rig, programme, number, pain_nrs=6, exercise="bridge", signs=()):
    """A report of pain; its id."""
    (entry,) = enter(rig, programme, [number], "pain", pain_nrs=pain_nrs, where="back", signs=list(signs))
    at_us = us_of(noon(STARTED + timedelta(days=number)))
    row = {
        "entry": entry, "programme": programme, "exercise": exercise, "pain_nrs": pain_nrs, "where": "back",
        "signs": list(signs), "above": True, "at_us": at_us, "received_us": at_us,
    }  # fmt: skip
    with writing(rig.engine) as connection:
        connection.execute(insert(PAINS), [row])
    return entry


def open_page(rig, programme, at=None):
    """Its telephone asked for today's programme, and told all it had."""
    row = {
        "link": str(uuid4()), "request": str(uuid4()), "programme": programme, "account": str(uuid4()),
        "secret_sha256": uuid4().hex * 2, "name": "Desk", "made_us": us_of(noon(STARTED)),
        "opened_us": us_of(at or rig.now), "revoked_us": None, "revoked_by": None,
    }  # fmt: skip
    with writing(rig.engine) as connection:
        connection.execute(insert(LINKS), [row])

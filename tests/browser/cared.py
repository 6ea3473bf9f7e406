"""What a ward has set for home at `north`: programmes that are done, hurt, silent, and a cure without one."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from homecare.at_home import WANTED
from homecare.homecare_rig import HomecareRig

SITE = "north"
SIGNED = ("bridge", "abdominal-tightening", "inclined-board")
EXERCISES = [{"exercise": name, "ceiling_level": 2} for name in (*SIGNED[:2], "knee-to-chest")]
BOARD = {"exercise": "inclined-board", "ceiling_level": 1, "angle_deg": 45, "friction": 0.3}
DONE = {"sets": 2, "repetitions": 10, "seconds": 240, "stopped": False}


def care(directory, people):
    """A programme each of these (id, family name, given name) but the last two; the first one's id."""
    rig = HomecareRig(directory)
    now = datetime.now(UTC)
    made = []
    for (patient, *_), days, pattern in zip(people, (27, 20, 12), ("110110111", "100000", ""), strict=False):
        rig.now = now - timedelta(days=days)
        programme, secret = _set(rig, UUID(patient), with_link=bool(pattern))
        for number in range(1, days):
            if pattern and pattern[number % len(pattern)] == "1":
                rig.now = now - timedelta(days=days - number)
                _did(rig, secret, number)
        made.append((programme, secret))
    rig.now = now
    pain = {"pain_nrs": 7, "where": "lower-back", "signs": ["radiating-pain"], "during": True,
            "words": "Zieht ins linke Bein"}  # fmt: skip
    _send(rig, made[0][1], [("pain", "bridge", pain)])
    patient = people[3][0]
    rig.clinic_event("patient.registered", SITE, patient=UUID(patient))
    rig.close()
    return {"programme": made[0][0]}


def _set(rig, patient, *, with_link):
    """A programme with its first sessions signed, and the secret of its link."""
    rig.clinic_event("patient.registered", SITE, patient=patient)
    said = {"region": "lumbar", "outcome": "cleared", "rules": [], "body_weight_kg": 74.0}
    rig.clinic_event("clearance.decided", SITE, patient=patient, **said)
    day = rig.now.date().isoformat()
    wanted = WANTED | {"exercises": [*EXERCISES, BOARD], "starts_on": day, "weeks": 8}
    body = {"request": str(uuid4()), "site": SITE, "patient": str(patient), "language": "de"}
    programme = rig.ask("POST", "/programmes", json=body | {"wanted": wanted})["programme"]["id"]
    for exercise in SIGNED:
        signing = {"request": str(uuid4()), "exercise": exercise, "day": day, "went_well": True}
        rig.ask("POST", f"/programmes/{programme}/supervised", json=signing)
    if not with_link:
        return programme, None
    link = rig.ask("POST", f"/programmes/{programme}/links", json={"request": str(uuid4())})
    return programme, link["address"].rpartition("/")[2]


def _did(rig, secret, number):
    """Two exercises of a day, and how it felt."""
    felt = {"seconds": 480, "pain_before": 4 - number % 3, "pain_after": 2 - number % 2, "felt": "good"}
    _send(
        rig, secret,
        [("exercise", "bridge", DONE), ("exercise", "abdominal-tightening", DONE), ("session", None, felt)],
    )  # fmt: skip


def _send(rig, secret, entries):
    at = {"day": rig.now.date().isoformat(), "at": rig.now.isoformat(), "version": 1}
    rows = [
        {"id": str(uuid4()), "kind": kind, "exercise": exercise, "data": data, **at}
        for kind, exercise, data in entries
    ]
    answer = rig.ask("POST", f"/h/{secret}/entries", json={"entries": rows})
    assert not answer["refused"], answer["refused"]

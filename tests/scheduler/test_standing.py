"""Whom screening refuses is not booked; who is not cleared yet is, and everybody is told."""

from datetime import timedelta
from uuid import uuid4

from scheduler.scheduler_rig import PRESCRIPTION, cure_body


def decided(rig, patient, outcome, **more):
    """Screening tells what was decided."""
    said = {"rules": [], "consented": False, "body_weight_kg": 80.0, "age_years": 46} | more
    rig.clinic_event("clearance.decided", patient=patient, region="lumbar", outcome=outcome, **said)


def cleared(rig, patient):
    """Screening has signed a clearance."""
    rig.clinic_event(
        "clearance.given", clearance=str(uuid4()), patient=patient, region="lumbar", token="t",
        valid_from=rig.now.isoformat(), valid_until=(rig.now + timedelta(days=90)).isoformat(),
    )  # fmt: skip


def previewed(rig, patient, **more):
    """What the planner shows of a cure for this one."""
    return rig.ask("POST", "/cures/preview", role="clinician", json=cure_body(patient=patient) | more)


def test_whom_screening_refuses_is_not_booked_until_that_is_decided_anew(rig):
    """The desk learns the rule before anything is booked, not the bed when the patient lies on it."""
    rig.clinic()
    patient = str(uuid4())
    decided(rig, patient, "refused", rules=["pregnancy"])
    care = previewed(rig, patient)["care"]
    assert (care["state"], care["rules"]) == ("refused", ["pregnancy"])
    body = cure_body(patient=patient) | {"request": str(uuid4())}
    refused = rig.ask("POST", "/cures", json=body, status=409)
    assert "pregnancy" in refused["detail"]
    assert "neue Entscheidung" in refused["detail_de"]
    assert rig.ask("GET", f"/cures?patient={patient}") == []
    rig.now += timedelta(minutes=1)
    decided(rig, patient, "cleared")
    rig.ask("POST", "/cures", json=body, status=201)


def test_a_refusal_that_was_overtaken_on_its_way_changes_nothing(rig):
    """The bus may deliver late and twice."""
    rig.clinic()
    patient = str(uuid4())
    decided(rig, patient, "cleared")
    rig.now -= timedelta(minutes=1)
    decided(rig, patient, "refused", rules=["pregnancy"])
    rig.now += timedelta(minutes=1)
    assert previewed(rig, patient)["care"]["state"] == "waiting"


def test_who_is_not_cleared_yet_may_be_booked_and_what_lacks_is_said(rig):
    """A cure is often booked before its clearance."""
    rig.clinic()
    cure = rig.cure()
    patient = cure["patient"]
    (row,) = rig.ask("GET", "/unready")
    assert (row["patient"], row["appointments"], row["care"]["state"]) == (patient, 18, "waiting")
    assert row["first_at"] == cure["appointments"][0]["starts_at"]
    assert row["care"]["lacks"] == ["decision"]
    decided(rig, patient, "cleared")
    assert rig.ask("GET", "/unready")[0]["care"]["lacks"] == ["consent"]
    cleared(rig, patient)
    assert rig.ask("GET", "/unready") == []
    path = f"/standing?site=north&region=lumbar&patient={patient}"
    assert rig.ask("GET", path)["state"] == "cleared"
    rig.clinic_event("clearance.suspended", suspension=str(uuid4()), patient=patient, reason="adverse")
    assert rig.ask("GET", path)["state"] == "suspended"
    assert rig.ask("GET", "/unready")[0]["care"]["reason"] == "adverse"


def test_whoever_is_refused_with_appointments_stands_among_the_unready(rig):
    """A pregnancy in the third week of a cure."""
    rig.clinic()
    cure = rig.cure()
    cleared(rig, cure["patient"])
    decided(rig, cure["patient"], "refused", rules=["pregnancy"])
    (row,) = rig.ask("GET", "/unready")
    assert (row["care"]["state"], row["cure"]) == ("refused", cure["cure"])
    assert rig.ask("GET", "/unready", sites=("south",)) == []
    assert rig.ask("GET", f"/cures/{cure['cure']}")["care"]["state"] == "refused"
    day = cure["appointments"][0]["starts_at"][:10]
    (on_board,) = rig.ask("GET", f"/board?site=north&day={day}")["appointments"]
    assert on_board["care"]["state"] == "refused"
    span = f"from={day}T00:00:00Z&to={day}T23:00:00Z"
    (in_calendar,) = rig.ask("GET", f"/calendar?site=north&{span}")["appointments"]
    assert in_calendar["care"]["state"] == "refused"


def test_a_refused_patient_gets_no_place_from_the_waiting_list(rig):
    """Nor by the list's own hand."""
    people = rig.clinic(beds={"bed_01": "lumbar"}, therapists=1)
    booked = rig.cure(times=[["08:00", "08:45"]], therapist=people[0])
    patient = str(uuid4())
    wanted = cure_body(patient=patient, times=[["08:00", "08:45"]])
    rig.waits(cure=wanted, automatic=True)
    decided(rig, patient, "refused", rules=["pregnancy"])
    rig.ask("POST", f"/cures/{booked['cure']}/end", json={"reason": "moved"})
    assert [row["state"] for row in rig.ask("GET", "/waiting?site=north")] == ["waiting"]
    assert rig.ask("GET", f"/cures?patient={patient}") == []


def test_a_first_prescription_is_looked_at_before_anything_is_booked(rig):
    """Beyond its limits, or for another body than the file's: said with the preview, refused when booked."""
    rig.clinic()
    patient = str(uuid4())
    decided(rig, patient, "incomplete")
    sent = {"prescription": PRESCRIPTION | {"peak_n": 900.0, "body_weight_kg": 60.0, "age_years": 30}}
    wrong = {"prescription.peak_n", "prescription.body_weight_kg", "prescription.age_years"}
    shown = previewed(rig, patient, **sent)
    assert len(shown["appointments"]) == 18
    assert wrong <= {row["field"] for row in shown["prescription"]}
    body = cure_body(patient=patient) | {"request": str(uuid4())}
    for name, value in (("peak_n", 900.0), ("body_weight_kg", 60.0)):
        document = PRESCRIPTION | {name: value}
        refused = rig.ask(
            "POST", "/cures", role="clinician", json=body | {"prescription": document}, status=422
        )
        assert f"prescription.{name}" in [row["field"] for row in refused["rules"]]
    assert previewed(rig, patient, prescription=PRESCRIPTION)["prescription"] == []

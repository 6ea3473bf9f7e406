"""Nobody who must not be treated gets or keeps a clearance, whichever way the reason comes in."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from screening.screening_rig import PERSON, ScreeningRig
from screening.test_clearances import give, restore
from screening.treated import CLINICIAN, answered, cleared, consented, ended, hear, open_reasons, state
from servers import eventually
from sqlalchemy import text

from services.kit.database import reading, writing
from services.screening import zones
from services.screening.patients import store as patients
from services.screening.rules import store as rules
from services.screening.rules.answers import Answer
from services.screening.rules.days import after_months

MERGED = "dieselbe Person"
WITHDRAWAL = {"how": "oral", "at": "", "note": ""}


def correct(rig, patient, **content):
    """A new version of the file."""
    body = {"content": PERSON | content, "version": 1, "reason": "vertippt"}
    return rig.ask("PUT", f"/patients/{patient}", json=body)


def merge(rig, patient, into):
    """One file takes the other's place."""
    rig.ask("POST", f"/patients/{patient}/merge", json={"into": into, "reason": MERGED})


def unmerge(rig, patient):
    """And not any more."""
    rig.ask("POST", f"/patients/{patient}/unmerge", json={"reason": "doch zwei"})


@pytest.mark.parametrize(
    "content", [{"birth_date": "2015-03-01"}, {"body_weight_kg": 250.0}, {"body_weight_kg": None}]
)
def test_a_correction_that_forbids_treatment_suspends(either, content):
    """Age and weight decide as answers do: a file that was wrong must not go on clearing anybody."""
    patient = cleared(either)
    correct(either, patient, **content)
    assert state(either, patient)["state"] == "suspended"
    assert open_reasons(either, patient) == ["file"]
    assert "file" in {event.data["reason"] for event in either.told("clearance") if "reason" in event.data}
    restore(either, patient, status=409)


def test_a_correction_that_changes_nothing_of_that_suspends_nothing(rig):
    """A new telephone number is nobody's reason to look."""
    patient = cleared(rig)
    correct(rig, patient, phone="+49 30 1", body_weight_kg=71.0)
    assert open_reasons(rig, patient) == []


def test_a_withdrawal_ends_every_consent_of_its_region(rig):
    """BGB 630d(3): who says no means the treatment, not the newer of two papers."""
    patient = rig.patient()
    consented(rig, answered(rig, patient))
    newer = consented(rig, patient)
    give(rig, patient)
    rig.ask("POST", f"/patients/{patient}/consents/{newer}/withdrawal", json=WITHDRAWAL)
    assert open_reasons(rig, patient) == ["consent"]
    assert "consent" in restore(rig, patient, status=409)["detail"]
    consented(rig, patient)
    assert len(restore(rig, patient)["clearances"]) == 1


def test_a_withdrawal_noted_late_leaves_the_consent_that_was_signed_after_it(rig):
    """What counts is when somebody said it, not when it was typed."""
    patient = rig.patient()
    older = consented(rig, answered(rig, patient))
    said = datetime.now(UTC).isoformat()
    consented(rig, patient)
    give(rig, patient)
    rig.ask("POST", f"/patients/{patient}/consents/{older}/withdrawal", json=WITHDRAWAL | {"at": said})
    assert open_reasons(rig, patient) == []


def test_files_that_contradict_each_other_suspend_when_they_are_merged(either):
    """One file says no, the other yes: which is true is a clinician's to find out before the next session."""
    kept = cleared(either)
    gone = answered(either, either.patient(given_name="Erica"), pregnancy="yes")
    with writing(either.engine) as connection:  # the newest answer alone would clear
        rules.add_answer(connection, CLINICIAN, UUID(kept), "pregnancy", Answer(answer="no"), "staff")
    merge(either, gone, kept)
    assert open_reasons(either, kept) == ["file"]


def test_a_clearance_that_rested_on_the_other_file_is_suspended_when_they_are_parted(either):
    """Answers and consent of somebody else clear nobody."""
    kept = either.patient()
    gone = consented_patient(either)
    merge(either, gone, kept)
    give(either, kept)
    unmerge(either, gone)
    assert state(either, kept)["state"] == "suspended"


def consented_patient(rig):
    """Somebody who could be cleared."""
    patient = rig.patient(given_name="Erica")
    consented(rig, answered(rig, patient))
    return patient


def test_what_suspended_two_files_as_one_suspends_both_when_they_are_parted(either):
    """Nobody knows whose harm it was: the one who was hurt must not be the one who goes on."""
    kept, gone = cleared(either), cleared(either, given_name="Erica")
    merge(either, gone, kept)
    report = {
        "id": str(uuid4()), "kind": "weakness", "grade": 3, "region": "lumbar",
        "happened_at": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    either.ask("POST", f"/patients/{gone}/adverse", json=report, status=201)
    unmerge(either, gone)
    assert state(either, kept)["state"] == "suspended"
    assert state(either, gone)["state"] == "suspended"


def test_a_review_that_was_due_for_two_files_as_one_can_be_lifted_when_they_are_parted(rig):
    """A suspension that no signature ends would keep somebody from treatment for ever."""
    kept, gone = cleared(rig), cleared(rig, given_name="Erica")
    merge(rig, gone, kept)
    hear(rig, *(ended(UUID(one)) for one in (kept, gone, gone)))
    assert open_reasons(rig, kept) == ["gate"]
    unmerge(rig, gone)
    assert len(restore(rig, kept)["clearances"]) == 1


def test_a_signed_review_does_not_bring_back_what_is_lacking_otherwise(tmp_path):
    """The signature is about the course: rules that became stricter meanwhile still forbid."""
    rig = ScreeningRig(tmp_path, pregnancy="relative")
    patient = rig.patient()
    consented(rig, answered(rig, patient, pregnancy="yes"))
    body = {"region": "lumbar", "reason": "abgewogen"}
    rig.ask("POST", f"/patients/{patient}/conditions/pregnancy", json=body)
    give(rig, patient)
    hear(rig, *(ended(UUID(patient)) for _ in range(3)))
    rig.close()
    stricter = ScreeningRig(tmp_path, pregnancy="absolute")
    stricter.ask("POST", f"/patients/{patient}/gates/3/sign", json={"reason": "verträgt es"})
    assert state(stricter, patient)["state"] == "suspended"
    stricter.close()


def test_a_signature_waits_for_an_answer_that_is_being_kept(postgres, tmp_path):
    """Two desks at once: the clearance must not rest on what the other desk is just changing."""
    rig = ScreeningRig(tmp_path, postgres.database())
    patient = UUID(consented_patient(rig))
    answers = []
    clinician = threading.Thread(
        target=lambda: answers.append(
            rig.client().post(f"/patients/{patient}/clearances", json={"region": "lumbar"})
        )
    )
    with writing(rig.engine) as connection:
        patients.lock(connection, patient)
        rules.add_answer(connection, CLINICIAN, patient, "pregnancy", Answer(answer="yes"), "staff")
        clinician.start()
        eventually(lambda: answers or waits_for_a_lock(rig))
    clinician.join()
    assert answers[0].status_code == 409
    rig.close()


def waits_for_a_lock(rig):
    """Whether somebody stands behind a row of somebody else's."""
    with reading(rig.engine) as connection:
        return connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one()


def test_an_adverse_event_s_id_of_somebody_else_is_refused(rig):
    """Answered like a repetition it would be lost, and the answer would tell of the other patient."""
    one, other = cleared(rig), cleared(rig, site="south", given_name="Anna", birth_date="1970-01-01")
    report = {
        "id": str(uuid4()), "kind": "weakness", "grade": 3, "region": "lumbar",
        "happened_at": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    rig.ask("POST", f"/patients/{one}/adverse", json=report, status=201)
    rig.ask("POST", f"/patients/{one}/adverse", json=report, status=201)
    refused = rig.ask("POST", f"/patients/{other}/adverse", json=report, sites=("south",), status=409)
    assert "taken" in refused["detail"]
    assert one not in str(refused)


def test_a_clearance_is_decided_on_the_day_that_the_decision_shows(rig, monkeypatch):
    """Between midnight here and midnight UTC two clocks would say two ages: one day counts everywhere."""
    eve = zones.now().astimezone().date() + timedelta(days=1)
    patient = rig.patient(birth_date=after_months(eve, -18 * 12).isoformat())
    consented(rig, answered(rig, patient))
    assert "refuses" in give(rig, patient, status=409)["detail"]
    monkeypatch.setattr(zones, "today", lambda _connection, _site: eve)
    assert give(rig, patient)["region"] == "lumbar"


def test_whom_a_clinician_looks_at_is_of_their_own_sites(rig):
    """A session held away from home shows no name to a site that may not see the file."""
    patient = cleared(rig)
    hear(rig, *(ended(UUID(patient)) for _ in range(3)), site="south")
    assert rig.ask("GET", "/attention", sites=("south",)) == []
    assert [row["patient"] for row in rig.ask("GET", "/attention", sites=("north",))] == [patient]

import sqlite3
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from bedside_rig import NECK, PATIENT, Served
from servers import eventually
from worklist_rig import NOW, PERSON, Centre, ListedClinic, suspension

from services.controller.bedside.admission import REASONS, Admission
from services.controller.bedside.suspending import Suspender
from services.controller.centre.release import Centre as CentreKeeper
from services.controller.centre.worklists import DIRECTORY, Worklists
from services.controller.errors import SessionRefused
from services.controller.models import Confirm
from services.controller.panel import pages
from services.controller.recorder.known_sessions import KnownSessions

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clinic(tmp_path, ticking, hands):
    """A bedside with a centre, on a clock of the test's."""
    clinic = ListedClinic(tmp_path, ticking, hands.clocks(), silent_after_h=12.0)
    clinic.centre.says()
    yield clinic
    clinic.centre.says(at=NOW + timedelta(hours=20))
    clinic.clear_up()
    clinic.store.close()


@pytest.fixture
def panel(clinic):
    """Its panel, somebody signed in."""
    served = Served(clinic.panel(pages=pages.router, todays=clinic.todays))
    served.sign_in()
    yield served
    served.close()


def suspender(clinic):
    """The recorder's part, as of a process that starts now."""
    return Suspender(
        clinic.memory, KnownSessions(clinic.directory / "session.db"), Worklists(clinic.directory)
    )


def test_every_reason_of_screening_has_its_words_at_the_bed():
    """A code on a screen helps nobody."""
    path = ROOT / "services/screening/clearance/reasons.toml"
    known = {row["id"] for row in tomllib.loads(path.read_text(encoding="utf-8"))["reason"]}
    assert known == set(REASONS)


@pytest.mark.requirement("refuse-suspended")
def test_a_suspended_patient_is_not_confirmed_started_resumed_or_changed(clinic):
    """What a clinician has taken back must not begin, go on or grow at any bed of the gateway."""
    clinic.under_way()
    clinic.until("precondition", "ramp", "hold")
    clinic.bedside.act("bed-01", "pause")
    clinic.ready("bed-02")
    clinic.centre.says(suspended=[suspension()], device="bed-02")
    for device, action in (("bed-01", "resume"), ("bed-02", "start")):
        with pytest.raises(SessionRefused, match=f"{action} is refused: .* since .* a new answer") as refusal:
            clinic.bedside.act(device, action)
        assert "ausgesetzt seit" in refusal.value.german
        assert "unterschriebener Begründung" in refusal.value.german
    with pytest.raises(SessionRefused, match="change is refused"):
        clinic.bedside.change("bed-01", {**NECK, "traction_min": 20.0, "peak_n": 62.0}, "")
    assert clinic.phase("bed-01") == "paused"
    assert clinic.phase("bed-02") == "ready"
    clinic.bedside.close("bed-02", "", None)
    with pytest.raises(SessionRefused, match="confirm is refused"):
        clinic.confirm("bed-02")
    assert clinic.phase("bed-02") == "idle"


@pytest.mark.requirement("refuse-suspended")
def test_a_newer_list_restores_and_an_older_one_does_not(clinic):
    """A clinician's signature counts at once; a list that the network held back does not."""
    clinic.centre.says(suspended=[suspension(region="cervical")])
    assert not clinic.centre.says(at=NOW - timedelta(hours=1))
    with pytest.raises(SessionRefused, match="confirm is refused"):
        clinic.confirm()
    clinic.centre.says(suspended=[suspension(region="lumbar"), suspension(uuid4(), adverse=True)])
    assert clinic.confirm().patient == PATIENT


@pytest.mark.requirement("pause-adverse")
def test_an_adverse_event_pauses_the_running_session_at_once(clinic):
    """Dizziness was reported at the desk while the patient lies under traction."""
    clinic.under_way()
    clinic.until("precondition", "ramp", "hold")
    assert suspender(clinic).look() == []
    clinic.centre.says(suspended=[suspension(reason="adverse", adverse=True)])
    after_a_restart = suspender(clinic)
    assert after_a_restart.look() == ["bed-01"]
    clinic.until("paused")
    assert after_a_restart.look() == []
    assert [(note.bed, note.data["from"], note.data["why"]) for note in after_a_restart.notes] == [
        (0, "worklist", "adverse")
    ]
    with pytest.raises(SessionRefused, match="resume is refused"):
        clinic.bedside.act("bed-01", "resume")


@pytest.mark.requirement("pause-adverse")
def test_any_other_suspension_lets_the_session_end_with_a_notice(clinic, panel):
    """A review that was not signed is no reason to leave somebody hanging in a pause."""
    clinic.under_way()
    clinic.until("precondition", "ramp", "hold")
    clinic.centre.says(suspended=[suspension(reason="gate")])
    assert suspender(clinic).look() == []
    told = eventually(lambda: panel.get("/bed-01")["suspension"], 10, "notice")
    assert not told["adverse"]
    assert "a review is due and not signed. The session may end normally" in told["text"]["en"]
    assert "Zwischenprüfung" in told["text"]["de"]
    assert clinic.phase() != "paused"
    panel.http.cookies.clear()
    assert "review" not in panel.get("/bed-01")["suspension"]["text"]["en"]


@pytest.mark.requirement("refuse-uncleared")
def test_a_clearance_that_ended_meanwhile_starts_nothing(clinic, hands):
    """Confirmed at five to, started at five past: the signature was for the time before."""
    clinic.ready()
    hands.pass_s(25 * 3600.0)
    with pytest.raises(SessionRefused, match="the clearance of this session was valid until") as refusal:
        clinic.bedside.act("bed-01", "start", seen=True)
    assert "galt bis" in refusal.value.german


@pytest.mark.requirement("refuse-uncleared")
@pytest.mark.parametrize("by_appointment", [True, False])
def test_an_appointment_without_a_clearance_starts_nothing(clinic, by_appointment):
    """Somebody took it back; an older token that still lies on a desk does not revive it."""
    one = clinic.entry()
    clinic.centre.says(one)
    clinic.ready(appointment=one.appointment if by_appointment else None)
    clinic.centre.says(one.model_copy(update={"clearance": None}))
    with pytest.raises(SessionRefused, match="has no clearance in force for this appointment"):
        clinic.bedside.act("bed-01", "start")


@pytest.mark.requirement("refuse-uncleared")
def test_an_older_clearance_that_has_not_expired_confirms_nobody(clinic):
    """A token that still lies on a desk does not outlive what a clinician said after it was signed."""
    old = clinic.request(clearance=clinic.token(NOW - timedelta(hours=2)))
    clinic.centre.says(clinic.entry())
    with pytest.raises(SessionRefused, match=r"has a newer one") as refusal:
        clinic.bedside.confirm("bed-01", Confirm(**old))
    assert "hat eine neuere" in refusal.value.german
    clinic.centre.says(suspended=[suspension()])
    clinic.centre.says()
    with pytest.raises(SessionRefused, match=r"before the suspension of") as refusal:
        clinic.bedside.confirm("bed-01", Confirm(**old))
    assert "vor der Aussetzung" in refusal.value.german
    assert clinic.phase() == "idle"
    assert clinic.confirm().patient == PATIENT


def test_a_centre_of_another_release_is_said_and_hinders_nobody(clinic, panel):
    """A bed that is not upgraded with its centre treats and records; somebody has to know."""
    assert panel.get("/bed-01")["centre"]["apart"] is None
    CentreKeeper(clinic.directory).take("77.0.0")
    clinic.admission.worklists.refresh()
    assert "of the centre: 77.0.0" in panel.get("/bed-01")["centre"]["apart"]["en"]
    clinic.ready()
    assert panel.post("bed-01/start").is_success


@pytest.mark.requirement("say-silence")
def test_a_silent_centre_is_said_and_must_be_seen_before_each_start(clinic, panel, hands):
    """Who was suspended meanwhile is not known here: somebody has to ask the desk, and may then go on."""
    assert panel.get("/bed-01")["centre"]["silent"] is None
    hands.pass_s(12 * 3600.0)
    clinic.ready()
    assert "12 h ago (limit 12 h)" in panel.get("/bed-01")["centre"]["silent"]["en"]
    refusal = panel.post("bed-01/start")
    assert refusal.status_code == 409
    assert "bestätigt ist, dass dies gesehen wurde" in refusal.json()["detail_de"]
    assert clinic.phase() == "ready"
    panel.post("bed-01/start", {"silence_seen": True}).raise_for_status()
    clinic.until("slack", "precondition", "ramp", "hold")


@pytest.mark.requirement("ask-the-name")
def test_a_patient_of_the_list_is_confirmed_by_the_appointment(clinic, panel):
    """Name and birth date are asked, prescription and clearance come from the centre: nothing is typed."""
    one = clinic.entry()
    clinic.centre.says(one, device="bed-02")
    (row,) = panel.get("/bed-01/worklist")["appointments"]
    assert (row["name"], row["birth_date"]) == (PERSON.name, "1961-05-04")
    assert (row["device"], row["segment"], row["session_number"], row["clear"]) == ("bed-02", "C0-2", 5, True)
    body = {"appointment": row["appointment"]}
    assert panel.post("bed-01/confirm-listed", body).status_code == 422
    answer = panel.post("bed-01/confirm-listed", {**body, "identity_asked": True, "pain_before": 4})
    session = clinic.store.by_id(answer.raise_for_status().json()["session"])
    assert (session.patient, session.appointment, session.cure) == (PATIENT, one.appointment, one.cure)
    assert session.pain_before == 4
    again = panel.post("bed-02/confirm-listed", {**body, "identity_asked": True})
    assert "under way at bed-01" in again.json()["detail"]
    with sqlite3.connect(clinic.directory / "session.db") as file:
        assert not [line for line in file.iterdump() if "Mustermann" in line]
    assert "Mustermann" not in panel.http.get("/api/devices/bed-01").text


def test_the_list_tells_a_peak_at_the_segment_as_a_model(clinic, panel):
    """Who confirms sees what was signed: the pull, and the model's force with its interval."""
    back = {
        "region": "lumbar", "segment": "L4/5", "body_weight_kg": 80.0, "age_years": 46, "sex": "male",
        "session_number": 8, "peak_n": 331.3, "segment_peak_n": 300.0,
    }  # fmt: skip
    clinic.centre.says(clinic.entry(prescription=back))
    (row,) = panel.get("/bed-01/worklist")["appointments"]
    assert row["peak_n"] == 331.3
    told = row["segment_peak"]
    assert told["model"] is True
    assert told["axial_low_n"] < told["axial_n"] == pytest.approx(300.0, abs=0.1)
    assert told["axial_n"] < told["axial_high_n"]
    del back["segment_peak_n"]
    clinic.centre.says(clinic.entry(prescription=back))
    (row,) = panel.get("/bed-01/worklist")["appointments"]
    assert row["segment_peak"] is None, "prescribed by the pull"


def test_the_list_says_why_somebody_cannot_be_confirmed(clinic, panel):
    """Whoever stands at the bed must know whom to call, before the patient lies down."""
    suspended, free = uuid4(), uuid4()
    rows = [
        clinic.entry(patient=suspended), clinic.entry(patient=free, cleared=False),
        clinic.entry(patient=free, prescription=None, person=None), clinic.entry(patient=uuid4(), in_h=-20.0),
    ]  # fmt: skip
    over = {"clearance": clinic.token(NOW - timedelta(days=3), free)}
    rows.append(clinic.entry(patient=free).model_copy(update=over))
    clinic.centre.says(*rows, suspended=[suspension(suspended, reason="consent")])
    shown = {row["appointment"]: row for row in panel.get("/bed-01/worklist")["appointments"]}
    assert len(shown) == 4
    assert "die Freigabe endete" in shown[str(rows[4].appointment)]["state"]["de"]
    said = [shown[str(row.appointment)]["state"]["de"] for row in rows[:3]]
    assert "die Einwilligung wurde widerrufen" in said[0]
    assert said[1:] == [
        "keine gültige Freigabe: die Aufnahme erteilt sie",
        "noch keine Verordnung: die nächste wird ärztlich bestätigt",
    ]
    for row in rows:
        body = {"appointment": str(row.appointment), "identity_asked": True}
        assert panel.post("bed-01/confirm-listed", body).status_code == 409
    unknown = panel.post("bed-01/confirm-listed", {"appointment": str(uuid4()), "identity_asked": True})
    assert "no appointment" in unknown.json()["detail"]


def test_nobody_sees_a_name_who_is_not_signed_in_at_the_panel(clinic, panel):
    """The view is open to the room; names are not."""
    clinic.centre.says(clinic.entry())
    panel.http.cookies.clear()
    answer = panel.http.get("/api/devices/bed-01/worklist")
    assert answer.status_code == 401
    assert "Mustermann" not in answer.text


@pytest.mark.requirement("keep-worklists")
def test_a_list_that_cannot_be_read_and_a_clock_that_is_behind_are_said_before_a_start(tmp_path, hands):
    """Half a file, or an empty battery, must not mean in silence that nobody is suspended."""
    centre, clocks = Centre(tmp_path), hands.clocks()
    centre.says(at=datetime.fromtimestamp(clocks.now()[0], UTC), suspended=[suspension()])
    admission = Admission(Worklists(tmp_path), clocks)
    admission.worklists.refresh()
    assert admission.silence() is None
    (tmp_path / DIRECTORY / "bed-01.json").write_bytes(b"{")
    again = Admission(Worklists(tmp_path), clocks)
    again.worklists.refresh()
    with pytest.raises(SessionRefused, match="bed-01 cannot be read"):
        again.require_seen(seen=False)
    again.require_seen(seen=True)
    (tmp_path / DIRECTORY / "bed-01.json").unlink()
    centre.says(at=datetime.fromtimestamp(clocks.now()[0], UTC) + timedelta(days=3))
    again.worklists.refresh()
    with pytest.raises(SessionRefused, match="clock is behind"):
        again.require_seen(seen=False)

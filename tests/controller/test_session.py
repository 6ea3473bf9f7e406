import sqlite3
import threading
from uuid import uuid4

import pytest
from bedside_rig import BACK, DEVICES, NECK, PATIENT
from servers import eventually

from services.controller.bedside import session as session_module
from services.controller.errors import (
    BedUnavailable,
    SessionRefused,
    StoreUnavailable,
    UnknownDevice,
    UnknownSession,
)
from services.controller.kernel import faults, layout
from services.controller.models import Confirm
from services.controller.rows import NewSession
from services.controller.store import Store
from services.controller.words import ACTIONS, ACTIONS_IN, BY_ACTION, PHASE_WORDS, REFUSALS
from services.kit.errors import ClearanceError, PrescriptionError


def new_session(**change):
    """A row as confirm writes it."""
    row = {
        "device": "bed-01", "boot": uuid4(), "patient": PATIENT, "cure": None, "appointment": None,
        "region": "cervical", "segment": "C0-2", "prescription": {"peak_n": 60.0}, "clearance": uuid4(),
        "operator": "a",
    }  # fmt: skip
    return NewSession(**{**row, **change})


# --- the store ------------------------------------------------------------------------------------


def test_session_numbers_only_go_up_across_restarts(tmp_path):
    """The ring knows a session by its number alone: one given twice would mix two patients."""
    seen = []
    for _ in range(3):
        store = Store(tmp_path / "session.db")
        seen += [store.add(new_session()).session_no for _ in range(3)]
        store.close()
    assert seen == list(range(1, 10))
    with sqlite3.connect(tmp_path / "session.db") as raw:
        raw.execute("DELETE FROM sessions WHERE session_no = 9")
    store = Store(tmp_path / "session.db")
    assert store.add(new_session()).session_no == 10
    store.close()


def test_confirming_at_many_beds_at_once_gives_every_session_its_own_number(tmp_path):
    """Several operators, one gateway."""
    store, numbers = Store(tmp_path / "session.db"), []
    threads = [
        threading.Thread(target=lambda: numbers.append(store.add(new_session()).session_no)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 9))
    store.close()


@pytest.mark.parametrize("table", ["notes", "actions"])
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "UPDATE {} SET operator = 'x'"])
def test_notes_and_actions_can_only_be_added_to(tmp_path, table, verb):
    """A record of what was done at a patient is not to be edited afterwards, by nobody."""
    store = Store(tmp_path / "session.db")
    session = store.add(new_session()).session
    store.add_note(session, "a", "pulls a little")
    store.add_action("bed-01", session, "a", "stop", accepted=True, detail="stopped")
    with (
        sqlite3.connect(tmp_path / "session.db") as raw,
        pytest.raises(sqlite3.IntegrityError, match="only grow"),
    ):
        raw.execute(verb.format(table))
    assert [note.text for note in store.notes(session)] == ["pulls a little"]
    assert [row["action"] for row in store.actions(session)] == ["stop"]
    store.close()


def test_what_is_stored_is_read_again_whole(tmp_path):
    """The recorder, another process, makes the summary from it."""
    store = Store(tmp_path / "session.db")
    new = new_session(cure=uuid4(), appointment=uuid4(), pain_before=6)
    session = store.add(new)
    store.set_parameters(session.session, [1.0, 2.5])
    store.set_pain(session.session, "after", 2)
    store.loaded(session.session)
    again = Store(tmp_path / "session.db").by_number(session.session_no)
    assert (again.cure, again.appointment, again.patient) == (new.cure, new.appointment, new.patient)
    assert (again.parameters, again.state, again.pain_before, again.pain_after) == ((1.0, 2.5), "open", 6, 2)
    facts = again.facts()
    assert (facts.session, facts.segment, facts.pain_after) == (session.session, "C0-2", 2)
    with pytest.raises(UnknownSession):
        store.by_id(uuid4())
    store.close()


# --- a session's life ------------------------------------------------------------------------------------


def test_a_whole_session_from_confirmation_to_closing(clinic):
    """The flow an operator knows, on real ticks of the kernel."""
    session = clinic.confirm(pain_before=5, note="first time at this bed", operator="mk")
    assert session.state == "open"
    assert clinic.sample()[layout.S_SESSION] == session.session_no
    with pytest.raises(SessionRefused, match="switch has not been tested"):
        clinic.bedside.act("bed-01", "start")
    seen = clinic.memory.head()
    clinic.bedside.act("bed-01", "switch-test")
    eventually(lambda: clinic._tested("bed-01", seen), 20, "switch test")
    clinic.bedside.act("bed-01", "start")
    clinic.until("ramp", "hold")
    assert clinic.bedside.act("bed-01", "pause").done.en == "paused"
    assert clinic.phase() == "paused"
    clinic.bedside.act("bed-01", "resume")
    clinic.until("done")
    clinic.bedside.close("bed-01", "mk", 2)
    stored = clinic.store.by_number(session.session_no)
    assert (stored.state, stored.pain_before, stored.pain_after) == ("closed", 5, 2)
    assert stored.confirmed_at < stored.started_at < stored.ended_at
    assert [note.text for note in clinic.store.notes(session.session)] == ["first time at this bed"]
    told = [(row["action"], row["accepted"]) for row in clinic.store.actions(session.session)]
    assert told == [
        ("confirm", True), ("start", False), ("switch-test", True), ("start", True), ("pause", True),
        ("resume", True), ("pain", True), ("close", True),
    ]  # fmt: skip
    assert clinic.phase() == "idle"


@pytest.mark.parametrize("action", [name for name in ACTIONS if name != "confirm"])
def test_no_action_does_anything_where_nobody_lies(clinic, action):
    """An empty bed neither starts nor warms; a stop there is harmless and says so."""
    if action == "reset":
        assert clinic.bedside.act("bed-01", action).done.en == "reset"
    elif action == "change":
        with pytest.raises(SessionRefused, match="no session"):
            clinic.bedside.change("bed-01", NECK, "")
    elif action == "heat-off":
        clinic.bedside.act("bed-01", action)
    else:
        with pytest.raises(SessionRefused, match="no patient has been confirmed"):
            clinic.bedside.act("bed-01", action)
    assert clinic.phase() == "idle"


def test_a_start_waits_for_the_prescribed_tilt_and_names_it(clinic):
    """The segment is chosen by the angle: a wrong one treats another segment."""
    clinic.confirm("bed-02", BACK)
    clinic.ticking.pause()
    words = clinic.bedside.refusal(clinic.memory, 1, "start", layout.REFUSAL_TILT)
    assert "10.0 are prescribed, 2.0 off at most (docs/dosing.md)" in words.en
    assert "verordnet sind 10.0" in words.de


def test_a_refused_prescription_leaves_nothing_behind(clinic):
    """Nothing half-done: no row, no load, every reason told."""
    with pytest.raises(PrescriptionError) as refusal:
        clinic.confirm(prescription={**NECK, "peak_n": 200.0, "heat_min": 5.0})
    assert {row.field for row in refusal.value.refusals} == {"prescription.peak_n", "prescription.heat_min"}
    assert clinic.store.by_number(1) is None
    assert clinic.phase() == "idle"


@pytest.mark.requirement("confirm-at-the-bed")
def test_a_clearance_of_somebody_else_leaves_nothing_behind(clinic):
    """Wrong patient is the hazard that confirmation exists for."""
    request = clinic.request() | {"clearance": clinic.clearance(patient=uuid4())}
    with pytest.raises(ClearanceError, match="another patient"):
        clinic.bedside.confirm("bed-01", Confirm(**request))
    assert clinic.store.by_number(1) is None


def test_a_bed_in_use_takes_no_second_patient(clinic):
    """The first session goes on untouched."""
    first = clinic.confirm()
    with pytest.raises(SessionRefused, match="confirm is not possible: the bed is in phase ready"):
        clinic.confirm()
    assert clinic.sample()[layout.S_SESSION] == first.session_no
    assert clinic.store.by_number(first.session_no + 1) is None


def test_a_load_that_the_loop_does_not_answer_closes_its_row(clinic, monkeypatch):
    """The row is written before the kernel hears of it; when it never answers, the row says so."""
    monkeypatch.setattr(session_module, "ANSWER_S", 0.2)
    clinic.ticking.pause()
    with pytest.raises(BedUnavailable, match="has not answered confirm"):
        clinic.confirm()
    (row,) = [clinic.store.by_number(1)]
    assert row.state == "refused"
    assert row.ended_at is not None


def test_a_load_that_the_log_cannot_keep_is_taken_back(clinic):
    """A session the log does not know must not stay on the bed."""
    with sqlite3.connect(clinic.directory / "session.db") as raw:
        raw.execute(
            "CREATE TRIGGER full BEFORE UPDATE OF state ON sessions WHEN NEW.state = 'open' "
            "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    with pytest.raises(StoreUnavailable, match="disk is full"):
        clinic.confirm()
    assert clinic.phase() == "idle"
    assert clinic.store.by_number(1).state == "refused"


def test_stop_works_when_nothing_can_be_written(clinic):
    """A full disk must never keep a patient under tension."""
    clinic.under_way()
    clinic.until("precondition")
    with sqlite3.connect(clinic.directory / "session.db") as raw:
        raw.executescript("DROP TABLE actions; DROP TABLE notes; DROP TABLE sessions;")
    clinic.bedside = clinic.new_bedside()
    memory, bed, ticket = clinic.bedside.stop_now("bed-01")
    outcome = eventually(lambda: memory.outcome(0, bed, ticket), 5, "answer")
    assert outcome.accepted
    clinic.bedside.stopped("bed-01", "mk")
    assert clinic.phase() == "stopped"


def test_a_change_is_for_the_same_patient_and_within_the_limits(clinic):
    """A changed prescription may raise within the limits; another region or patient is another session."""
    session = clinic.started("bed-02", BACK)
    change = {**BACK, "peak_n": 400.0, "hold_s": 40.0}
    clinic.bedside.change("bed-02", change, "mk")
    stored = clinic.store.by_number(session.session_no)
    assert stored.prescription["peak_n"] == 400
    assert stored.parameters[layout.P_PEAK] == 400
    for wrong, error, words in (
        ({**BACK, "peak_n": 620.0}, PrescriptionError, "446 N"),
        (NECK, SessionRefused, "prescription.region is cervical: this session has lumbar"),
        ({**BACK, "body_weight_kg": 90.0}, SessionRefused, "body_weight_kg is 90"),
    ):
        with pytest.raises(error, match=words):
            clinic.bedside.change("bed-02", wrong, "mk")
    assert clinic.store.by_number(session.session_no) == stored


def test_what_the_kernel_took_is_no_error_when_it_cannot_be_written(clinic):
    """A refusal on the screen and a higher peak at the patient would be the worst of both."""
    with sqlite3.connect(clinic.directory / "session.db") as raw:
        raw.execute("CREATE TRIGGER no_note BEFORE INSERT ON notes BEGIN SELECT RAISE(ABORT, 'full'); END")
    assert clinic.bedside.confirm("bed-02", Confirm(**clinic.request(BACK, note="calm"))).action == "confirm"
    clinic.until("ready", device="bed-02")
    with sqlite3.connect(clinic.directory / "session.db") as raw:
        raw.execute("CREATE TRIGGER no_row BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'full'); END")
    answer = clinic.bedside.change("bed-02", {**BACK, "peak_n": 340.0}, "mk")
    assert answer.done == ACTIONS["change"].done


def test_heat_is_for_prescriptions_that_have_it(clinic):
    """Infrared heat for the lumbar spine only, and only where prescribed."""
    clinic.under_way()
    with pytest.raises(SessionRefused, match="no heat left"):
        clinic.bedside.act("bed-01", "heat-on")
    clinic.started("bed-02", BACK)
    clinic.bedside.act("bed-02", "heat-on")
    eventually(lambda: clinic.sample("bed-02")[layout.S_OUTPUTS] & layout.OUTPUT_HEAT, 10, "heat")
    clinic.bedside.act("bed-02", "heat-off")
    eventually(lambda: not clinic.sample("bed-02")[layout.S_OUTPUTS] & layout.OUTPUT_HEAT, 10, "no heat")


def test_closing_waits_until_the_tension_is_gone(clinic):
    """Nobody gets up from a bed that still pulls; the refusal names the tension."""
    clinic.under_way()
    clinic.until("hold")
    clinic.bedside.act("bed-01", "stop")
    clinic.ticking.pause()
    words = clinic.bedside.refusal(clinic.memory, 0, "close", layout.REFUSAL_CONDITION)
    assert "the tension is being released, it is " in words.en
    clinic.ticking.go_on()
    clinic.until_released()
    assert clinic.phase() == "idle"


def test_a_fault_on_demand_stops_the_bed_and_is_mended(clinic):
    """Alarms must be seen before they are needed."""
    clinic.under_way()
    clinic.until("precondition")
    clinic.bedside.fault("bed-01", "switch-pressed", clear=False)
    clinic.until("stopped")
    assert clinic.memory.faults[0] == faults.SWITCH_PRESSED
    clinic.bedside.fault("bed-01", "switch-pressed", clear=True)
    assert clinic.memory.faults[0] == 0
    with pytest.raises(SessionRefused, match="the faults are sensor-stuck"):
        clinic.bedside.fault("bed-01", "cosmic-ray", clear=False)


def test_a_loop_that_stands_still_is_told_at_once(clinic):
    """An operator must not wait for a machine that does not answer."""
    clinic.ticking.pause()
    eventually(lambda: clinic.memory.heartbeat_age_s() > 1.1, 5, "stale")
    with pytest.raises(BedUnavailable, match=r"has not run for \d"):
        clinic.bedside.act("bed-01", "pause")


def test_an_unknown_bed_is_named(clinic):
    """A typing mistake must not reach another bed."""
    with pytest.raises(UnknownDevice, match="'bed-99'"):
        clinic.bedside.act("bed-99", "start")


# --- restarts ------------------------------------------------------------------------------------


def test_a_restarted_panel_picks_up_the_running_session(clinic):
    """The process may be killed under a patient; the next one knows everything again."""
    session = clinic.under_way(pain_before=4)
    clinic.bedside.note("bed-01", "mk", "slight burning")
    clinic.bedside = clinic.new_bedside()
    clinic.bedside.reconcile()
    record = clinic.bedside.current("bed-01")
    assert record.session.session == session.session
    assert record.session.state == "open"
    assert [note.text for note in record.notes] == ["slight burning"]
    assert clinic.bedside.act("bed-01", "pause").session == session.session


def test_rows_of_sessions_that_are_over_are_closed_after_a_restart(clinic):
    """Closed by the kernel, lost with another boot, or never loaded: no row stays open for ever."""
    ended = clinic.confirm()
    clinic.memory.post(0, 0, layout.ACTION_CLOSE)
    clinic.until("idle")
    lost = clinic.store.add(new_session())
    clinic.store.loaded(lost.session)
    never = clinic.store.add(new_session(boot=clinic.memory.boot))
    running = clinic.confirm("bed-02")
    clinic.new_bedside().reconcile()
    states = {row.session: clinic.store.by_id(row.session).state for row in (ended, lost, never, running)}
    assert states == {
        ended.session: "closed", lost.session: "closed", never.session: "refused", running.session: "open",
    }  # fmt: skip


def test_a_row_whose_load_was_answered_to_nobody_is_settled(clinic):
    """Killed between the kernel's yes and the log's: the kernel is right."""
    session = clinic.confirm()
    with sqlite3.connect(clinic.directory / "session.db") as raw:
        raw.execute("UPDATE sessions SET state = 'loading'")
    clinic.new_bedside().reconcile()
    assert clinic.store.by_id(session.session).state == "open"


# --- words ------------------------------------------------------------------------------------


def test_every_phase_action_and_refusal_has_words_in_both_languages():
    """A code is no answer to a person."""
    assert set(PHASE_WORDS) == set(ACTIONS_IN) == set(layout.PHASES)
    assert set(REFUSALS) == set(range(1, len(layout.REFUSALS)))
    kernels = {action.number for action in ACTIONS.values()}
    remote = {layout.ACTION_REMOTE_PAUSE, layout.ACTION_REMOTE_STOP, layout.ACTION_NONE}
    assert kernels == set(range(len(layout.ACTIONS))) - remote
    texts = [*PHASE_WORDS.values(), *REFUSALS.values(), *BY_ACTION.values()]
    texts += [action.done for action in ACTIONS.values()]
    assert all(words.en and words.de and words.en != words.de for words in texts)


def test_both_beds_are_found_by_their_names(clinic):
    """The column of one bed must never be read as another's."""
    clinic.confirm("bed-02")
    assert [clinic.phase(device) for device in DEVICES] == ["idle", "ready"]

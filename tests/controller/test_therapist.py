import random
import time
from uuid import uuid4

import httpx
import pytest
from bedside_rig import NECK, Served
from hypothesis import given
from hypothesis import strategies as st
from worklist_rig import ListedClinic, suspension

from services.controller.therapist import deciding
from services.controller.therapist.__main__ import panels_from
from services.controller.therapist.attending import Therapist
from services.controller.therapist.made_up import invent
from services.kit.errors import SpondylError
from services.kit.therapy import prescription as rx


def dice(seed):
    """Made-up patients, nothing secret."""
    return random.Random(seed)  # noqa: S311  (the same)


@given(st.integers(0, 2**32), st.integers(0, 63), st.integers(0, 3))
def test_every_made_up_prescription_is_within_every_limit(seed, index, sessions):
    """A demonstration must not stall on a refusal."""
    assert rx.check_document(invent(dice(seed), index, sessions)) == []


def test_neighbouring_beds_come_apart():
    """Six beds in the same phase show one thing six times."""
    first = [invent(dice(index), index, 0) for index in range(6)]
    assert len({(row["traction_min"], row["precondition_s"]) for row in first}) == 6
    assert {row["region"] for row in first} == {"lumbar", "cervical"}


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"bed-01": 3}', "nonsense"])
def test_wrong_addresses_are_one_clear_line(text):
    """Started by hand without its setting, it says what is missing."""
    with pytest.raises(SpondylError, match="SPONDYL_PANELS"):
        panels_from(text)


class Working:
    """The therapist's decisions carried out at one bed, faster than a person."""

    def __init__(self, clinic, panel):
        self.clinic, self.panel, self.done = clinic, panel, []
        self.visit = deciding.Visit("bed-01", 0, dice(1))
        self.seen_s = 0.0

    def until(self, condition, within_s=90.0):
        """Look and act, on the bed's own clock, until the condition holds."""
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, self.done
            self.look()
            time.sleep(0.01)

    def look(self):
        """One look at the bed."""
        state = self.panel.get("/bed-01")
        if state["phase"] == "idle":
            rows = self.panel.get("/bed-01/worklist")
            self.visit.listed = deciding.still_to_treat(rows, "bed-01")
        now = self.seen_s = state["seq"] * state["period_ms"] / 1000
        step = deciding.decide(state, self.visit, now, self.clinic.clearance)
        if step is None:
            return
        body = dict(step.body)
        if step.action == "confirm":
            body["prescription"] = body["prescription"] | {
                "traction_min": 1.0,
                "precondition_s": 10.0,
                "heat_min": 0.0,
            }
        answer = self.panel.post(f"bed-01/{step.action}", body)
        self.done.append((step.action, answer.status_code))
        self.visit.told(now, refused=answer.is_error)


@pytest.fixture
def working(clinic):
    """A therapist at a real panel."""
    panel = Served(clinic.panel())
    panel.sign_in()
    yield Working(clinic, panel)
    panel.close()


def closed(clinic, number):
    """Whether the session of this number has been closed."""
    row = clinic.store.by_number(number)
    return row is not None and row.state == "closed"


def test_one_session_after_another_from_confirmation_to_pain(working):
    """What the demonstration lives from, through nothing but the panel's API."""
    working.until(lambda: closed(working.clinic, 1))
    session = working.clinic.store.by_number(1)
    assert session.started_at is not None
    assert session.pain_before is not None
    assert session.pain_after is not None
    working.until(lambda: working.clinic.store.by_number(2) is not None)
    assert working.clinic.store.by_number(2).patient != session.patient


def test_the_patients_of_the_worklist_come_first_and_suspended_ones_wait(tmp_path, ticking):
    """What was planned at the desk happens; nobody made up takes the place of somebody who waits."""
    clinic = ListedClinic(tmp_path, ticking)
    panel = Served(clinic.panel(todays=clinic.todays))
    panel.sign_in()
    try:
        suspended, planned = uuid4(), clinic.entry(in_h=0.1, prescription={**NECK, "hold_s": 5.0})
        waits = clinic.entry(patient=suspended)
        clinic.centre.says(waits, planned, suspended=[suspension(suspended)])
        working = Working(clinic, panel)
        working.until(lambda: closed(clinic, 1))
        first = clinic.store.by_number(1)
        assert (first.appointment, first.patient) == (planned.appointment, planned.patient)
        clinic.centre.says(waits, suspended=[suspension(suspended)])
        until = working.seen_s + 2 * deciding.BREAK_S[1]
        working.until(lambda: working.seen_s > until)
        assert clinic.store.by_number(2) is None
        clinic.centre.says()
        working.until(lambda: clinic.store.by_number(2) is not None)
        assert clinic.store.by_number(2).patient not in (suspended, planned.patient)
    finally:
        panel.close()
        clinic.clear_up()
        clinic.store.close()


def test_after_a_fault_it_looks_resets_closes_and_goes_on_when_it_is_mended(working):
    """Nobody is laid on a bed that is broken."""
    working.until(lambda: working.clinic.phase() == "precondition")
    working.clinic.bedside.fault("bed-01", "drive-stuck", clear=False)
    working.until(lambda: working.clinic.phase() == "fault")
    working.clinic.bedside.fault("bed-01", "drive-stuck", clear=True)
    working.until(lambda: closed(working.clinic, 1))
    assert ("reset", 200) in working.done
    working.until(lambda: working.clinic.store.by_number(2) is not None)


def test_a_frozen_load_cell_keeps_patients_off_the_bed_until_it_is_mended(working):
    """A reset is refused while the cell stands still; afterwards the therapist is not stuck."""
    working.until(lambda: working.clinic.phase() == "precondition")
    working.clinic.bedside.fault("bed-01", "sensor-stuck", clear=False)
    working.until(lambda: closed(working.clinic, 1) and working.done[-1][0] == "reset")
    assert working.done[-1][1] >= 400
    assert working.clinic.store.by_number(2) is None
    working.clinic.bedside.fault("bed-01", "sensor-stuck", clear=True)
    working.until(lambda: working.clinic.store.by_number(2) is not None)
    assert ("reset", 200) in working.done


def resets(working):
    """How often the bed was reset."""
    return sum(action == "reset" for action, _ in working.done)


def test_a_bed_without_its_link_is_reset_once_and_only_when_the_link_is_back(working):
    """Each reset is an event of the bed: one every three seconds buried what had happened."""
    working.until(lambda: working.clinic.phase() == "precondition")
    working.clinic.bedside.fault("bed-01", "link-lost", clear=False)
    working.until(lambda: working.clinic.phase() == "fault")
    lost_at = working.visit.phase_since
    working.until(lambda: working.seen_s - lost_at > 300)
    assert resets(working) == 0
    assert sum(action == "close" for action, _ in working.done) < 10
    working.clinic.bedside.fault("bed-01", "link-lost", clear=True)
    working.until(lambda: working.clinic.store.by_number(2) is not None)
    assert resets(working) == 1


def test_a_reset_that_does_not_help_is_tried_ever_less_often():
    """What a look cannot tell, a person tries a few times in the first minutes, not all day."""
    visit, state = deciding.Visit("bed-01", 0, dice(1)), {"conditions": ["over_force"], "standing": []}
    free = {"phase": "idle", "fresh": True, "session": None, **state}
    at = [now for now in range(1200) if deciding.decide(free, visit, float(now), None) is not None]
    assert at == [0, 15, 45, 105, 225, 525, 825, 1125]


def test_nobody_is_made_up_while_a_first_list_is_waited_for():
    """The demo's clinics book in the first minute: their patients come before made-up ones."""
    visit = deciding.Visit("bed-01", 0, dice(1), waits_s=60.0)
    free = {"phase": "idle", "fresh": True, "session": None, "alarms": [], "conditions": [], "standing": []}
    clear = lambda _patient, _region: "token"
    assert deciding.decide(free, visit, 0.0, clear) is None
    assert deciding.decide(free, visit, 59.0, clear) is None
    visit.listed = [{"appointment": "a", "clear": True}]
    assert deciding.decide(free, visit, 59.5, clear).action == "confirm-listed"
    visit.listed = []
    assert deciding.decide(free, visit, 60.0, clear).action == "confirm"


def test_an_interruption_is_seen_before_the_next_patient_lies_there():
    """A demo once left alone with it told of the last patient beside every later one's pull."""
    visit = deciding.Visit("bed-01", 0, dice(1), listed=[{"appointment": "a", "clear": True}])
    alarm = {"occurrence": "interrupted-7", "latching": "until_acknowledged", "seen_by": None}
    free = {
        "phase": "idle",
        "fresh": True,
        "session": None,
        "alarms": [alarm],
        "conditions": [],
        "standing": [],
    }
    assert deciding.decide(free, visit, 0.0, None) is None
    step = deciding.decide(free, visit, 12.0, None)
    assert (step.action, step.body) == ("acknowledge", {"occurrence": "interrupted-7"})
    assert deciding.decide({**free, "alarms": []}, visit, 13.0, None).action == "confirm-listed"


def test_a_refused_step_is_tried_ever_less_often():
    """Refusals are events, too."""
    visit, found = deciding.Visit("bed-01", 0, dice(1)), []
    for now in range(200):
        if now >= visit.not_before:
            found.append(now)
            visit.told(float(now), refused=True)
    assert found == [0, 3, 9, 21, 45, 93, 141, 189]


def test_a_panel_that_does_not_answer_ends_nothing(tmp_path):
    """Panels restart; the therapist waits."""
    import asyncio

    async def work():
        panels = {"bed-01": "http://127.0.0.1:9"}
        worker = Therapist(panels, tmp_path / "key", 1, name="x", pin="471108")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(worker.run(), 0.7)

    asyncio.run(work())
    with pytest.raises(httpx.ConnectError):
        httpx.get("http://127.0.0.1:9", trust_env=False)

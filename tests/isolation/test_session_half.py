"""A session begun at the panel, as an operator does: a part of the gateway dies or hangs under it.

The operator's side of a session lives in the panel's process; its record in ``session.db`` and the recorder.
"""

import contextlib
import os
import signal
from datetime import timedelta

import httpx
import pytest
from bedside_rig import PATIENT
from isolation import under_way
from isolation.test_isolation import AGAIN_S, PULLING, Heard, Ward
from operator_rig import PIN, THERAPIST, Staff
from servers import Mosquitto, eventually

from services.controller.kernel import layout
from services.controller.loop.shared import GatewayMemory, LoopFile
from services.kit import clearance

pytestmark = [pytest.mark.system, pytest.mark.soak]
PARTS = ("recorder", "panel", "gateway")


class Treated(Heard):
    """A gateway whose patient an operator confirmed and started at the panel."""

    def __init__(self, data, broker):
        self.staff, self.keys = Staff(data), clearance.ensure_keys(data)
        self.staff.enlist(data / "gateways" / "north")
        super().__init__(data, broker)

    def again(self):
        """Another supervisor over the same loop."""
        self.gateway.kill()
        self.gateway.wait()
        self.gateway = self.start(**self.settings)

    @contextlib.contextmanager
    def operator(self):
        """Somebody signed in at the panel."""
        eventually(lambda: at_panel(self), AGAIN_S, "a panel that answers")
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=10) as http:
            http.post("/api/sign-in", json={"name": THERAPIST, "pin": PIN}).raise_for_status()
            yield http

    def treat(self):
        """Confirm, test, start; the session's id."""
        with self.operator() as http:
            answer = self.confirm(http).raise_for_status().json()
            done = lambda action: http.post(f"/api/devices/bed-01/{action}", json={}).status_code == 200
            eventually(lambda: done("switch-test"), 30, "the switch test")
            eventually(lambda: self.state()["switch"]["tested"], 30, "the switch tested")
            eventually(lambda: done("start"), 30, "a start")
        eventually(lambda: self.force() > under_way.TENSION_DN, 60, "tension")
        return answer["session"]

    def confirm(self, http):
        """The answer to a patient's confirmation at the bed."""
        token = clearance.issue(self.keys.private, PATIENT, "cervical", valid_for=timedelta(days=1))[0]
        body = {"patient": str(PATIENT), "clearance": token, "prescription": under_way.LONG}
        return http.post("/api/devices/bed-01/confirm", json=body)

    def force(self):
        """Tenths of a newton."""
        return int(under_way.now(self.memory)[layout.S_FORCE])


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    data = tmp_path_factory.mktemp("ward")
    with Mosquitto(data) as broker:
        made = Treated(data, broker)
        try:
            made.session = made.treat()
            yield made
        finally:
            made.far.bus.close()
            made.kill_all()


def hurt(ward, part, how):
    """Do it to one part, and have it back."""
    if part == "gateway":
        os.kill(ward.gateway.pid, how)
        return ward.again()
    return ward.come_back(how, (part,))


@pytest.mark.requirement("outlive-the-halves", "store-before-publish")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
@pytest.mark.parametrize("part", PARTS)
def test_the_session_is_found_again_by_whoever_comes_back(ward, part, how):
    """Therapy, samples and the operator's hold on the session: none may hang on one process."""
    hurt(ward, part, how)
    assert LoopFile.load(ward.directory) == ward.file, "the loop lives through it"
    state = eventually(lambda: found(ward), AGAIN_S, "the panel's word")
    assert state["session"]["session"] == ward.session
    assert layout.PHASES.index(state["phase"]) in PULLING
    with ward.operator() as http:  # who is signed in acts on it as before
        http.post("/api/devices/bed-01/pause", json={}).raise_for_status()
        eventually(lambda: ward.state()["phase"] == "paused", 20, "a pause")
        resumed = lambda: http.post("/api/devices/bed-01/resume", json={}).status_code == 200
        eventually(resumed, 30, "a resumption")
    eventually(lambda: layout.PHASES.index(ward.state()["phase"]) in PULLING, 30, "traction")
    head = ward.memory.head()
    ward.has_every_sample_below(head)
    assert ward.far.lost() == set()


def found(ward):
    """The panel's state, once it answers with a session."""
    try:
        state = ward.state()
    except httpx.HTTPError:
        return None
    return state if state["session"] else None


@pytest.mark.requirement("say-interruptions", "never-resume-alone", "no-start-over-an-alarm")
def test_the_session_of_a_killed_loop_is_over_and_nobody_goes_on_with_it(ward):
    """The next loop is idle; start and resume are refused until a patient is confirmed anew."""
    os.kill(ward.file.pid, signal.SIGKILL)
    after = GatewayMemory.attach(ward.loop(other_than=ward.file.boot).path)
    at_it = lambda: (state := at_panel(ward)) and state["boot"] == str(after.boot) and state
    eventually(at_it, AGAIN_S, "the panel at the new loop")
    with ward.operator() as http:
        for action in ("resume", "start"):
            refused = http.post(f"/api/devices/bed-01/{action}", json={})
            assert refused.status_code == 409, refused.text
    [shown] = [row for row in ward.state()["alarms"] if row["condition"] == "control_interrupted"]
    assert shown["state"] == "active_unacknowledged"
    eventually(lambda: after.head() > 200, 30, "four seconds")
    assert set(after.read(0, after.head())[1][:, layout.S_PHASE, 0].tolist()) == {layout.IDLE}
    with ward.operator() as http:  # nor does another patient lie down before somebody has looked
        refused = ward.confirm(http)
        assert (refused.status_code, "CONTROL WAS INTERRUPTED" in refused.json()["detail"]) == (409, True)
        seen = http.post("/api/devices/bed-01/acknowledge", json={"occurrence": shown["occurrence"]})
        seen.raise_for_status()
        assert ward.confirm(http).status_code == 200


def at_panel(ward):
    """The panel's state, once it answers."""
    try:
        return ward.state()
    except httpx.HTTPError:
        return None


@pytest.mark.requirement("tell-the-operator")
def test_a_recorder_that_stays_silent_takes_no_alarm_back(tmp_path):
    """Stopped for 40 s, and nobody kills it: what it had said stands, and its own silence is said in time."""
    ward = Ward(tmp_path, SPONDYL_HANGING_S="300")  # without a broker
    try:
        name = eventually(lambda: alarms(ward).get("network_lost"), AGAIN_S, "the alarm")
        pid = ward.pid("recorder")
        os.kill(pid, signal.SIGSTOP)

        def said():
            now = alarms(ward)
            assert now["network_lost"] == name
            return "storage_lag" in now

        eventually(said, 45, "the silence, said while the ring still holds everything")
        os.kill(pid, signal.SIGCONT)
        eventually(lambda: "storage_lag" not in alarms(ward), AGAIN_S, "the recorder's own words again")
        assert alarms(ward)["network_lost"] == name
    finally:
        ward.kill_all()


def alarms(ward):
    """What is on at the panel, and how it is called."""
    return {row["condition"]: row["occurrence"] for row in (at_panel(ward) or {"alarms": []})["alarms"]}

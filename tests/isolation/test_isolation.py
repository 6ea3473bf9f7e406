"""One half of a gateway after the other dies or hangs under a patient; then the loop itself.

Real processes, a real broker, one session from the first test to the last.
"""

import os
import signal

import httpx
import pytest
import replayed
from controller.test_gateway import Clinic
from isolation import under_way
from recorder_rig import Far
from servers import Mosquitto, eventually, free_port

from services.controller.kernel import layout
from services.controller.kernel import memory as m
from services.controller.loop.interruption import Interruptions
from services.controller.loop.shared import GatewayMemory, LoopFile
from services.kit.runfile import read_json

pytestmark = pytest.mark.system

HALVES = ("recorder", "panel")
PULLING = {layout.PHASES.index(name) for name in ("slack", "precondition", "ramp", "hold", "release", "rest")}
AGAIN_S = 60.0


class Ward(Clinic):
    """A gateway of two beds, its panel at a known port."""

    def __init__(self, data, **settings):
        super().__init__(data)
        self.port = free_port()
        self.settings = {"SPONDYL_HANGING_S": "3", "SPONDYL_HTTP_PORT": str(self.port), **settings}
        self.gateway = self.start(**self.settings)
        try:
            self.file = self.loop()
        except BaseException:  # nobody else would end what was started
            self.kill_all()
            raise
        self.memory = GatewayMemory.attach(self.file.path)

    def pid(self, half):
        """Its process now, by the supervisor's own file."""
        return read_json(self.directory / "processes.json").get(half, {}).get("pid")

    def come_back(self, how, halves=HALVES):
        """Do it to these halves and wait until others have taken their place and speak; who stays, stays."""
        before = {half: self.pid(half) for half in HALVES}
        for half in halves:
            os.kill(before[half], how)
        eventually(lambda: all(self.pid(h) not in (None, before[h]) for h in halves), AGAIN_S, "others")
        words = {f"{half}_ns": self.memory.health[f"{half}_ns"] for half in HALVES}
        spoke = lambda: all(self.memory.health[word] > said for word, said in words.items())
        eventually(spoke, AGAIN_S, "a sign of life of both")
        assert all(self.pid(half) == before[half] for half in HALVES if half not in halves)

    def state(self):
        """What the panel says of the first bed, once it answers."""
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False) as http:
            return http.get("/api/devices/bed-01").raise_for_status().json()


class Heard(Ward):
    """... with its broker and far end."""

    def __init__(self, data, broker):
        self.far = Far(broker.url)
        super().__init__(data, SPONDYL_MQTT_URL=broker.url)

    def has_every_sample_below(self, head):
        """Wait for what comes again: what was on its way when somebody died is sent once more, later."""
        every = list(range(head))
        eventually(lambda: self.far.covered(self.memory.boot)[:head] == every, AGAIN_S, "every sample so far")


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    data = tmp_path_factory.mktemp("ward")
    with Mosquitto(data) as broker:
        made = Heard(data, broker)
        try:
            under_way.treat(made.memory)
            yield made
        finally:
            made.far.bus.close()
            made.kill_all()
        sessions, samples = replayed.every_session(made.directory)
        assert (sessions, samples > 100) == (1, True)


CASES = (  # as many starts in CI as both halves twice; the rest in the soak
    pytest.param(("recorder",), signal.SIGKILL, id="recorder killed"),
    pytest.param(("panel",), signal.SIGKILL, id="panel killed"),
    pytest.param(HALVES, signal.SIGSTOP, id="both stopped"),
    pytest.param(("recorder",), signal.SIGSTOP, id="recorder stopped", marks=pytest.mark.soak),
    pytest.param(("panel",), signal.SIGSTOP, id="panel stopped", marks=pytest.mark.soak),
    pytest.param(HALVES, signal.SIGKILL, id="both killed", marks=pytest.mark.soak),
)


@pytest.mark.requirement("outlive-the-halves", "store-before-publish")
@pytest.mark.parametrize(("halves", "how"), CASES)
def test_the_therapy_goes_on_without_recorder_and_panel_and_no_sample_is_lost(ward, halves, how):
    """Whatever becomes of record and page: nobody lets go of the patient, and nothing is forgotten."""
    remaining_ms = under_way.now(ward.memory)[layout.S_REMAINING]
    hung = ward.log().count("hangs and is killed")
    ward.come_back(how, halves)
    assert how == signal.SIGKILL or ward.log().count("hangs and is killed") >= hung + len(halves)
    assert LoopFile.load(ward.directory) == ward.file, "the loop lives through it"
    head = ward.memory.head()
    ward.has_every_sample_below(head)
    times, _ = ward.memory.read(ward.memory.oldest(), head)
    assert times[:, m.T_TICK].tolist() == list(range(times[0, m.T_TICK], head)), "no tick is left out"
    sample = under_way.now(ward.memory)
    assert sample[layout.S_PHASE] in PULLING
    assert sample[layout.S_REMAINING] < remaining_ms
    assert ward.far.lost() == set()


@pytest.mark.requirement("say-interruptions", "never-resume-alone")
def test_a_killed_loop_is_told_of_and_nothing_is_resumed(ward):
    """The drive has let go by itself; who comes to the bed reads what happened, and starts anew if at all."""
    before = ward.memory
    os.kill(ward.file.pid, signal.SIGKILL)
    after = GatewayMemory.attach(ward.loop(other_than=ward.file.boot).path)
    tension_n = int(under_way.now(before)[layout.S_FORCE]) / 10
    row = Interruptions(ward.directory).of("bed-01")
    assert (row.boot, row.tension_n, row.tick) == (str(before.boot), tension_n, before.head() - 1)
    assert Interruptions(ward.directory).of("bed-02") is None, "nobody lay there"

    ended = eventually(lambda: aborted(ward), AGAIN_S, "the session's end in the record")
    assert ended.boot == before.boot
    assert ended.data == {"interrupted": True, "phase": row.phase, "tension_n": tension_n}
    assert ended.summary.reason == "fault"
    told = eventually(lambda: interrupted(ward, "bed-01"), AGAIN_S, "the alarm on the bus")
    assert f"INTERRUPTED AT {tension_n:.0f} N" in told.text["en"]
    assert f"UNTERBROCHEN BEI {tension_n:.0f} N" in told.text["de"]
    assert (told.priority, told.state) == ("high", "active_unacknowledged")
    assert not interrupted(ward, "bed-02")
    shown = eventually(lambda: at_the_panel(ward, after), AGAIN_S, "the alarm at the panel")
    assert (shown["occurrence"], shown["text"]) == (told.occurrence, told.text)

    eventually(lambda: after.head() > 200, AGAIN_S, "four seconds")
    samples = after.read(0, after.head())[1][:, :, 0]
    assert set(samples[:, layout.S_PHASE].tolist()) == {layout.IDLE}
    assert not samples[:, layout.S_SESSION].any()


def aborted(ward):
    """The event that ends the session, once it has come."""
    events = ward.far.messages("event", "bed-01")
    return next((event for event in events if event.type == "session.aborted"), None)


def interrupted(ward, device):
    """The alarm as the stream said it last."""
    alarms = ward.far.messages("alarm", device)[-1].alarms
    return next((alarm for alarm in alarms if alarm.condition == "control_interrupted"), None)


def at_the_panel(ward, memory):
    """The alarm as the panel shows it of the new loop."""
    state = ward.state()
    rows = [row for row in state["alarms"] if row["condition"] == "control_interrupted"]
    return rows[0] if rows and state["boot"] == str(memory.boot) and state["phase"] == "idle" else None

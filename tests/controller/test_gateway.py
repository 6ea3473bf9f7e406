"""A gateway's processes, killed and restarted one by one: the loop must outlive everything else."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from services.controller.gateway import DOUBLINGS, START_S, Patience
from services.controller.kernel import layout
from services.controller.kernel import memory as m
from services.controller.kernel.faults import SWITCH_PRESSED
from services.controller.loop.shared import BEDSIDE, GatewayMemory, LoopFile
from services.kit.runfile import is_process

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90.0  # a first start compiles


def wait_for(what, condition, within_s=PATIENCE_S):
    """Poll until the condition gives something true; returns it."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    return pytest.fail(f"not within {within_s} s: {what}")


class Clinic:
    """One gateway's directory and the processes started over it."""

    def __init__(self, data):
        self.data = data
        self.directory = data / "gateways" / "north"
        self.processes = []

    def start(self, module="services.controller", **settings):
        """Start the gateway, or another of its modules."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SPONDYL_")},
            "SPONDYL_DATA": str(self.data),
            "SPONDYL_SITE": "north",
            "SPONDYL_DEVICES": "bed-01,bed-02",
            "SPONDYL_MQTT_URL": "mqtt://127.0.0.1:9",  # nobody there: a bed works with the network down
            "SPONDYL_SEED": "5",
            **settings,
        }
        with (self.data / f"{len(self.processes)}.log").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module],
                env=environment,
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def log(self, index=-1):
        """What a process said."""
        number = range(len(self.processes))[index]
        return (self.data / f"{number}.log").read_text()

    def loop(self, other_than=None):
        """The living loop once it ticks, another boot than the one given."""
        return wait_for("a ticking loop", lambda: self._ticking(other_than))

    def _ticking(self, other_than):
        file = LoopFile.load(self.directory)
        if file is None or not file.alive() or file.boot == other_than:
            return None
        memory = GatewayMemory.attach(file.path)
        return file if memory.head() > 2 and memory.heartbeat_age_s() < 1 else None

    def kill_all(self):
        """End whatever is left, and what it left in shared memory."""
        file = LoopFile.load(self.directory)
        for process in self.processes:
            for child in _family(process.pid):
                child.kill()
            process.kill()
            process.wait()
        if file is not None:
            if file.alive():
                os.kill(file.pid, signal.SIGKILL)
            for path in (file.path, file.previous):
                if path is not None:
                    path.unlink(missing_ok=True)


def _family(pid):
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def advance(memory):
    """Wait until the loop has gone on."""
    head = memory.head()
    wait_for("more ticks", lambda: memory.head() > head + 2)


@pytest.fixture
def clinic(tmp_path):
    """A clinic whose processes all end with the test."""
    made = Clinic(tmp_path)
    yield made
    made.kill_all()


@pytest.mark.requirement("outlive-the-halves")
def test_the_loop_outlives_its_supervisor_and_is_found_again(clinic):
    """Therapy does not notice that everything around it was killed."""
    first = clinic.start()
    file = clinic.loop()
    memory = GatewayMemory.attach(file.path)
    first.kill()
    first.wait()
    advance(memory)
    clinic.start()
    wait_for("its word", lambda: "running loop goes on" in clinic.log())
    advance(memory)
    assert clinic.loop() == file
    times, _ = memory.read(0, memory.head())
    assert times[:, m.T_TICK].tolist() == list(range(len(times)))


def test_a_killed_loop_is_replaced_and_its_last_samples_stay_readable(clinic):
    """The recorder still stores what the dead loop saw."""
    clinic.start()
    before = clinic.loop()
    os.kill(before.pid, signal.SIGKILL)
    after = clinic.loop(other_than=before.boot)
    assert after.previous == before.path
    left = GatewayMemory.attach(before.path)
    assert left.head() > 0
    assert not left.alive()


def test_an_orderly_end_leaves_no_shared_memory_not_even_a_killed_loops(clinic):
    """All is stored: what stayed in /dev/shm would stay until the next start, or for ever."""
    gateway = clinic.start()
    before = clinic.loop()
    os.kill(before.pid, signal.SIGKILL)
    after = clinic.loop(other_than=before.boot)
    memory = GatewayMemory.attach(after.path)
    wait_for("the recorder at the new loop", lambda: memory.health["recorder_tick"] > 0)
    gateway.terminate()
    gateway.wait(10)
    assert [path for path in (before.path, after.path) if path.exists()] == []
    assert not (clinic.directory / "loop.json").exists()


@pytest.mark.requirement("say-interruptions")
def test_a_loop_that_hangs_is_replaced(clinic):
    """A process that exists but does not tick is worse than none: no drive watchdog sees it."""
    clinic.start()
    before = clinic.loop()
    os.kill(before.pid, signal.SIGSTOP)
    clinic.loop(other_than=before.boot)
    assert "the loop hangs and is killed" in clinic.log()
    assert not is_process(before.pid, before.started_at)


def test_a_tick_that_came_too_late_is_on_record_and_the_grid_does_not_drift(clinic):
    """A stall must be visible in the data, and nothing after it may be shifted."""
    clinic.start(module="services.controller.loop")
    file = clinic.loop()
    memory = GatewayMemory.attach(file.path)
    os.kill(file.pid, signal.SIGSTOP)
    time.sleep(1.2)  # sixty periods: the stall itself, not a wait for something
    os.kill(file.pid, signal.SIGCONT)
    wait_for("a missed deadline", lambda: memory.word(m.W_MISSED))
    advance(memory)
    assert memory.word(m.W_SKIPPED) >= 5
    assert clinic.loop() == file, "the same loop goes on"
    times, samples = memory.read(0, memory.head())
    assert times[:, m.T_TICK].tolist() == list(range(len(times)))
    assert (samples[:, layout.S_CONDITIONS, 0] & layout.MISSED_DEADLINE).any()
    deadlines = times[:, m.T_MONOTONIC] - 1000 * samples[:, layout.S_LATE, 0].astype("int64")
    off_grid = (deadlines - deadlines[0] + memory.period_ns // 2) % memory.period_ns - memory.period_ns // 2
    assert abs(off_grid).max() <= 1000


def test_a_normal_end_leaves_no_process_and_nothing_under_way(clinic):
    """Ctrl-C in a clinic: the beds are stopped first, then everything ends, within five seconds."""
    gateway = clinic.start()
    file = clinic.loop()
    memory = GatewayMemory.attach(file.path)
    began = time.monotonic()
    family = _family(gateway.pid)
    gateway.send_signal(signal.SIGTERM)
    assert gateway.wait(15) == 0
    assert time.monotonic() - began < 5
    assert not file.alive()
    assert not [child for child in family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert memory.word(m.W_STOP) == 1
    assert not (clinic.directory / "gateway.json").exists()


def test_a_session_under_way_is_stopped_when_the_loop_is_told_to_end(clinic):
    """The last samples show the stop, so that the session's record ends with its reason."""
    from services.controller.parameters import compile_parameters
    from services.kit.therapy.prescription import default_prescription

    loop = clinic.start(module="services.controller.loop", SPONDYL_PERIOD_MS="5")
    memory = GatewayMemory.attach(clinic.loop().path)
    memory.post(BEDSIDE, 0, layout.ACTION_LOAD, compile_parameters(default_prescription(), 0.005, 1))
    phase = lambda: memory.read(memory.head() - 1, memory.head())[1][0, layout.S_PHASE, 0]
    wait_for("ready", lambda: phase() == layout.READY)
    loop.send_signal(signal.SIGTERM)
    assert loop.wait(15) == 0
    _, samples = memory.read(0, memory.head())
    assert samples[-1, layout.S_PHASE, 0] == layout.STOPPED
    assert samples[-1, layout.S_REASON, 0] == layout.REASON_OPERATOR_STOP
    assert samples[-1, layout.S_PHASE, 1] == layout.IDLE


def test_a_running_loop_of_another_period_is_ended_first(clinic):
    """Two loops over the same beds must never be."""
    first = clinic.start()
    before = clinic.loop()
    first.kill()
    first.wait()
    clinic.start(SPONDYL_PERIOD_MS="10")
    after = clinic.loop(other_than=before.boot)
    assert GatewayMemory.attach(after.path).period_ns == 10_000_000
    assert not is_process(before.pid, before.started_at)


def test_a_second_gateway_over_the_same_data_is_refused(clinic):
    """One line instead of two supervisors that fight."""
    first = clinic.start()
    wait_for("the first", (clinic.directory / "gateway.json").exists)
    second = clinic.start()
    assert second.wait(30) == 1
    assert f"gw-north already runs on this data: process {first.pid}" in clinic.log()


def test_a_second_loop_over_the_same_beds_is_refused(clinic):
    """Whatever starts it: the lock file decides."""
    clinic.start(module="services.controller.loop")
    clinic.loop()
    second = clinic.start(module="services.controller.loop")
    assert second.wait(30) == 1
    assert "another loop serves these beds" in clinic.log()


def test_a_loop_nobody_looks_after_ends_itself_when_no_bed_is_in_use(clinic):
    """A gateway that was taken apart leaves nothing running for ever."""
    loop = clinic.start(module="services.controller.loop", SPONDYL_LOOP_ALONE_S="1")
    assert loop.wait(PATIENCE_S) == 0
    assert "no supervisor" in clinic.log()


def test_a_half_that_was_ended_before_its_first_word_gets_twice_as_long():
    """A machine too busy to start the recorder within its time killed it again and again, at every start."""
    patience = Patience(hanging_s=15.0)
    granted = []
    for _ in range(DOUBLINGS + 2):
        silent_s = next(s for s in range(10_000) if patience.ends("recorder", s, has_spoken=False))
        granted.append(silent_s)
    doubled = [START_S * 2**number for number in range(DOUBLINGS + 1)]
    assert granted == [limit_s + 1 for limit_s in [*doubled, doubled[-1]]]
    assert not patience.ends("panel", START_S, has_spoken=False)
    assert patience.ends("panel", START_S + 1, has_spoken=False)
    assert not patience.ends("recorder", 15.0, has_spoken=True)
    assert patience.ends("recorder", 15.1, has_spoken=True)
    assert patience.ends("recorder", START_S + 1, has_spoken=False)  # it had spoken: as at first


def test_wrong_settings_are_one_line(clinic):
    """No trace back for a typing mistake."""
    gateway = clinic.start(SPONDYL_PERIOD_MS="40")
    assert gateway.wait(30) == 1
    assert clinic.log().startswith("spondyl: setting SPONDYL_PERIOD_MS is '40'")
    assert "Traceback" not in clinic.log()


def test_a_fault_set_from_outside_reaches_the_bed(clinic):
    """Alarms can be seen and tested on a running system."""
    clinic.start(module="services.controller.loop")
    memory = GatewayMemory.attach(clinic.loop().path)
    memory.faults[1] = SWITCH_PRESSED
    status = lambda: memory.read(memory.head() - 1, memory.head())[1][0, layout.S_STATUS]
    wait_for("the switch", lambda: status()[1] & layout.STATUS_SWITCH_PRESSED)
    assert not status()[0] & layout.STATUS_SWITCH_PRESSED


def test_the_loop_says_what_it_was_given(clinic):
    """An operator reads in the log whether the machine permits real time."""
    clinic.start(module="services.controller.loop", SPONDYL_LOOP_PRIORITY="0")
    memory = GatewayMemory.attach(clinic.loop().path)
    lines = [json.loads(line) for line in clinic.log().splitlines() if line.startswith("{")]
    runs = next(line for line in lines if line["event"] == "loop runs")
    assert runs["scheduling"] == "normal"
    assert runs["boot"] == str(memory.boot)
    assert memory.word(m.W_PRIORITY) == 0

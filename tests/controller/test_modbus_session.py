"""A session over Modbus through the real loop process, and what its drive does when that is killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bedside_rig import NECK
from servers import eventually

from services.controller.beds.modbus_drive import RELEASED_N, Drive, Kind
from services.controller.beds.modbus_server import Served
from services.controller.commissioning.parameters import BedParameters
from services.controller.errors import SessionRefused
from services.controller.kernel import layout
from services.controller.kernel import modbus_map as reg
from services.controller.loop.__main__ import RELEASED_DN
from services.controller.loop.shared import BEDSIDE, GatewayMemory, LoopFile
from services.controller.loop.thread import Loop
from services.controller.parameters import compile_parameters
from services.kit.therapy.prescription import Prescription

ROOT = Path(__file__).parents[2]
TENSION_N = 20.0
IDLE, READY, STOPPED = layout.IDLE, layout.READY, layout.STOPPED


class LoopProcess:
    """`python -m services.controller.loop` over one drive."""

    def __init__(self, home, served):
        self.directory = home / "gateways" / "north"
        environment = {
            "SPONDYL_DATA": str(home), "SPONDYL_SITE": "north", "SPONDYL_DEVICES": "bed-01",
            "SPONDYL_BEDS": f"bed-01={served.address}", "SPONDYL_BED_WAIT_MS": "10",
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.controller.loop"], cwd=ROOT,
            env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def memory(self):
        """Its shared memory, once it ticks and its drive answers."""

        def found():
            file = LoopFile.load(self.directory)
            if file is None or file.pid != self.process.pid:
                return None
            memory = GatewayMemory.attach(file.path)
            return memory if memory.link_counts(0)["answers"] > 5 else None

        return eventually(found, 120.0, "a loop whose drive answers")

    def kill(self):
        """SIGKILL: nothing of it is left to end in order."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture(scope="module")
def compiled():
    """The loop's code, so that no process of the test has to wait for the compiler."""
    memory = GatewayMemory.create(
        site="north", gateway="gw-north", devices=("bed-01",), period_ns=20_000_000, capacity_ticks=2
    )
    memory.unlink()
    Loop(memory).load()


@pytest.fixture
def served(compiled):
    """A calm patient on a drive."""
    served = Served(Drive(Kind(calm=True, seed=3)))
    yield served
    served.close()


def sample(memory):
    """The last tick's."""
    head = memory.head()
    return memory.read(head - 1, head)[1][0, :, 0]


def press(memory, tension_n=TENSION_N):
    """What an operator does next in this phase; whether there is tension already."""
    now = sample(memory)
    action = {IDLE: layout.ACTION_LOAD, READY: layout.ACTION_START}.get(int(now[layout.S_PHASE]))
    if now[layout.S_PHASE] in (layout.FAULT, STOPPED):  # the machine was too busy for the link: again
        action = layout.ACTION_CLOSE if now[layout.S_CONDITIONS] == 0 else layout.ACTION_RESET
    if action is not None:
        parameters = compile_parameters(Prescription(**NECK), memory.period_ns / 1e9, 1)
        given = parameters if action == layout.ACTION_LOAD else None
        for wanted in (action, layout.ACTION_TEST_SWITCH)[: 1 + (action == layout.ACTION_LOAD)]:
            ticket = memory.post(BEDSIDE, 0, wanted, given if wanted == action else None)
            eventually(lambda ticket=ticket: memory.outcome(BEDSIDE, 0, ticket), 10.0, "an outcome")
    return now[layout.S_FORCE] > 10 * tension_n


@pytest.mark.requirement("release-without-control", "never-resume-alone")
def test_a_loop_killed_in_a_session_leaves_a_drive_that_releases_and_the_next_one_does_not_resume(
    served, tmp_path
):
    """100 ms after its last command the drive is on its own, and the patient free within a second."""
    first = LoopProcess(tmp_path, served)
    second = None
    try:
        memory = first.memory()
        eventually(lambda: press(memory), 180.0, "tension by the loop's own control")
        now = sample(memory)
        assert now[layout.S_TARGET] > 0
        assert served.drive.master != reg.NO_MASTER
        first.kill()
        drive = served.drive
        eventually(lambda: drive.released_at > drive.expired_at > 0, 10.0, "the drive's own release")
        assert drive.expired_at - drive.fed_at == pytest.approx(reg.WATCHDOG_MS / 1000, abs=0.0021)
        assert drive.released_at - drive.fed_at < 1.5
        assert drive.tension_n <= RELEASED_N
        second = LoopProcess(tmp_path, served)
        memory = second.memory()
        last = memory.head()
        eventually(lambda: memory.head() > last + 50, 20.0, "a second of ticks")
        assert sample(memory)[[layout.S_PHASE, layout.S_VELOCITY, layout.S_SESSION]].tolist() == [IDLE, 0, 0]
        assert drive.tension_n <= RELEASED_DN / 10  # breath alone
    finally:
        for process in filter(None, (first, second)):
            process.kill()


@pytest.mark.requirement("refuse-foreign-parameters")
def test_a_loop_does_not_start_with_the_parameters_of_another_device(served, tmp_path):
    """A copied directory brings another bed's harness."""
    row = {"device": "bed-07", "serial": 9, "harness_n_mm": 18.0, "toe_mm": 1.5, "friction_n": 8.0,
           "drive_lag_s": 0.015, "drive_mm_s": 20.0, "measured_at": "2026-01-01T00:00:00Z", "kernel": 4,
           "ceiling_n": 60.0}  # fmt: skip
    path = BedParameters(**row).save(tmp_path / "gateways" / "north")
    path.rename(path.with_name("bed-01.json"))
    loop = LoopProcess(tmp_path, served)
    said, _ = loop.process.communicate(timeout=120)
    assert loop.process.returncode == 1
    assert "parameters of bed-07 (drive 9), not of bed-01" in said


def test_a_bed_with_a_drive_is_given_no_simulated_fault(clinic, monkeypatch):
    """Somebody who tries an alarm must not believe that a real bed has none."""
    monkeypatch.setattr(clinic.memory, "addresses", ("modbus://192.0.2.1:502?unit=1", "simulated"))
    with pytest.raises(SessionRefused, match="bed-01 is a real bed"):
        clinic.bedside.fault("bed-01", "strap-slip", clear=False)

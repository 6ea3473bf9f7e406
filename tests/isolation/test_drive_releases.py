"""The loop killed with a real drive in it: who lets go of the patient, when nobody is left to command?"""

import os
import signal

import pytest
from controller.test_gateway import Clinic
from isolation import under_way
from servers import eventually

from services.controller.beds.modbus_drive import RELEASED_N, Drive, Kind
from services.controller.beds.modbus_server import Served
from services.controller.kernel import layout
from services.controller.kernel.faults import SENSOR_LOST
from services.controller.loop.interruption import RELEASED_DN, Interruptions
from services.controller.loop.shared import GatewayMemory

LOOP, GATEWAY = "services.controller.loop", "services.controller"


@pytest.fixture
def drive():
    """A calm patient on a drive that listens."""
    served = Served(Drive(Kind(calm=True)))
    yield served
    served.close()


@pytest.mark.soak  # in real time: wants a machine that does nothing else
@pytest.mark.requirement("release-without-control", "say-interruptions", "never-resume-alone")
@pytest.mark.parametrize("module", [LOOP, GATEWAY], ids=["loop alone", "whole gateway"])
def test_the_drive_lets_go_by_itself_and_the_next_loop_pulls_nothing(tmp_path, drive, module):
    """No process of ours is left that could let go: the drive must, and nobody may pull again."""
    clinic = Clinic(tmp_path)
    beds = {"SPONDYL_DEVICES": "bed-01", "SPONDYL_BEDS": f"bed-01={drive.address}"}
    try:
        clinic.start(module=module, **beds)
        before = clinic.loop()
        memory = GatewayMemory.attach(before.path)
        under_way.treat(memory)
        assert drive.drive.tension_n > RELEASED_N
        os.kill(before.pid, signal.SIGKILL)
        eventually(lambda: drive.drive.tension_n <= RELEASED_N, 20, "the tension let out by the drive itself")
        if module == LOOP:  # a gateway starts another by itself
            clinic.start(module=LOOP, **beds)
        after = GatewayMemory.attach(clinic.loop(other_than=before.boot).path)
        row = Interruptions(clinic.directory).of("bed-01")
        assert row.tension_n == int(under_way.now(memory)[layout.S_FORCE]) / 10
        eventually(lambda: after.head() > 100, 20, "two seconds")
        samples = after.read(0, after.head())[1][:, :, 0]
        assert set(samples[:, layout.S_PHASE].tolist()) == {layout.IDLE}
        assert samples[:, layout.S_VELOCITY].max() <= 0, "nothing pulls"
    finally:
        clinic.kill_all()


@pytest.mark.soak
@pytest.mark.requirement("say-interruptions")
def test_a_loop_that_dies_while_an_alarm_waits_for_its_reset_says_so(tmp_path):
    """Nothing is latched in a new loop: the bed would be free, and nobody had seen why it was not."""
    clinic = Clinic(tmp_path)
    try:
        clinic.start(module=LOOP)
        before = clinic.loop()
        memory = GatewayMemory.attach(before.path)
        under_way.treat(memory)
        memory.faults[0] = SENSOR_LOST
        eventually(lambda: under_way.now(memory)[layout.S_PHASE] == layout.FAULT, 20, "a fault")
        let_out = lambda: under_way.now(memory)[layout.S_FORCE] <= RELEASED_DN
        eventually(let_out, 60, "the tension let out")
        os.kill(before.pid, signal.SIGKILL)
        clinic.start(module=LOOP)
        clinic.loop(other_than=before.boot)
        rows = Interruptions(clinic.directory)
        assert (rows.of("bed-01").phase, rows.of("bed-02")) == ("fault", None)
    finally:
        clinic.kill_all()

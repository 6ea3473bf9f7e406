"""Two masters on one drive, and a drive that let go by itself: told at once, never treated on."""

import numpy as np
import pytest
from modbus_rig import Wired
from servers import eventually

from services.controller.alarms.board import AlarmBoard
from services.controller.beds.addresses import drive_address
from services.controller.commissioning.line import Line
from services.controller.kernel import layout
from services.controller.kernel import modbus_map as reg
from services.kit.errors import SpondylError

ENDED_S = 6.0  # a release by force takes 4.5 s
RELEASED_N = 8.0
SECOND = 50  # ticks


@pytest.fixture
def wired():
    """One bed on a drive, calm, both by one time."""
    wired = Wired()
    yield wired
    wired.close()


def write_once(wired):
    """Somebody else commands this drive, and is refused by it; his session id."""
    with Line(drive_address(wired.served.address)) as other:
        with pytest.raises(SpondylError, match="commands this drive"):
            other.exchange(5.0)
        return other.master


def alarms(wired, count):
    """What a board shows after the newest ticks."""
    board, head = AlarmBoard(), wired.memory.head()
    times, samples = wired.memory.read(head - count, head)
    board.observe(times, samples[:, :, 0])
    return [alarm.condition for alarm in board.active()]


@pytest.mark.requirement("tell-other-master")
def test_another_master_that_writes_is_an_alarm_within_a_second_and_nothing_starts(wired):
    """A service laptop, a second gateway: the drive does not obey it, and somebody must go and look."""
    wired.ready()
    before = wired.counts()
    stranger = write_once(wired)
    sample = wired.tick()[-1]
    assert sample[layout.S_CONDITIONS] == layout.OTHER_MASTER
    assert sample[layout.S_AGE] == 0, "our own exchange goes on"
    assert alarms(wired, 1) == ["other_master"]
    assert wired.since(before)["other_wrote"] == 1
    assert wired.counts()["other_master_no"] == stranger
    assert not wired.act(layout.ACTION_START)
    wired.tick(3 * SECOND)
    assert alarms(wired, 1) == [], "it has gone away before anything was under way"
    assert wired.act(layout.ACTION_START)


@pytest.mark.requirement("tell-other-master")
def test_a_session_under_way_ends_when_another_master_writes_and_stays_ended(wired):
    """Who else has this drive's address may be its only master as soon as we are late once."""
    wired.treated()
    write_once(wired)
    samples = [wired.tick()[-1]]
    assert samples[0][layout.S_PHASE] == layout.FAULT
    for _ in range(3):  # and again while the tension is let out: that goes on where it is
        samples += list(wired.tick(SECOND))
        write_once(wired)
    samples = np.array(samples + list(wired.tick(round(ENDED_S - 3) * SECOND)))
    assert set(samples[:, layout.S_PHASE]) == {layout.FAULT}
    assert samples[:, layout.S_VELOCITY].max() <= 0, "nothing pulls"
    assert wired.served.drive.tension_n < RELEASED_N
    wired.tick(3 * SECOND)
    assert alarms(wired, 1) == ["other_master"], "until somebody at the bed has reset it"
    assert wired.act(layout.ACTION_RESET)
    assert alarms(wired, 1) == []


@pytest.mark.requirement("tell-other-master")
def test_a_drive_that_obeys_another_master_says_so_beside_its_lost_link(wired):
    """No answer from the bed would send somebody to look for a broken cable."""
    wired.connected()
    wired.stand_still(0.2)
    eventually(lambda: wired.served.drive.master == reg.NO_MASTER, 5.0, "the watchdog to expire")
    with Line(drive_address(wired.served.address)) as other:
        for _ in range(6):
            other.exchange()
            wired.tick()
        assert alarms(wired, 6) == ["link_lost", "other_master"]
        assert wired.counts()["other_master_no"] == other.master
    wired.stand_still(0.2)  # the other is gone, its watchdog expires
    wired.connected()
    wired.tick()
    assert wired.served.drive.refused > 0
    assert wired.counts()["other_wrote"] == 0, "what it refused meanwhile were our own commands"
    wired.tick(3 * SECOND)
    assert alarms(wired, 1) == []


def test_a_drive_that_was_switched_off_and_counts_anew_tells_of_no_master(wired):
    """A power cut must not look like an attack."""
    wired.connected()
    write_once(wired)
    wired.tick(3 * SECOND)
    port = wired.served.port
    wired.served.close()
    wired.tick(10)
    wired.served = wired.serve(port=port)
    wired.connected()
    wired.tick()
    assert wired.served.drive.refused == 0
    assert alarms(wired, 1) == []


@pytest.mark.requirement("release-without-control", "never-resume-alone")
def test_a_drive_that_let_go_while_the_loop_noticed_nothing_ends_the_session(wired):
    """Its clock is its own: what it has let out, the loop must not pull in again as if nothing had been."""
    wired.treated()
    assert wired.served.drive.tension_n > RELEASED_N
    before = wired.counts()
    wired.clock.now += 2 * reg.WATCHDOG_MS / 1000  # for the drive alone
    sample = wired.tick()[-1]
    assert wired.since(before)["released"] == 1
    assert sample[layout.S_AGE] > reg.WATCHDOG_MS
    assert sample[layout.S_CONDITIONS] & layout.LINK_LOST
    samples = wired.tick(round(ENDED_S) * SECOND)
    assert set(samples[:, layout.S_PHASE]) == {layout.FAULT}
    assert samples[:, layout.S_VELOCITY].max() <= 0
    assert wired.served.drive.tension_n < RELEASED_N

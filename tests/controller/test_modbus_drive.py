"""The drive that `spondyl bed --modbus` is: watchdog, stop channels and single master, by its own clock."""

import pytest
from modbus_rig import Clock, doll

from services.controller.beds.modbus_drive import RELEASED_N, Drive
from services.controller.beds.modbus_map import pack, unpack
from services.controller.kernel import layout
from services.controller.kernel import modbus_map as reg

PULL = {"velocity": 10_000, "outputs": layout.OUTPUT_POWER, "stop_a": reg.RUN_A, "stop_b": reg.RUN_B}


class Hand:
    """A master that commands a drive every 20 ms of its clock."""

    def __init__(self, master=7):
        self.clock = Clock()
        self.drive = Drive(doll(), self.clock)
        self.master, self.beat = master, 0

    def command(self, seconds, master=None, **values):
        """Command for so long; the last look."""
        for _ in range(round(seconds / 0.02)):
            self.beat += 1
            written = PULL | {"master": master or self.master, "heartbeat": self.beat % 65_536} | values
            self.drive.write(pack(reg.WRITES, written))
            self.clock.now += 0.02
        return self.look()

    def look(self):
        """What the drive says now."""
        return unpack(reg.READS, self.drive.read())

    def silence(self, seconds):
        """Nobody writes."""
        self.clock.now += seconds
        return self.look()


@pytest.fixture
def hand():
    """A drive that pulls the doll with some 30 N."""
    hand = Hand()
    while hand.look()["force"] < 300:
        hand.command(0.1)
    return hand


@pytest.mark.requirement("release-without-control")
def test_without_commands_for_100_ms_the_drive_lets_the_tension_out_by_itself(hand):
    """A loop that was killed must not leave anybody under tension."""
    fed_at = hand.drive.fed_at
    assert hand.silence(0.07)["watchdog_state"] == reg.WATCHDOG_FED
    hand.silence(0.02)
    assert hand.drive.expired_at - fed_at == pytest.approx(0.1, abs=0.0021)
    released = hand.silence(2.0)
    assert released["watchdog_state"] == reg.WATCHDOG_EXPIRED
    assert hand.drive.tension_n <= RELEASED_N
    assert hand.drive.released_at - hand.drive.expired_at < 1.0  # 30 N at 20 mm/s
    resting = hand.look()["position"]
    assert hand.silence(2.0)["position"] == resting  # and never pulls again by itself


def test_a_master_that_repeats_its_heartbeat_feeds_no_watchdog(hand):
    """A loop that hangs may still have its last frame repeated by whoever is between."""
    written = PULL | {"master": 7, "heartbeat": hand.beat % 65_536}
    for _ in range(10):
        hand.drive.write(pack(reg.WRITES, written))
        hand.clock.now += 0.02
    assert hand.look()["watchdog_state"] == reg.WATCHDOG_EXPIRED


def test_while_it_lets_the_tension_out_no_command_pulls(hand):
    """A loop that comes back in the middle must not meet its own release."""
    hand.silence(0.15)
    before = hand.look()
    assert before["drive_state"] == reg.DRIVE_RELEASING
    during = hand.command(0.1)
    assert during["position"] < before["position"]
    hand.command(1.0, velocity=0)
    assert hand.drive.tension_n <= RELEASED_N
    here = hand.look()["position"]
    assert hand.command(0.2)["position"] > here  # obeyed again once nothing pulls


@pytest.mark.parametrize(
    ("channels", "state"),
    [((reg.STOP_A, reg.RUN_B), reg.STOP_DISAGREE), ((reg.RUN_A, reg.STOP_B), reg.STOP_DISAGREE),
     ((reg.STOP_A, reg.STOP_B), reg.STOP_STOP), ((0x0001, reg.RUN_B), reg.STOP_DISAGREE)],
)  # fmt: skip
def test_either_stop_channel_alone_forbids_pulling_and_none_forbids_letting_out(hand, channels, state):
    """Two channels are two only if each of them is enough."""
    hand.command(0.3, velocity=0)
    before = hand.look()["position"]
    stopped = hand.command(0.5, stop_a=channels[0], stop_b=channels[1])
    assert stopped["stop_state"] == state
    assert stopped["position"] == before
    out = hand.command(0.5, stop_a=channels[0], stop_b=channels[1], velocity=-5000)
    assert out["position"] < before - 150


def test_a_second_master_is_answered_and_not_obeyed(hand):
    """The first one's watchdog decides when another may take over."""
    hand.command(0.3, velocity=0)
    before = hand.look()["position"]
    for _ in range(20):
        hand.command(0.02, velocity=0)
        other = hand.command(0.02, master=8)
        assert other["master"] == 7
    assert other["position"] == before
    hand.silence(0.5)
    assert hand.command(0.02, master=8)["master"] == 8

"""When a receiver may wait for more, and when a broker waits for it."""

import pytest

from broker.gathering import Gathering

PAUSE_S = 0.2


class Sender:
    """Looks of a receiver at messages that come evenly, or that wait behind a window."""

    def __init__(self, per_s, window=2100):
        self.gathering = Gathering(PAUSE_S, window)
        self.per_s = per_s
        self.now_s, self.pauses, self.taken = 1000.0, 0, 0

    def run(self, seconds, look_s=0.004):
        """Look and pause for so long; each look finds what came since the one before."""
        end_s, came_s = self.now_s + seconds, self.now_s
        while self.now_s < end_s:
            brought = int((self.now_s - came_s) * self.per_s)
            came_s += brought / self.per_s
            self.taken += brought
            pause_s = self.gathering.pause_s(brought, self.now_s)
            self.pauses += pause_s > 0
            self.now_s += pause_s + look_s
        return self


@pytest.mark.parametrize("per_s", [10, 135, 1000])
def test_messages_of_a_few_beds_come_together(per_s):
    """A bed's block a second each is no reason to wake up for each: a few looks a pause, none is lost."""
    sender = Sender(per_s).run(20)
    assert sender.pauses > min(20 * per_s, 20 / PAUSE_S) / 2
    assert sender.taken == pytest.approx(20 * per_s, abs=per_s)


def test_nobody_pauses_when_much_comes():
    """A pause would fill the window, and the broker would wait for us."""
    sender = Sender(6000).run(1)
    sender.pauses = 0
    assert sender.run(20).pauses == 0


def test_a_broker_with_a_small_window_is_not_kept_waiting():
    """Mosquitto sends 20 ahead unless told otherwise: a look that finds them all again was waited for."""
    gathering, now_s, pauses = Gathering(PAUSE_S, 2100), 1000.0, 0
    for _ in range(500):
        pauses += gathering.pause_s(20, now_s) > 0
        now_s += 0.01
    assert pauses == 0


def test_after_a_pause_comes_a_look_without_one():
    """Only so it is seen whether more was waiting."""
    gathering = Gathering(PAUSE_S, 2100)
    assert [gathering.pause_s(1, 1000.0 + number) > 0 for number in range(6)] == [True, False] * 3


def test_a_look_that_brought_nothing_pauses_nothing():
    """It sent acknowledgements or opened a site: what comes next must be seen at once."""
    gathering = Gathering(PAUSE_S, 2100)
    assert [gathering.pause_s(0, 1000.0 + number) for number in range(3)] == [0.0] * 3


def test_who_acknowledges_nothing_keeps_nobody_waiting():
    """QoS 0: the pause is the same whatever comes."""
    gathering = Gathering(0.05, None)
    assert {gathering.pause_s(count, 1000.0) for count in (0, 1, 5000)} == {0.05}


def test_without_a_pause_nothing_changes():
    """0 is allowed."""
    assert Gathering(0.0, 2100).pause_s(1, 1000.0) == 0.0

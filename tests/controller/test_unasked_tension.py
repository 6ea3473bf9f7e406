"""Somebody hangs in the harness and there is no session: it is said, and the drive is left where it is."""

import numpy as np
import pytest
from spring_bed import Spring

from services.controller.alarms.board import AlarmBoard
from services.controller.kernel import layout

PERIOD_NS = 20_000_000


def hanging(force_n):
    """A bed at rest whose harness is pulled with so many newtons."""
    bed = Spring()
    bed.position = bed.slack_mm + force_n / bed.stiffness
    return bed


def told(board, samples):
    """The conditions of the alarms after these samples, which follow what the board has seen."""
    first = board._now_ns // PERIOD_NS + 1
    ticks = np.arange(first, first + len(samples), dtype=np.int64)
    board.observe(np.column_stack((ticks, ticks * PERIOD_NS, ticks * PERIOD_NS)), samples)
    return [alarm.condition for alarm in board.active()]


@pytest.mark.requirement("say-unasked-tension")
def test_tension_without_a_session_is_an_alarm_and_no_command():
    """Nobody has said who hangs there and which way is free: people help, a drive on its own may crush."""
    bed, board = hanging(150.0), AlarmBoard()
    assert told(board, bed.run(2.9)) == []
    samples = bed.run(0.2)
    assert told(board, samples) == ["unasked_tension"]
    (alarm,) = board.active()
    assert (alarm.priority, alarm.latched) == ("high", False)
    assert "LOOK AFTER THE PATIENT" in alarm.text["en"]
    assert "NACH PATIENT SEHEN" in alarm.text["de"]
    assert not samples[:, layout.S_VELOCITY].any()
    bed.position = 0.0
    assert told(board, bed.run(4.0)) == []


@pytest.mark.requirement("say-unasked-tension")
def test_what_a_session_pulls_and_lets_out_by_itself_is_none():
    """A full pull, a stop under it, and its release: an alarm for each would be pressed away."""
    bed, board = Spring(), AlarmBoard()
    bed.begin()
    bed.until(layout.HOLD)
    assert told(board, bed.run(2.0)) == []
    bed.tick(layout.ACTION_STOP)
    assert told(board, bed.run(12.0)) == []
    assert bed.force < 20


@pytest.mark.requirement("say-unasked-tension")
def test_what_a_stop_left_over_is_said():
    """The drive jammed on its way back: who was told `stopped` must not believe that nothing pulls."""
    bed, board = Spring(), AlarmBoard()
    bed.begin()
    bed.until(layout.HOLD)
    bed.tick(layout.ACTION_STOP)
    bed.jammed = True
    assert "unasked_tension" in told(board, bed.run(20.0))


@pytest.mark.requirement("say-unasked-tension")
@pytest.mark.parametrize("spoiled", ["age_ms", "force", "small"])
def test_a_tension_that_nobody_measured_is_none(spoiled):
    """An old reading and a cell that is not there say nothing of now; a harness has its weight."""
    bed = hanging(15.0 if spoiled == "small" else 150.0)
    bed.status &= ~layout.STATUS_FORCE_VALID if spoiled == "force" else ~0
    bed.run(0.1)
    bed.age_ms = 500 if spoiled == "age_ms" else 0
    assert "unasked_tension" not in told(AlarmBoard(), bed.run(5.0))

"""Which alarm lets nobody be confirmed or started: the table's column, and the bed that refuses by it."""

import json
import time
from contextlib import contextmanager
from dataclasses import asdict
from uuid import uuid4

import pytest
from bedside_rig import Served
from sample_streams import rows, treated
from servers import eventually

from services.controller.alarms.board import AlarmBoard, Moment, Seen
from services.controller.alarms.table import (
    ALARMS,
    LATCHED,
    LIVE,
    NOTHING,
    NS_PER_S,
    SPOOL_FULL,
    UNTIL_SEEN,
    WHILE_ON,
    Condition,
)
from services.controller.errors import SessionRefused
from services.controller.kernel import deciding, layout
from services.controller.loop.interruption import FILE, Interrupted, Interruptions

INTERRUPTED = "control_interrupted"


@contextmanager
def panel_of(clinic):
    """A panel over the clinic's beds with somebody signed in, which knows what an earlier loop left."""
    served = Served(clinic.panel(interruptions=Interruptions(clinic.directory)))
    try:
        served.sign_in()
        yield served
    finally:
        served.close()
        clinic.bedside.bar.asked = None


@pytest.fixture
def interrupted(clinic):
    """The first bed's loop died under 312 N, and a new one ticks: what the next loop writes down at once."""
    left = Interrupted(str(uuid4()), time.time_ns(), 700, "hold", 7, 312.4)
    (clinic.directory / FILE).write_text(json.dumps({"bed-01": asdict(left)}))
    return clinic


def acknowledge(panel, condition=INTERRUPTED, device="bed-01"):
    """Somebody at the bed has seen it."""
    (row,) = [row for row in panel.get(f"/{device}")["alarms"] if row["condition"] == condition]
    answer = panel.post(f"{device}/acknowledge", {"occurrence": row["occurrence"]})
    assert answer.status_code == 200


@pytest.mark.requirement("no-start-over-an-alarm")
def test_nobody_is_confirmed_until_somebody_has_seen_what_was_interrupted(interrupted):
    """The patient of then may still lie there, hurt: the next one must not be laid over that."""
    with panel_of(interrupted) as panel:
        refused = panel.post("bed-01/confirm", interrupted.request())
        assert refused.status_code == 409
        told = refused.json()
        assert "CONTROL WAS INTERRUPTED AT 312 N" in told["detail"]
        assert "acknowledge the alarm at this bed" in told["detail"]
        assert "REGELUNG WAR UNTERBROCHEN BEI 312 N" in told["detail_de"]
        assert "an dieser Liege quittieren" in told["detail_de"]
        barred = panel.get("/bed-01")["barred"]
        assert barred == {"condition": INTERRUPTED, "latching": "until_acknowledged"}, "the page says it, too"
        assert interrupted.phase() == "idle"
        assert interrupted.store.unfinished() == []
        assert panel.post("bed-02/confirm", interrupted.request()).status_code == 200, "another bed's alarm"
        acknowledge(panel)
        assert panel.post("bed-01/confirm", interrupted.request()).status_code == 200


@pytest.mark.requirement("no-start-over-an-alarm", "say-interruptions")
def test_a_panel_that_was_restarted_bars_the_bed_as_before(interrupted):
    """Killing the page must not open the bed."""
    with panel_of(interrupted):
        pass
    with panel_of(interrupted) as panel:
        assert panel.post("bed-01/confirm", interrupted.request()).status_code == 409
        acknowledge(panel)
    with panel_of(interrupted) as panel:
        assert panel.post("bed-01/confirm", interrupted.request()).status_code == 200


@pytest.mark.requirement("no-start-over-an-alarm")
def test_a_confirmed_patient_is_not_started_over_an_alarm(clinic):
    """It may come between the two taps; a session under way is not ended by it, and may go on."""
    with panel_of(clinic) as panel:
        session = clinic.ready()
        clinic.memory.health["disk_full"] = SPOOL_FULL
        clinic.memory.health["recorder_ns"] = time.monotonic_ns() + 600 * NS_PER_S  # believed all the while
        eventually(lambda: panel.get("/bed-01")["alarms"], 10, "the alarm")
        refused = panel.post("bed-01/start")
        assert (refused.status_code, clinic.phase()) == (409, "ready")
        assert "start is refused while this alarm is on: DISK FULL" in refused.json()["detail"]
        assert "solange dieser Alarm ansteht: SPEICHER VOLL" in refused.json()["detail_de"]
        clinic.memory.health["disk_full"] = 0
        eventually(lambda: not panel.get("/bed-01")["alarms"], 10, "room again")
        assert panel.post("bed-01/start").status_code == 200
        clinic.memory.health["disk_full"] = SPOOL_FULL
        eventually(lambda: panel.get("/bed-01")["alarms"], 10, "the alarm")
        assert panel.post("bed-01/pause").status_code == 200
        assert panel.post("bed-01/resume").status_code == 200
        clinic.memory.health["disk_full"] = 0
    told = [row["detail"] for row in clinic.store.actions(session.session) if not row["accepted"]]
    assert any("DISK FULL" in detail for detail in told), "a refusal is written down"


@pytest.mark.requirement("no-start-over-an-alarm")
def test_while_the_alarms_of_a_new_loop_are_not_known_nobody_is_confirmed(clinic, monkeypatch):
    """A panel that has not read the ring yet knows of no alarm: that is not the same as none."""
    monkeypatch.setattr("services.controller.bedside.barring.KNOWN_WITHIN_S", 0.05)

    def unknown(_memory, device):
        raise LookupError(device)

    clinic.bedside.bar.asked = unknown
    try:
        with pytest.raises(SessionRefused, match="the alarms of bed-01 are not known here yet"):
            clinic.confirm()
    finally:
        clinic.bedside.bar.asked = None


@pytest.mark.requirement("no-start-over-an-alarm")
@pytest.mark.parametrize("alarm", [a for a in ALARMS if not a.bit], ids=lambda alarm: alarm.condition)
def test_every_row_of_the_gateways_bars_as_its_column_says(alarm):
    """Walks every row: while it is on, until somebody has seen it, or not at all."""
    board, step_ns = AlarmBoard(), round((alarm.delay_s + alarm.hold_s) * 1e9) + 1_000_000
    board.look(Moment(0, 1, 1), {alarm.condition: Condition()})
    board.look(Moment(1, step_ns, step_ns), {alarm.condition: Condition()})
    (shown,) = board.active()
    assert bool(board.barring()) == (alarm.bars != NOTHING)
    board.acknowledge(shown.occurrence, Seen("Jo", "account-7", 1))
    assert bool(board.barring()) == (alarm.bars == WHILE_ON)
    board.look(Moment(2, 2 * step_ns, 2 * step_ns), {})
    board.look(Moment(3, 3 * step_ns, 3 * step_ns), {})
    assert board.barring() is None


@pytest.mark.requirement("no-start-over-an-alarm", "say-unasked-tension")
@pytest.mark.parametrize("phase", [layout.IDLE, layout.READY], ids=["free", "ready"])
def test_tension_that_nothing_pulls_bars_the_bed(phase):
    """Somebody hangs there: neither the next patient nor the drive belongs on top of it."""
    board, (times, samples) = AlarmBoard(), rows((200, treated(7, phase=phase, force_dn=300)))
    board.observe(times[:140], samples[:140])
    assert board.barring() is None, "a moment is none"
    board.observe(times[140:], samples[140:])
    assert board.barring().condition == "unasked_tension"


@pytest.mark.parametrize("alarm", [a for a in ALARMS if a.is_the_kernels], ids=lambda alarm: alarm.condition)
def test_the_kernels_own_are_left_to_the_kernel(alarm):
    """It refuses with the values of its own tick: two refusals in two wordings help nobody."""
    board = AlarmBoard([0.0] * len(layout.PARAMETERS))
    board.observe(*rows((60, {"conditions": alarm.bit, "force_dn": 0})))
    assert [one.condition for one in board.active()] == [alarm.condition]
    assert board.barring() is None


def test_the_column_says_what_the_kernel_does():
    """The kernel refuses by its own list: the table must not promise another."""
    refused = deciding.FORBIDS_START | deciding.LATCHING | layout.TILT_MISMATCH
    by_the_loop = layout.MISSED_DEADLINE  # of one late tick, which is over when somebody reads of it
    told = {alarm.bit for alarm in ALARMS if alarm.is_the_kernels and alarm.bars == WHILE_ON}
    assert sum(told) == refused & ~by_the_loop


def test_only_what_is_over_waits_for_eyes_alone():
    """What is still on is not mended by being seen."""
    for alarm in ALARMS:
        assert alarm.bars != UNTIL_SEEN or alarm.latching not in (LATCHED, LIVE)
        assert alarm.bars != NOTHING or alarm.priority != "high" or alarm.condition == "missed_deadline"

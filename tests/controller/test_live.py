import sqlite3
import time
from uuid import uuid4

import pytest
from ring_writer import Ring
from sample_streams import rows, treated

from services.controller.alarms.board import AlarmBoard
from services.controller.alarms.memory import believed, silence_s
from services.controller.alarms.table import COPY_FAILS, SPOOL_FULL, Condition, gateway_conditions
from services.controller.errors import StoreUnavailable
from services.controller.kernel import layout
from services.controller.recorder.known_sessions import PATIENCE_S, KnownSessions
from services.controller.recorder.live import Live
from services.controller.rows import NewSession
from services.controller.store import Store
from services.kit.database import BUSY_TIMEOUT_MS

HOUR_NS = 3_600_000_000_000


@pytest.fixture
def ring(tmp_path):
    made = Ring(tmp_path, devices=("bed-01",))
    made.memory.health["mqtt_connected"] = 1
    yield made
    made.close()


@pytest.fixture
def live(ring, tmp_path):
    sessions = KnownSessions(tmp_path / "session.db")
    yield Live.resume(ring.memory, sessions, 0, {})
    sessions.close()


def said(live, stream):
    """What is announced now on a stream."""
    return [message for name, _, message in live.advance() if name == stream]


def alarms(live):
    return [alarm.condition for alarm in live.beds[0].board.active()]


def test_a_state_is_announced_on_change_and_as_a_session_goes_on(ring, live):
    """Retained messages are for changes; what is left of a session is told every few seconds."""
    ring.idle(10)
    assert [state.phase for state in said(live, "state")] == ["idle"]
    ring.idle(10)
    assert said(live, "state") == []
    ring.run((5, treated(phase=layout.HOLD, remaining_ms=60_000, target_mn=300_000, cycle=1)))
    (state,) = said(live, "state")
    assert (state.phase, state.target_n, state.remaining_s, state.cycle) == ("hold", 300.0, 60.0, 1)
    ring.run((5, treated(phase=layout.HOLD, remaining_ms=59_000, target_mn=300_000, cycle=1)))
    assert [state.remaining_s for state in said(live, "state")] == [59.0]
    ring.run((5, treated(phase=layout.HOLD, remaining_ms=58_900, target_mn=300_000, cycle=1)))
    assert said(live, "state") == []


def test_a_session_is_shown_with_what_the_panel_knows_of_it(ring, live, tmp_path):
    """Id, region and prescribed minutes come from the operator's side."""
    store = Store(tmp_path / "session.db")
    new = NewSession("bed-01", ring.memory.boot, uuid4(), None, None, "cervical", "C5/6", {}, uuid4(), "anna")
    session = store.add(new)
    parameters = [0.0] * len(layout.PARAMETERS)
    parameters[layout.P_TRACTION_S] = 900.0
    store.set_parameters(session.session, parameters)
    ring.run((5, treated(session.session_no, phase=layout.HOLD)))
    (state,) = said(live, "state")
    assert (state.session, state.region, state.traction_s) == (session.session, "cervical", 900.0)
    ring.run((5, {"session_no": session.session_no, "phase": layout.IDLE}))
    assert said(live, "state")[0].session is None
    store.close()


def test_a_step_of_the_clock_is_an_alarm_for_a_minute(ring, live):
    """It changes no order and no duration, and somebody should know."""
    ring.idle(10)
    live.advance()
    times, samples = rows((3010, {}), first=10)
    times[:, 2] -= HOUR_NS
    ring.push(times[:10], samples[:10])
    live.advance()
    assert ring.memory.health["clock_step_ms"] == -3_600_000
    ring.push(times[10:11], samples[10:11])
    live.advance()
    assert alarms(live) == ["clock_stepped"]
    assert live.beds[0].board.active()[0].text["en"] == "* CLOCK STEPPED BY -3600.0 s"
    ring.push(times[11:], samples[11:])
    live.advance()
    assert ring.memory.health["clock_step_ms"] == 0


def test_a_loop_that_wakes_late_for_seconds_is_an_alarm(ring, live):
    """One late wake-up is noise, two seconds of them are a machine that is too small."""
    for _ in range(30):
        ring.run((5, {"late_us": 12_000}))
        live.advance()
    assert ring.memory.health["late_us"] == 12_000
    assert alarms(live) == ["loop_degraded"]
    for _ in range(5):  # two seconds to notice, ten that it is held
        ring.idle(150)
        live.advance()
    assert alarms(live) == []


@pytest.mark.requirement("tell-the-operator")
def test_a_silent_recorder_takes_no_alarm_back_and_is_one_itself(ring, live):
    """Nobody has seen its alarm go; what it was not sure of is not said for it; half the ring is warning."""
    health = ring.memory.health
    health["mqtt_connected"] = 0
    for _ in range(2):
        ring.idle(510)
        live.advance()
    (told,) = live.beds[0].board.active()
    health["recorder_ns"] = int(ring.memory.read(1019, 1020)[0][0, 1])
    health["disk_full"] = COPY_FAILS  # said by nobody yet
    found = gateway_conditions(health, 20.0)
    kept = {"network_lost": Condition(since_ns=int(told.occurrence.rpartition("-")[2]))}
    lag = {"storage_lag": Condition(31.0, 30.0)}
    for silent_s, expected in ((1.9, found), (2.1, kept), (30.0, kept), (31.0, kept | lag)):
        assert believed(found, ring.memory, 0, silent_s) == expected
    panel = AlarmBoard()  # of one that starts meanwhile
    panel.observe(*rows((1, {}), first=1020), believed(found, ring.memory, 0, 20.0))
    assert [(alarm.condition, alarm.occurrence) for alarm in panel.active()] == [
        ("network_lost", told.occurrence)
    ]


def test_a_recorder_that_never_spoke_is_silent_since_the_loop_began(ring):
    """One that fails at every start leaves words of zero: they are not `network lost`."""
    assert 0 <= silence_s(ring.memory) < 60
    found = gateway_conditions({"mqtt_connected": 0}, 20.0)
    assert believed(found, ring.memory, 0, 5.0) == {}
    assert set(believed(found, ring.memory, 0, 31.0)) == {"storage_lag"}


@pytest.mark.requirement("acknowledge-one-occurrence")
def test_what_no_disk_has_kept_is_called_as_it_was(ring, live):
    """The recorder dies while the disk is full: its alarm must not come back as another, unseen one."""
    kept = live.boards()
    ring.memory.health["disk_full"] = SPOOL_FULL
    ring.idle(10)
    live.advance()
    (told,) = live.beds[0].board.active()
    ring.memory.health["recorder_ns"] = time.monotonic_ns()
    ring.idle(10)
    again = Live.resume(ring.memory, live.sessions, 0, kept)
    again.advance()
    assert [alarm.occurrence for alarm in again.beds[0].board.active()] == [told.occurrence]


def test_after_an_absence_only_the_newest_samples_are_looked_at(ring, live):
    """What is live now matters; what was is the stored lane's."""
    ring.idle(10)
    live.advance()
    ring.run((1000, {"conditions": layout.OVER_FORCE}))
    ring.idle(400)
    live.advance()
    assert alarms(live) == []
    assert live.next == 1410


def test_a_database_that_cannot_be_read_holds_the_record_up_only_for_a_while(tmp_path, monkeypatch):
    """A locked file passes; a broken one must not cost samples."""
    (tmp_path / "session.db").mkdir()
    sessions = KnownSessions(tmp_path / "session.db")
    with pytest.raises(StoreUnavailable):
        sessions.facts("bed-01", 1)
    assert sessions.shown("bed-01", 1) is None
    later = time.monotonic() + PATIENCE_S + 1
    monkeypatch.setattr("services.controller.recorder.known_sessions.time.monotonic", lambda: later)
    assert sessions.facts("bed-01", 1) is None


def test_a_panel_that_is_writing_is_not_waited_for(tmp_path):
    """The live lane looks sessions up, and the write lock may be held for seconds."""
    path = tmp_path / "session.db"
    sessions = KnownSessions(path)
    assert sessions.facts("bed-01", 1) is None
    assert not path.exists()
    Store(path).close()
    writing = sqlite3.connect(path, isolation_level=None)
    writing.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    assert sessions.facts("bed-01", 1) is None
    assert time.monotonic() - began < BUSY_TIMEOUT_MS / 2000
    writing.execute("ROLLBACK")
    writing.close()
    sessions.close()


def test_a_store_opened_to_read_changes_nothing(tmp_path):
    """Only the panel writes session.db."""
    path = tmp_path / "session.db"
    Store(path).close()
    store = Store(path, read_only=True)
    with pytest.raises(StoreUnavailable, match="readonly"):
        store.clock_anchor("boot", 1.0, 1.0)
    store.close()

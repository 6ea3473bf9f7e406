"""The recorder in this process: what it does with no broker and no room."""

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from authority import Authority
from ring_writer import Ring
from sample_streams import treated
from servers import eventually, free_port

from broker import codec
from broker.contract import EVENT
from broker.drain import Span
from broker.messages import Committed
from broker.spool import SpoolFull
from services.controller.bedside.reports import Report
from services.controller.kernel import layout
from services.controller.recorder.known_sessions import KnownSessions
from services.controller.recorder.lost_rows import AGAIN_S, LostRows
from services.controller.recorder.pending import Pending
from services.controller.recorder.recorder import Recorder
from services.controller.recorder.station import status
from services.controller.rows import NewSession
from services.controller.settings import ControllerSettings
from services.controller.store import Store

pytestmark = pytest.mark.system


@pytest.fixture
def offline(tmp_path):
    """A recorder in this process, with no broker to reach."""
    settings = ControllerSettings(
        data=tmp_path, site="north", devices="bed-01,bed-02", mqtt_url=f"mqtt://127.0.0.1:{free_port()}"
    )
    ring = Ring(tmp_path / "gateways" / "north", capacity_ticks=1024)
    recorder = Recorder.open(settings)
    recorder._look()
    yield recorder, ring
    recorder.close()
    ring.close()


def test_a_bed_on_a_drive_is_not_announced_as_a_simulated_one(offline):
    """The centre tells demonstrations from patients by it."""
    recorder, ring = offline
    ring.memory.addresses = ("modbus://10.0.0.21:502?unit=1", "simulated")
    kinds = [bed.kind for bed in status(recorder.settings, "", ring.memory, "online").devices]
    assert kinds == ["modbus", "simulated"]


def test_papers_that_cannot_be_used_stop_no_recording(tmp_path):
    """A key that was half copied is no reason to lose what happens at a bed: the panel says it."""
    ca, certificate, _ = Authority(tmp_path).issue("gw-north")
    key = Authority(tmp_path).issue("other")[2]
    settings = ControllerSettings(
        data=tmp_path, site="north", devices="bed-01", mqtt_url=f"mqtts://127.0.0.1:{free_port()}",
        mqtt_ca=ca, mqtt_certificate=certificate, mqtt_key=key,
    )  # fmt: skip
    ring = Ring(tmp_path / "gateways" / "north", devices=("bed-01",), capacity_ticks=1024)
    with closing(ring), closing(Recorder.open(settings)) as recorder:
        recorder._look()
        ring.idle(200)
        recorder.round(recorder.station)
        assert ring.memory.health["recorder_tick"] == 200
        eventually(lambda: recorder.round(recorder.station) or recorder.worklists.line.why)
        assert recorder.worklists.line.why == "own_unreadable"


def test_sessions_of_an_earlier_release_are_known_before_a_panel_has_started(tmp_path):
    """Behind an upgrade the recorder may be first: it must neither wait nor end a session as nobody's."""
    report = reported(tmp_path, uuid4())
    path = tmp_path / "gateways" / "north" / "session.db"
    with closing(sqlite3.connect(path)) as file:
        file.execute("ALTER TABLE sessions DROP COLUMN correlation")
    with closing(KnownSessions(path)) as sessions:
        facts = sessions.facts("bed-02", 1)
    assert facts.session == report.session
    assert facts.correlation is None


@pytest.mark.requirement("name-what-is-lost")
def test_a_full_disk_raises_the_alarm_and_nothing_else_stops(offline):
    """State and alarms go on, storing is tried again, and with room everything is caught up."""
    recorder, ring = offline
    recorder.spool._max_bytes = 2_000
    ring.idle(200)
    recorder.round(recorder.station)
    assert ring.memory.health["disk_full"] == 1
    assert ring.memory.health["recorder_tick"] == 0
    ring.idle(1)
    recorder.round(recorder.station)
    (alarm,) = [a for a in recorder.station.live.beds[0].board.active() if a.condition == "spool_full"]
    assert alarm.priority == "medium"
    recorder.spool._max_bytes = 10**9
    eventually(
        lambda: recorder.round(recorder.station) or not ring.memory.health["disk_full"], what="room again"
    )
    assert ring.memory.health["recorder_tick"] == 200
    ring.idle(1)
    recorder.round(recorder.station)
    assert not [a for a in recorder.station.live.beds[0].board.active() if a.condition == "spool_full"]


@pytest.mark.requirement("name-what-is-lost")
def test_a_disk_full_for_longer_than_the_ring_names_what_was_lost(offline):
    """It goes on when there is room, and says from where to where there is nothing."""
    recorder, ring = offline
    recorder.spool._max_bytes = 2_000
    ring.idle(200)
    with pytest.raises(SpoolFull):
        recorder.station.writer.store()
    ring.idle(3000)
    recorder.spool._max_bytes = 10**9
    while recorder.station.writer.store():
        pass
    events = [row for row in recorder.spool.pending(0, 1000) if row.stream == "event"]
    assert [row.device for row in events] == ["bed-01", "bed-02"]
    assert b'"samples.lost"' in events[0].payload


def kept(recorder):
    """How many local recordings there are."""
    return len(list(recorder.recordings.directory.glob("*.jsonl")))


def without_room(recorder):
    """A round for which the disk has no room."""
    recorder.spool._max_bytes, before = 1, recorder.spool._max_bytes
    recorder.round(recorder.station)
    recorder.spool._max_bytes, recorder._not_before = before, 0.0
    assert recorder.station.memory.health["disk_full"] == 1


def with_room(recorder):
    """Rounds until every whole block is stored."""
    memory = recorder.station.memory
    while recorder.station.writer.next < memory.head() // 10 * 10:
        recorder.round(recorder.station)


def committed(recorder):
    """The centre has everything of both beds so far."""
    memory, now = recorder.station.memory, datetime.now(UTC)
    everything = dict.fromkeys(("tension", "blackbox", "event"), memory.head())
    for device in memory.devices:
        recorder.pending.commit(device, Committed(boot=memory.boot, next=everything, at=now))
    recorder.round(recorder.station)


TREATED = treated(7, phase=layout.HOLD, cycle=1)


@pytest.mark.requirement("keep-recordings")
def test_a_full_disk_takes_no_recording_of_a_patient_under_way(offline):
    """What may have to explain an adverse event is the last thing that goes: the alarm asks for room."""
    recorder, ring = offline
    ring.run((500, TREATED))
    with_room(recorder)
    assert kept(recorder) == 2, "one a bed"
    committed(recorder)
    ring.run((300, TREATED))
    without_room(recorder)
    assert kept(recorder) == 2


@pytest.mark.requirement("keep-recordings")
def test_a_local_recording_that_cannot_be_written_is_an_alarm_and_costs_the_centre_nothing(offline):
    """Who needs a replay at this machine must not find out then that there is none."""
    recorder, ring = offline
    recorder.recordings.directory.write_text("in the way")
    ring.run((500, TREATED))
    with_room(recorder)
    ring.run((10, TREATED))
    recorder.round(recorder.station)
    conditions = {alarm.condition for alarm in recorder.station.live.beds[0].board.active()}
    assert "recording_incomplete" in conditions
    assert "spool_full" not in conditions
    assert ring.memory.health["recorder_tick"] >= 500


@pytest.mark.requirement("keep-recordings")
def test_a_full_disk_takes_only_recordings_that_the_centre_has(offline):
    """Otherwise the only record of a session would be gone before anybody could read it."""
    recorder, ring = offline
    ring.run((500, TREATED))
    with_room(recorder)
    ring.idle(300)
    with_room(recorder)
    ring.idle(20)
    without_room(recorder)
    assert kept(recorder) == 2, "over, and not with the centre"
    with_room(recorder)
    committed(recorder)
    ring.idle(20)
    without_room(recorder)
    assert kept(recorder) == 1, "the centre has it: the oldest may go"


def test_what_is_lost_is_named_again_when_it_is_still_asked_for_much_later(offline):
    """The event may have been lost with the store that had it: then it must be said once more."""
    recorder, ring = offline
    ring.idle(100)
    recorder.round(recorder.station)
    now = [100.0]
    lost = LostRows(steady=lambda: now[0])
    wanted = Span("event", "bed-02", uuid4(), 0, 3)
    (note,) = lost.named(wanted, recorder.station.writer)
    assert (note.bed, note.kind, note.data["streams"], note.data["next"]) == (1, "samples.lost", ["event"], 3)
    now[0] += AGAIN_S - 1
    assert lost.named(wanted, recorder.station.writer) == []
    now[0] += 2
    assert len(lost.named(wanted, recorder.station.writer)) == 1
    still_to_come = Span("tension", "bed-02", ring.memory.boot, 90, 200)
    assert lost.named(still_to_come, recorder.station.writer) == []


@pytest.mark.requirement("work-offline")
def test_a_lost_network_is_an_alarm_after_its_delay(offline):
    """Low priority: therapy goes on here."""
    recorder, ring = offline
    ring.idle(10)
    recorder.round(recorder.station)
    ring.idle(510)
    recorder.round(recorder.station)
    assert [a.condition for a in recorder.station.live.beds[1].board.active()] == ["network_lost"]
    told = [row.payload for row in recorder.spool.pending(0, 1000) if row.stream == "event"]
    assert [b'"alarm.raised"' in payload and b'"network_lost"' in payload for payload in told] == [True, True]


def reported(directory, boot):
    """A report as the panel keeps it, of a session that is over."""
    store = Store(directory / "gateways" / "north" / "session.db")
    new = NewSession(
        device="bed-02", boot=boot, patient=uuid4(), cure=uuid4(), appointment=None, region="lumbar",
        segment="L4/5", prescription={}, clearance=uuid4(), operator="Th. Rapeutin",
    )  # fmt: skip
    one = store.add(new)
    now = datetime.now(UTC)
    made = Report(
        uuid4(), one.session, "bed-02", one.patient, one.cure, "lumbar", "weakness", 2, 0, now,
        "Th. Rapeutin", str(uuid4()),
    )  # fmt: skip
    store.add_report(made)
    store.close()
    return made


def events_of(recorder, kind):
    """What waits in the spool."""
    rows = [row for row in recorder.spool.pending(0, 1000) if row.stream == "event"]
    return [event for event in (codec.decode(EVENT, row.payload) for row in rows) if event.type == kind]


@pytest.mark.requirement("report-adverse")
def test_a_report_from_the_bed_waits_for_the_network_as_one_event_without_a_name(offline, tmp_path):
    """Told once, whichever process was restarted between the panel's writing and the line's coming back."""
    recorder, ring = offline
    made = reported(tmp_path, ring.memory.boot)
    recorder.worklists.refresh()
    for _ in range(2):
        recorder.pending = Pending(recorder.spool)  # as a recorder that starts now
        recorder._tell_reports(recorder.station)
        ring.idle(50)
        recorder.round(recorder.station)
    (event,) = events_of(recorder, "adverse.reported")
    assert (event.session, event.data["report"]) == (made.session, str(made.report))
    assert (event.data["grade"], event.data["suspends"], event.data["by"]) == (2, True, made.account)
    assert abs(event.at.timestamp() - time.time()) < 600
    assert "Rapeutin" not in event.model_dump_json()

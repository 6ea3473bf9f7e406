"""The recorder as a process between a real ring and a real broker, killed and starved."""

import random
import signal
import threading
import time
from itertools import pairwise
from uuid import uuid4

import pytest
from recorder_rig import Far, Process
from ring_writer import Mail, Ring
from sample_streams import treated, whole_session
from servers import eventually

from services.controller.kernel import layout

pytestmark = pytest.mark.system


@pytest.fixture
def site(tmp_path, mosquitto):
    """Ring, recorder process and far end of one gateway."""
    made = Process(tmp_path, mosquitto.url)
    made.ring = Ring(made.directory)
    made.far = Far(mosquitto.url)
    yield made
    made.end()
    made.far.bus.close()
    made.ring.close()


def whole(pieces):
    """First and last seq of pieces that follow each other without gap or overlap."""
    assert all(before[1] == after[0] for before, after in pairwise(pieces))
    return pieces[0][0], pieces[-1][1]


def spooled(site):
    """The boot of 100 samples of each bed that have all arrived and are nowhere stored."""
    site.ring.idle(100)
    site.start()
    boot = site.ring.memory.boot
    eventually(lambda: len(site.far.covered(boot)) == 100, what="100 samples")
    eventually(lambda: site.ring.memory.health["spool_rows"] == 20, what="rows counted")
    return boot


def test_a_gateway_says_what_it_is_and_what_its_beds_do(site):
    """A late joiner learns everything from retained messages; samples, events and alarms follow."""
    site.ring.run(*whole_session()[:7])
    site.start()
    boot = site.ring.memory.boot
    eventually(lambda: len(site.far.covered(boot)) == 140, what="140 samples")
    (birth,) = site.far.messages("status")
    assert (birth.state, birth.boot, birth.period_ms, birth.block_ms) == ("online", boot, 20.0, 200.0)
    assert [device.device for device in birth.devices] == ["bed-01", "bed-02"]
    eventually(lambda: site.far.messages("state", "bed-02"), what="a state")
    state = site.far.messages("state", "bed-02")[-1]
    assert (state.phase, state.seq, state.target_n) == ("hold", 144, 300.0)
    events = eventually(lambda: site.far.messages("event", "bed-01"), what="events")
    assert "session.started" in [event.type for event in events]
    site.ring.run((1, treated(phase=layout.FAULT, conditions=layout.OVER_FORCE, force_dn=5120)))
    alarms = eventually(lambda: site.far.messages("alarm", "bed-01")[1:], what="the alarm")
    assert alarms[-1].alarms[0].text["en"].startswith("*** TENSION 512 >")
    assert site.ring.memory.health["mqtt_connected"] == 1


@pytest.mark.requirement("store-before-publish")
def test_only_a_commit_trims_the_spool(site):
    """The broker's acknowledgement is not storage."""
    boot = spooled(site)
    for device in ("bed-01", "bed-02"):
        site.far.commit(boot, device, tension=50)
    eventually(lambda: site.ring.memory.health["spool_rows"] == 10, what="half of them trimmed")
    assert site.ring.memory.health["oldest_uncommitted_ms"] == 1000


def test_an_older_commit_takes_nothing_back(site):
    """Retained and queued messages arrive in any order: stored is stored, the spool stays trimmed."""
    boot = spooled(site)
    for next_ in (80, 50, 10):
        site.far.commit(boot, "bed-01", tension=next_)
        site.far.commit(boot, "bed-02", tension=next_)
    eventually(lambda: site.ring.memory.health["spool_rows"] == 4, what="all but the last two of each")
    site.far.commit(boot, "bed-01", tension=0)
    site.far.commit(boot, "bed-02", tension=90)
    eventually(lambda: site.ring.memory.health["spool_rows"] == 3, what="one more")


def test_what_telemetry_misses_is_sent_again(site):
    """A hole in the store is closed from the spool, of every stream, committed or not."""
    site.ring.run(*whole_session()[:7])
    site.start()
    boot = site.ring.memory.boot
    eventually(lambda: len(site.far.covered(boot)) == 140, what="140 samples")
    eventually(lambda: site.far.messages("event", "bed-01"), what="events")
    site.far.commit(boot, "bed-01", tension=140, event=1)
    eventually(lambda: site.ring.memory.health["spool_rows"] > 0)
    site.far.deliveries.clear()
    site.far.miss(boot, "bed-01", "tension", 35, 60)
    site.far.miss(boot, "bed-01", "event", 0, 1)
    eventually(lambda: site.far.covered(boot) == list(range(30, 60)), what="the blocks again")
    again = eventually(lambda: site.far.messages("event", "bed-01"), what="the event again")
    assert 0 in [event.index for event in again]
    assert site.far.lost() == set()


def test_what_the_spool_does_not_have_is_named_lost_once_and_nothing_that_is_still_to_come(site):
    """A gateway with a new disk must not be asked for ever, and must not give up what it will have."""
    site.ring.idle(100)
    site.start()
    boot, earlier = site.ring.memory.boot, uuid4()
    eventually(lambda: len(site.far.covered(boot)) == 100, what="100 samples")
    reason = "not in the gateway's spool"
    for _ in range(2):
        site.far.miss(boot, "bed-01", "tension", 90, 5000)
        site.far.miss(boot, "bed-01", "event", 0, 7)
        site.far.miss(boot, "bed-01", "blackbox", 0, 100)
        site.far.miss(earlier, "bed-01", "tension", 10, 30)
        site.far.miss(earlier, "bed-01", "event", 0, 2)
    lost = {
        (str(earlier), "tension", 10, 30, reason),
        (str(earlier), "event", 0, 2, reason),
    }
    eventually(lambda: site.far.lost() == lost, what="the names of what is lost")
    site.ring.idle(10)
    eventually(lambda: len(site.far.covered(boot)) == 110, what="it goes on")
    told = [e.index for e in site.far.messages("event", "bed-01")]
    assert sorted(set(told)) == [0, 1]
    assert site.far.lost() == lost


@pytest.mark.requirement("store-before-publish")
def test_killed_again_and_again_it_loses_nothing_and_repeats_nothing(site):
    """SIGKILL between any two instructions, while samples flow and sessions come and go."""
    boot, dice = site.ring.memory.boot, random.Random(5)  # noqa: S311  (when to kill is no secret)
    done = threading.Event()

    def treat():
        for number in range(1, 9):
            for piece in whole_session(number):
                site.ring.run(piece)
                time.sleep(0.02)
        done.set()

    writer = threading.Thread(target=treat)
    writer.start()
    kills = 0
    while not done.is_set() or kills < 5:
        site.start()
        time.sleep(1.0 + dice.random() * 0.6)  # somewhere between start-up and steady state
        site.end()
        kills += 1
    writer.join()
    site.ring.idle(-site.ring.memory.head() % 250 or 250)
    site.start()
    end = site.ring.memory.head()
    eventually(lambda: len(site.far.covered(boot)) == end, 30, "every sample at the far end")
    for device in ("bed-01", "bed-02"):
        assert whole(site.spooled("tension", device, boot)) == (0, end)
        assert whole(site.spooled("blackbox", device, boot)) == (0, end)
        first, last = whole(site.spooled("event", device, boot))
        eventually(lambda d=device, n=last: len({e.index for e in site.far.messages("event", d)}) == n, 20)
        told = {event.index: event for event in site.far.messages("event", device)}
        assert (first, len(told)) == (0, last)
        ends = [event for event in told.values() if event.type == "session.completed"]
        assert len(ends) == 8
        assert len({event.summary.model_copy(update={"session": None, "started_at": None, "ended_at": None})
                    .model_dump_json() for event in ends}) == 1  # fmt: skip


@pytest.mark.requirement("work-offline")
def test_an_outage_of_the_broker_is_caught_up(site, mosquitto):
    """The spool keeps what the network cannot take; live samples go out again at once."""
    boot = site.ring.memory.boot
    site.start()
    site.ring.idle(100)
    eventually(lambda: len(site.far.covered(boot)) == 100, what="100 samples")
    mosquitto.kill()
    eventually(lambda: site.ring.memory.health["mqtt_connected"] == 0, what="the loss noticed")
    site.ring.idle(300)
    eventually(lambda: site.ring.memory.health["recorder_tick"] == 400, what="stored meanwhile")
    mosquitto.start()
    site.ring.idle(50)
    # What went out before the far side was back there is sent again after 30 s without a commit.
    eventually(lambda: len(site.far.covered(boot)) == 450, 90, "everything caught up")


def test_a_new_loop_ends_the_old_ones_session_and_is_announced(site):
    """The loop's process died under a patient: the session is told to its end, a new boot begins at 0."""
    site.ring.run(*whole_session()[:7])
    site.start()
    old = site.ring
    eventually(lambda: len(site.far.covered(old.memory.boot)) == 140, what="the old boot's samples")
    old.run((3, treated(phase=layout.HOLD)))
    old.die()
    site.ring = Ring(site.directory)
    site.ring.idle(20)
    eventually(lambda: len(site.far.covered(site.ring.memory.boot)) == 20, what="the new boot's samples")
    assert site.far.covered(old.memory.boot) == list(range(148))
    told = {e.id: e for e in site.far.messages("event", "bed-01") if e.type == "session.aborted"}
    (aborted,) = told.values()  # however often it was delivered
    assert (aborted.boot, aborted.summary.reason) == (old.memory.boot, "fault")
    births = [s.boot for s in site.far.messages("status") if s.state == "online"]
    assert births == [old.memory.boot, site.ring.memory.boot]
    old.close()


def test_a_loop_that_changed_while_the_recorder_was_away_leaves_its_samples(site):
    """Its memory outlives it: the last samples and the session's end are fetched from there."""
    site.ring.run(*whole_session()[:7])
    site.start()
    old = site.ring
    eventually(lambda: len(site.far.covered(old.memory.boot)) == 140, what="the old boot's samples")
    site.end()
    old.run((42, treated(phase=layout.HOLD)))
    old.die()
    site.ring = Ring(site.directory)
    site.start()
    eventually(lambda: site.far.covered(old.memory.boot) == list(range(187)), what="the rest of the old boot")
    eventually(
        lambda: [e for e in site.far.messages("event", "bed-01") if e.type == "session.aborted"],
        what="the session's end",
    )
    assert whole(site.spooled("blackbox", "bed-01", old.memory.boot)) == (0, 187)
    old.close()


@pytest.mark.requirement("calm-only-from-remote")
def test_remote_stop_is_answered_and_remote_start_refused_and_recorded(site):
    """From the network to the loop's verdict and back, with correlation data."""
    site.ring.idle(20)
    site.start()
    eventually(lambda: site.ring.memory.health["mqtt_connected"] == 1, what="connected")
    eventually(lambda: site.far.messages("status"), what="the birth")
    mail, answered = Mail(site.ring.memory), threading.Event()

    def loop():
        while not answered.is_set():
            if any(mail.answer(tick=19)):
                answered.set()
            answered.wait(0.01)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        stop = site.far.command("stop")
    finally:
        answered.set()
        thread.join()
    assert (stop.message.accepted, stop.message.detail) == (True, "stop: acted in tick 19")
    assert stop.correlation == stop.message.id.bytes
    start = site.far.command("start", "bed-02")
    assert not start.message.accepted
    (refused,) = eventually(lambda: site.far.messages("event", "bed-02"), what="the record of it")
    assert (refused.type, refused.data["action"]) == ("remote.refused", "start")


def test_a_normal_end_with_the_loop_gone_says_stopped_and_keeps_nothing_back(site):
    """`spondyl up` was ended: the last half block is stored and published, no will is spoken."""
    site.ring.idle(33)
    site.start()
    eventually(lambda: site.ring.memory.health["mqtt_connected"] == 1, what="connected")
    eventually(lambda: len(site.far.covered(site.ring.memory.boot)) == 30, what="30 samples")
    site.ring.die()
    assert site.end(signal.SIGTERM) == 0
    eventually(
        lambda: [s.state for s in site.far.messages("status")] == ["online", "stopped"], what="stopped"
    )
    assert whole(site.spooled("tension", "bed-01", site.ring.memory.boot)) == (0, 33)
    assert whole(site.spooled("blackbox", "bed-01", site.ring.memory.boot)) == (0, 33)
    assert site.ring.memory.health["recorder_tick"] == 33


def test_a_killed_recorder_is_reported_lost_by_its_will(site):
    """Nobody is left to say it."""
    site.ring.idle(10)
    site.start()
    eventually(lambda: site.far.messages("status"), what="the birth")
    site.end()
    eventually(lambda: site.far.messages("status")[-1].state == "lost", what="the will")
    assert site.far.messages("status")[-1].boot == site.ring.memory.boot

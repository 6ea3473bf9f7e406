import os
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_streams import treated, whole_session
from writer_rig import Gateway

from broker.spool import SpoolFull
from services.controller.blackbox.recording import read
from services.controller.kernel import layout
from services.controller.recorder import ledger
from services.controller.recorder.events import UNKNOWN
from services.controller.recorder.writer import end_boot


@pytest.fixture
def gateway(tmp_path):
    made = Gateway(tmp_path)
    yield made
    made.close()


def seqs(messages, count):
    return [(message.seq, message.seq + count(message)) for message in messages]


def tension(gateway):
    return seqs(gateway.rows("tension"), lambda message: len(message.tension_n))


def blackbox(gateway):
    return seqs(gateway.rows("blackbox"), lambda message: message.count)


def kinds(gateway):
    return [event.type for event in gateway.rows("event")]


def contiguous(pieces, first, last):
    """The pieces cover first to last, each sample once."""
    assert [pieces[0][0], *(end for _, end in pieces)] == [*(begin for begin, _ in pieces), last]
    assert pieces[0][0] == first


def test_blocks_are_cut_by_time_and_only_when_complete(gateway):
    """A block that grew while it was read would have to be published twice."""
    gateway.ring.idle(47)
    gateway.writer.store()
    assert tension(gateway) == [(0, 10), (10, 20), (20, 30), (30, 40)]
    block = gateway.rows("tension")[1]
    assert block.tension_n == [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9]
    assert block.phase == ["idle"] * 10


@pytest.mark.requirement("store-before-publish")
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 150), st.booleans()), min_size=1, max_size=8), st.integers(0, 10**9))
def test_any_rhythm_of_reading_and_restarting_stores_every_sample_once(tmp_path, rounds, salt):
    """Slow rounds, fast rounds, kills between any two: same blocks, same chunks, same events."""
    gateway = Gateway(tmp_path / f"{salt}-{os.urandom(4).hex()}")
    try:
        gateway.ring.run(*whole_session())
        for ticks, restarted in rounds:
            gateway.writer.store()
            gateway.ring.idle(ticks)
            if restarted:
                gateway.again()
        gateway.writer.finish()
        end = gateway.ring.memory.head()
        contiguous(tension(gateway), 0, end)
        contiguous(blackbox(gateway), 0, end)
        assert len(kinds(gateway)) == 23
        assert [event.index for event in gateway.rows("event")] == list(range(23))
    finally:
        gateway.close()


def test_a_chunk_begins_with_the_parameters_its_first_tick_took(gateway):
    """Replay starts there: without the parameters nothing can be recomputed."""
    memory = gateway.ring.memory
    gateway.ring.run(*whole_session())
    memory.arrays["taken_ticks"][0, 0] = 5
    memory.arrays["taken_parameters"][0, 0] = np.arange(256) / 7
    memory.arrays["taken"][0] = 1
    gateway.writer.finish()
    chunks = gateway.rows("blackbox")
    assert [chunk.seq for chunk in chunks] == [0, 5, 250, 288]
    assert chunks[1].parameters["base_n"] == 1 / 7
    assert chunks[1].actions[0] == {"seq": 5, "action": layout.ACTION_LOAD, "refusal": 0}
    assert [chunk.session is None for chunk in chunks] == [True, False, False, True]


def test_a_session_leaves_a_recording_of_its_own(gateway):
    """`spondyl replay` needs no network and no archive."""
    gateway.ring.run(*whole_session())
    gateway.writer.finish()
    (first, second) = gateway.writer.recordings.directory.glob("*.jsonl")  # one a bed
    for path in (first, second):
        assert [(chunk.message.seq, chunk.message.count) for chunk in read(path)] == [(5, 245), (250, 38)]
    assert {first.stem, second.stem} == {
        str(event.session)
        for device in ("bed-01", "bed-02")
        for event in gateway.rows("event", device)
        if event.type == "session.completed"
    }


def test_a_full_spool_loses_nothing_that_still_fits_the_ring(gateway):
    """Nothing is half stored, and when there is room again it goes on where it was."""
    gateway.ring.idle(100)
    gateway.spool._max_bytes = 3_000
    with pytest.raises(SpoolFull):
        gateway.writer.store()
    assert gateway.rows() == []
    gateway.ring.idle(100)
    gateway.spool._max_bytes = 10**9
    gateway.writer.store()
    contiguous(tension(gateway), 0, 200)


@pytest.mark.requirement("name-what-is-lost")
def test_a_ring_that_ran_over_leaves_a_gap_that_is_named(tmp_path):
    """What is lost is said: which samples, in which streams."""
    gateway = Gateway(tmp_path, capacity_ticks=256)
    gateway.ring.run((1, treated(phase=layout.HOLD)), (54, treated(phase=layout.HOLD)))
    gateway.writer.store()
    gateway.ring.idle(500)
    while gateway.writer.store():
        pass
    lost = [event for event in gateway.rows("event") if event.type == "samples.lost"]
    assert len(lost) == 1
    assert lost[0].data == {
        "first": 50, "next": 310, "samples": 260, "streams": ["tension", "blackbox"],
        "reason": "the recorder came too late",
    }  # fmt: skip
    contiguous(tension(gateway)[:5], 0, 50)
    contiguous(tension(gateway)[5:], 310, 550)
    gateway.writer.finish()
    contiguous(blackbox(gateway)[:1], 0, 50)
    contiguous(blackbox(gateway)[1:], 310, 555)
    gateway.close()


def test_a_boot_that_is_over_ends_its_session_as_aborted_once(gateway):
    """The loop died under way: the session is told to its end, with what was seen of it."""
    gateway.ring.run(*whole_session()[:7])
    gateway.writer.finish()
    assert kinds(gateway)[-1] == "session.aborted"
    summary = gateway.rows("event")[-1].summary
    assert (summary.reason, summary.patient) == ("fault", UNKNOWN)
    end_boot(gateway.spool, gateway.sessions)
    assert kinds(gateway).count("session.aborted") == 1


@pytest.mark.requirement("order-without-clocks")
def test_a_step_of_the_clock_is_an_event_and_changes_nothing_else(gateway):
    """Order and durations do not know the wall clock."""
    gateway.ring.run(*whole_session()[:7])
    gateway.writer.store()
    times, samples = gateway.ring.memory.read(0, 1)
    later = times.copy()
    later += [[gateway.ring.memory.head(), gateway.ring.memory.head() * 20_000_000, 3_600_000_000_000]]
    gateway.ring.push(later, samples[:, :, 0])
    gateway.writer.finish()
    (step,) = [event for event in gateway.rows("event") if event.type == "clock.stepped"]
    assert step.data["step_s"] == pytest.approx(3600, abs=5)
    contiguous(tension(gateway), 0, gateway.ring.memory.head())


def test_the_ledger_keeps_what_it_was_given(gateway):
    """Everything a restart needs is read back as it was written."""
    gateway.ring.run(*whole_session()[:7])
    gateway.writer.boards = {"bed-01": {"bits": 1, "on": {}}}
    gateway.writer.store()
    position = ledger.load(gateway.spool.connection)
    assert (position.boot, position.next) == (gateway.ring.memory.boot, 140)
    assert position.beds["bed-01"]["board"] == {"bits": 1, "on": {}}
    again = gateway.again()
    assert again.next == 140
    assert [book.dump() for book in again.books] == [
        {name: value for name, value in position.beds[device].items() if name != "board"}
        for device in ("bed-01", "bed-02")
    ]
    assert all(first <= second for first, second in pairwise([book.box_next for book in again.books]))


def test_a_cursor_behind_its_spool_stops_nothing_and_stores_nothing_twice(gateway):
    """A recorder that ends at every start would lose what the ring holds; what was stored first stays."""
    gateway.ring.run(*whole_session())
    gateway.writer.store()
    before = gateway.spool.pending(0, 1_000_000)
    with gateway.spool.transaction() as connection:
        ledger.save(connection, ledger.Position(gateway.ring.memory.boot, 0, None, {}))
    gateway.again()
    gateway.ring.idle(1000)
    while gateway.writer.store():
        pass
    after = gateway.spool.pending(0, 1_000_000)
    assert after[: len(before)] == before
    contiguous(tension(gateway), 0, gateway.writer.next)
    assert gateway.writer.next > max(row.next for row in before)
    assert kinds(gateway).count("session.completed") == 1

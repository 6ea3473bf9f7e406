"""The gateway's shared memory: what attaches, what is refused, what a reader may rely on."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from services.controller.kernel import layout
from services.controller.kernel import memory as m
from services.controller.kernel.ring import bucket, count, push
from services.controller.loop.histograms import Histogram, bucket_start_ns
from services.controller.loop.shared import (
    BEDSIDE,
    REMOTE,
    ForeignMemory,
    GatewayMemory,
    LoopFile,
    MailboxFull,
    Overrun,
)

DEVICES = ("bed-01", "bed-02", "bed-03")


@pytest.fixture
def memory():
    """A small memory whose ring holds 64 ticks."""
    made = GatewayMemory.create(
        site="north", gateway="gw-north", devices=DEVICES, period_ns=20_000_000, capacity_ticks=64
    )
    yield made
    made.unlink()
    made.close()


def write(memory, ticks):
    """Push ticks as the loop does: every cell holds its tick."""
    for _ in range(ticks):
        tick = memory.head()
        sample = np.full((len(layout.SAMPLES), memory.beds), tick, np.int32)
        push(
            memory.arrays["words"], memory.arrays["times"], memory.arrays["samples"], tick, tick, tick, sample
        )


def test_an_attached_memory_is_the_one_created(memory):
    """Panel and recorder know the gateway by what the loop wrote down."""
    other = GatewayMemory.attach(memory.path)
    assert (other.boot, other.site, other.gateway, other.devices) == (
        memory.boot,
        "north",
        "gw-north",
        DEVICES,
    )
    assert (other.period_ns, other.capacity_ticks) == (20_000_000, 64)
    assert memory.path.stat().st_mode & 0o777 == 0o600


def test_the_ring_holds_a_minute_at_every_period():
    """The recorder may be away for 60 s without losing a sample."""
    for period_ms in (1, 2, 5, 7.5, 10, 20):
        ticks = m.ring_ticks(int(period_ms * 1e6))
        assert ticks & (ticks - 1) == 0
        assert ticks * period_ms >= 60_000


def test_samples_written_are_samples_read(memory):
    """The ring changes nothing on the way."""
    write(memory, 10)
    times, samples = GatewayMemory.attach(memory.path).read(3, 7)
    assert times[:, 0].tolist() == [3, 4, 5, 6]
    assert samples.shape == (4, len(layout.SAMPLES), 3)
    assert (samples == np.arange(3, 7)[:, None, None]).all()


def test_what_has_been_written_over_is_refused_with_the_oldest_tick_left(memory):
    """A reader that comes too late must learn which samples it lost."""
    write(memory, 100)
    with pytest.raises(Overrun) as refusal:
        memory.read(20, 30)
    assert refusal.value.oldest == 36
    assert memory.read(36, 100)[0][:, 0].tolist() == list(range(36, 100))


def test_a_slot_that_is_being_written_is_not_read(memory):
    """Between claim and head a slot is neither the old tick nor the new one."""
    write(memory, 64)
    memory.set_word(m.W_CLAIM, 65)
    with pytest.raises(Overrun):
        memory.read(0, 1)
    assert memory.read(1, 64)[0][0, 0] == 1


def test_ticks_not_yet_written_are_refused(memory):
    """Reading ahead is the caller's mistake, not data."""
    write(memory, 5)
    with pytest.raises(ValueError, match="5 have been written"):
        memory.read(0, 6)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: b"\x7fELF" + data[4:], "not a gateway's shared memory"),
        (lambda data: data[:8] + b"\x63" + data[9:], "version 99"),
        (lambda data: data[:-4096], "damaged"),
        (lambda data: data[:60] + b"x" + data[61:], "damaged"),
        (lambda data: data[:100], "100 bytes"),
    ],
)
def test_a_foreign_or_damaged_file_is_refused(memory, tmp_path, damage, words):
    """Wrong bytes read as samples would be worse than none."""
    path = tmp_path / "other.memory"
    path.write_bytes(damage(memory.path.read_bytes()))
    with pytest.raises(ForeignMemory, match=words):
        GatewayMemory.attach(path)


def test_a_missing_file_is_refused_in_one_line(tmp_path):
    """The loop may not have started yet."""
    with pytest.raises(ForeignMemory, match="cannot be opened"):
        GatewayMemory.attach(tmp_path / "none")


def test_another_programs_row_order_is_refused(memory, monkeypatch):
    """Rows are known by their place: two versions with other rows must not talk."""
    monkeypatch.setattr(layout, "SAMPLES", (*layout.SAMPLES[1:], layout.SAMPLES[0]))
    with pytest.raises(ForeignMemory, match="samples differ"):
        GatewayMemory.attach(memory.path)


def test_a_ninth_waiting_action_is_refused(memory):
    """A loop that does not answer must be noticed, not buried."""
    for _ in range(m.SLOTS):
        memory.post(BEDSIDE, 1, layout.ACTION_PAUSE)
    with pytest.raises(MailboxFull, match="bed-02"):
        memory.post(BEDSIDE, 1, layout.ACTION_PAUSE)
    memory.post(REMOTE, 1, layout.ACTION_PAUSE)
    memory.post(BEDSIDE, 0, layout.ACTION_PAUSE)


@pytest.mark.parametrize(
    ("channel", "bed", "action", "parameters"),
    [
        (9, 0, layout.ACTION_STOP, None),
        (BEDSIDE, 3, layout.ACTION_STOP, None),
        (BEDSIDE, 0, layout.ACTION_NONE, None),
        (BEDSIDE, 0, 99, None),
        (BEDSIDE, 0, layout.ACTION_REMOTE_STOP, None),
        (BEDSIDE, 0, layout.ACTION_LOAD, None),
        (BEDSIDE, 0, layout.ACTION_STOP, np.ones(4)),
        (BEDSIDE, 0, layout.ACTION_LOAD, np.array([1.0, np.nan])),
        (BEDSIDE, 0, layout.ACTION_LOAD, np.ones(m.PARAMETER_CAPACITY + 1)),
    ],
)
def test_a_wrong_action_is_never_queued(memory, channel, bed, action, parameters):
    """The compiled side trusts what is in a slot."""
    with pytest.raises(ValueError, match=r"no such|parameters"):
        memory.post(channel, bed, action, parameters)
    assert not memory.arrays["mail"].any()


def test_health_words_are_known_by_name_only(memory):
    """A misspelt word must not vanish silently."""
    memory.health["spool_rows"] = 17
    assert GatewayMemory.attach(memory.path).health["spool_rows"] == 17
    assert dict(memory.health)["mqtt_connected"] == 0
    with pytest.raises(KeyError):
        memory.health["spool_row"] = 1


def test_a_bucket_is_never_more_than_three_percent_wide():
    """p99 within 1.5 x of another measurement needs fine buckets."""
    for duration in [*range(200), 999, 12_345, 10**6, 5 * 10**9]:
        index = bucket(duration)
        assert bucket_start_ns(index) <= duration < bucket_start_ns(index + 1)
        assert bucket_start_ns(index + 1) - bucket_start_ns(index) <= max(1, bucket_start_ns(index) / 32)
        assert index == bucket.py_func(duration)


def test_percentiles_match_the_sorted_durations():
    """The histogram stands for the durations themselves."""
    durations = np.random.default_rng(1).lognormal(10, 1, 10_000).astype(np.int64)
    row = np.zeros(m.BUCKETS + 2, np.int64)
    for duration in durations:
        count(row, duration)
    histogram = Histogram.from_row(row)
    assert histogram.total == 10_000
    assert histogram.max_ns == durations.max()
    assert histogram.sum_ns == durations.sum()
    for percent in (50, 99, 99.9):
        exact = np.percentile(durations, percent, method="inverted_cdf") / 1000
        assert histogram.percentile_us(percent) == pytest.approx(exact, rel=0.035)
    assert (histogram + histogram).percentile_us(99) == histogram.percentile_us(99)


def test_a_loop_is_alive_only_as_the_process_that_started(memory):
    """A pid that was given to another process later is not our loop."""
    assert not memory.alive()
    memory.enlist()
    assert memory.alive()
    memory.set_word(m.W_PID_STARTED, memory.word(m.W_PID_STARTED) - 60_000)
    assert not memory.alive()


def test_loop_json_names_the_memory_and_survives_a_half_written_file(tmp_path):
    """Everything that restarts finds the loop by this file."""
    assert LoopFile.load(tmp_path) is None
    file = LoopFile(Path("/dev/shm/x"), 12, 3.5, "boot", Path("/dev/shm/w"))
    file.save(tmp_path)
    assert LoopFile.load(tmp_path) == file
    (tmp_path / "loop.json").write_text('{"path": "/dev')
    assert LoopFile.load(tmp_path) is None


def test_no_compiler_is_loaded_by_who_only_reads():
    """Panel and recorder must stay small: 150 MB each are numba's."""
    program = "import sys, services.controller.loop.shared; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_file_without_a_living_writer_shows_its_age(memory):
    """A loop that stands still is seen by its heartbeat."""
    memory.set_word(m.W_HEARTBEAT, time.monotonic_ns() - 2_000_000_000)
    assert 2 <= memory.heartbeat_age_s() < 60


def test_memories_that_killed_loops_left_are_removed_and_no_others(tmp_path):
    """Shared memory outlives its process: what nobody will read again must not pile up."""
    mine, gone, other = (tmp_path / name for name in ("mine", "gone", "other"))

    def left_by(directory):
        directory.mkdir(exist_ok=True)
        return GatewayMemory.create(
            site="stale", gateway="gw-stale", devices=DEVICES, period_ns=10**7, capacity_ticks=2,
            directory=directory,
        )  # fmt: skip

    kept, stale, orphan, foreign, living = (left_by(d) for d in (mine, mine, gone, other, gone))
    living.enlist()
    gone.rmdir()
    try:
        removed = GatewayMemory.forget_stale("gw-stale", mine, {kept.path})
        assert set(removed) == {stale.path, orphan.path}
        assert [m.path.exists() for m in (kept, stale, orphan, foreign, living)] == [1, 0, 0, 1, 1]
    finally:
        for memory in (kept, stale, orphan, foreign, living):
            memory.unlink()

"""The compiled loop: its clock, its mailboxes, its cache; nothing here asserts how fast a machine is."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from services.controller.kernel import cache, layout
from services.controller.kernel import loop as compiled
from services.controller.kernel import memory as m
from services.controller.loop.realtime import Wanted
from services.controller.loop.shared import BEDSIDE, REMOTE, GatewayMemory
from services.controller.loop.thread import Loop, LoopThread

ROOT = Path(__file__).parents[2]
DEVICES = ("bed-01", "bed-02")
MS = 1_000_000


@pytest.fixture
def made():
    """Make loops over memories of any period; removes their files."""
    memories = []

    def make(period_ns, devices=DEVICES):
        memory = GatewayMemory.create(
            site="north", gateway="gw-north", devices=devices, period_ns=period_ns, seed=3
        )
        memories.append(memory)
        return Loop(memory)

    yield make
    for memory in memories:
        memory.unlink()


@pytest.fixture
def loop(made):
    """A loop of two beds whose ticks the test runs one by one, without its clock."""
    return made(20 * MS)


def tick(loop, count=1, *, missed=False):
    """Run ticks without waiting; returns the last one's sample, int32[SAMPLES, beds]."""
    for _ in range(count):
        number = loop.memory.head()
        compiled.tick(
            loop._shared, loop._kernel, loop._bed, number, time.monotonic_ns(), time.time_ns(), 0, missed
        )
    return loop.memory.read(number, number + 1)[1][0]


def parameters(loop):
    """Compiled parameters of a short session, every row of the kernel's table."""
    from services.controller.parameters import compile_parameters
    from services.kit.therapy.prescription import default_prescription

    return compile_parameters(default_prescription(), loop.memory.period_ns / 1e9, 7)


def run_until(loop, phase, ticks=500):
    """Tick until bed 0 is in the phase."""
    for _ in range(ticks):
        if layout.PHASES[tick(loop)[layout.S_PHASE, 0]] == phase:
            return
    pytest.fail(f"never {phase}")


# --- the clock -------------------------------------------------------------------------------------------


@pytest.mark.requirement("keep-the-period")
@pytest.mark.parametrize("period_ms", [1, 20])
def test_every_tick_wakes_on_one_grid_while_python_hogs_the_interpreter(made, period_ms):
    """Three seconds of ticks: none missing, none twice, and deadlines that never drift."""
    loop = made(period_ms * MS)
    over = threading.Event()
    hog = threading.Thread(target=lambda: [sum(range(1000)) for _ in iter(over.is_set, True)], daemon=True)
    loop.load()
    thread = LoopThread(loop, Wanted())
    thread.start()
    hog.start()
    wanted, deadline = 3000 // period_ms, time.monotonic() + 30
    while loop.memory.head() < wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    over.set()
    thread.stop()
    head = loop.memory.head()
    times, samples = loop.memory.read(0, head)
    assert head >= wanted
    assert times[:, m.T_TICK].tolist() == list(range(head))
    deadlines = times[:, m.T_MONOTONIC] - 1000 * samples[:, layout.S_LATE, 0]  # to the microsecond
    off_grid = (deadlines - deadlines[0] + period_ms * MS // 2) % (period_ms * MS) - period_ms * MS // 2
    assert np.abs(off_grid).max() <= 1000
    drift = np.diff(times[:, m.T_REALTIME] - times[:, m.T_MONOTONIC])
    assert np.abs(drift).max() < 10 * MS  # both clocks are read in the same tick
    assert loop.memory.histograms()["late"].total == head


@pytest.mark.parametrize("wait", [compiled.sleep_until, compiled.wait_out])
def test_no_tick_starts_before_its_deadline(wait):
    """Each tick is one period of therapy: a sleep that fails must not let them run unpaced."""
    deadline_ns = time.monotonic_ns() + 30_000_000
    wait(deadline_ns, np.zeros(2, np.int64))
    assert time.monotonic_ns() >= deadline_ns


@pytest.mark.parametrize(
    ("ended_ns", "following_ns"),
    [(1000, 1100), (1099, 1100), (1100, 1100), (1101, 1200), (1200, 1300), (5050, 5100), (990, 1100)],
)
def test_a_late_tick_is_followed_by_the_next_deadline_of_the_same_grid(ended_ns, following_ns):
    """What is late is skipped, not made up for: a burst of ticks would drive the bed blindly."""
    assert compiled.next_deadline(1000, 100, ended_ns) == following_ns
    assert compiled.next_deadline.py_func(1000, 100, ended_ns) == following_ns


@pytest.mark.requirement("record-lateness")
def test_a_tick_after_a_missed_deadline_says_so(loop):
    """The alarm and the record know that control stood still."""
    assert tick(loop)[layout.S_CONDITIONS, 0] & layout.MISSED_DEADLINE == 0
    assert tick(loop, missed=True)[layout.S_CONDITIONS, 1] & layout.MISSED_DEADLINE
    assert tick(loop)[layout.S_CONDITIONS, 0] & layout.MISSED_DEADLINE == 0


def test_the_stop_word_ends_it_after_the_tick_it_is_in(made):
    """An end never cuts a record in two."""
    loop = made(MS)
    loop.memory.set_word(m.W_STOP, 1)
    assert loop.run(10) == 0
    loop.memory.set_word(m.W_STOP, 0)
    assert loop.run(10) == 10
    assert loop.memory.head() == 10


@pytest.mark.parametrize("beds", [1, 64])
def test_one_loop_serves_one_to_sixty_four_beds(made, beds):
    """A gateway is as large as its clinic."""
    loop = made(20 * MS, [f"bed-{n:02d}" for n in range(beds)])
    sample = tick(loop, 3)
    assert sample.shape == (len(layout.SAMPLES), beds)
    assert (sample[layout.S_STATUS] & layout.STATUS_FORCE_VALID).all()


# --- operator actions ------------------------------------------------------------------------------------


def test_actions_are_taken_one_a_tick_in_their_order(loop):
    """Two presses in a moment are two actions, not one."""
    tickets = [loop.memory.post(BEDSIDE, 0, action) for action in (layout.ACTION_START, layout.ACTION_CLOSE)]
    assert loop.memory.outcome(BEDSIDE, 0, tickets[0]) is None
    assert tick(loop)[layout.S_ACTION].tolist() == [layout.ACTION_START, layout.ACTION_NONE]
    assert tick(loop)[layout.S_ACTION].tolist() == [layout.ACTION_CLOSE, layout.ACTION_NONE]
    assert tick(loop)[layout.S_ACTION].tolist() == [layout.ACTION_NONE, layout.ACTION_NONE]
    outcomes = [loop.memory.outcome(BEDSIDE, 0, ticket) for ticket in tickets]
    assert [outcome.tick for outcome in outcomes] == [0, 1]
    assert not any(outcome.accepted for outcome in outcomes)  # the bed is idle: nothing to start or close


@pytest.mark.requirement("stop-first")
def test_a_stop_overtakes_everything_queued_for_its_bed_and_nothing_queued_acts_after_it(loop):
    """What was asked before a stop must not pull again after it."""
    overtaken = [
        loop.memory.post(BEDSIDE, 0, action) for action in (layout.ACTION_START, layout.ACTION_RESUME)
    ]
    other = loop.memory.post(BEDSIDE, 1, layout.ACTION_CLOSE)
    stop = loop.memory.post(REMOTE, 0, layout.ACTION_STOP)
    sample = tick(loop)
    assert sample[layout.S_ACTION].tolist() == [layout.ACTION_REMOTE_STOP, layout.ACTION_CLOSE]
    for ticket in overtaken:
        assert loop.memory.outcome(BEDSIDE, 0, ticket).refusal == layout.REFUSAL_OVERTAKEN
    assert loop.memory.outcome(REMOTE, 0, stop).refusal == sample[layout.S_REFUSAL, 0]
    assert loop.memory.outcome(BEDSIDE, 1, other).tick == 0
    assert tick(loop)[layout.S_ACTION].tolist() == [layout.ACTION_NONE, layout.ACTION_NONE]


@pytest.mark.requirement("calm-only-from-remote")
@pytest.mark.parametrize(
    "action", [n for n in range(1, layout.ACTION_REMOTE_PAUSE) if n not in layout.REMOTE_ACTIONS]
)
def test_from_remote_nothing_but_pause_and_stop_is_taken(loop, action):
    """Only the bedside may start, resume or raise; the attempt is on record."""
    with_parameters = action in (layout.ACTION_LOAD, layout.ACTION_CHANGE)
    ticket = loop.memory.post(REMOTE, 0, action, parameters(loop) if with_parameters else None)
    sample = tick(loop)
    assert (sample[layout.S_ACTION, 0], sample[layout.S_REFUSAL, 0]) == (action, layout.REFUSAL_REMOTE)
    assert loop.memory.outcome(REMOTE, 0, ticket).refusal == layout.REFUSAL_REMOTE
    assert sample[layout.S_PHASE, 0] == layout.IDLE


@pytest.mark.requirement("stop-first")
def test_an_action_that_waited_too_long_is_refused_but_a_stop_never(loop):
    """A start must not act when nobody expects it any more."""
    loop.memory.post(BEDSIDE, 0, layout.ACTION_START)
    loop.memory.post(BEDSIDE, 1, layout.ACTION_STOP)
    loop.memory.arrays["mail_slots"][..., m.MAIL_POSTED] -= 2 * m.ACTION_EXPIRES_NS
    sample = tick(loop)
    assert sample[layout.S_ACTION].tolist() == [layout.ACTION_START, layout.ACTION_STOP]
    assert sample[layout.S_REFUSAL, 0] == layout.REFUSAL_TOO_LATE
    assert sample[layout.S_REFUSAL, 1] != layout.REFUSAL_TOO_LATE


def test_a_stop_acts_in_the_tick_that_takes_it(loop):
    """Stop acts in the same tick, always."""
    memory = loop.memory
    load = memory.post(BEDSIDE, 0, layout.ACTION_LOAD, parameters(loop))
    assert tick(loop)[layout.S_PHASE, 0] == layout.READY
    taken = memory.taken(0, memory.outcome(BEDSIDE, 0, load).tick)
    assert taken[: len(parameters(loop))].tolist() == parameters(loop).tolist()
    memory.post(BEDSIDE, 0, layout.ACTION_TEST_SWITCH)
    tick(loop, 800)  # the switch is pressed, the support tilts to its angle
    start = memory.post(BEDSIDE, 0, layout.ACTION_START)
    tick(loop)
    assert memory.outcome(BEDSIDE, 0, start).accepted
    run_until(loop, "precondition", 5000)
    memory.post(BEDSIDE, 0, layout.ACTION_STOP)
    sample = tick(loop)
    assert sample[layout.S_ACTION, 0] == layout.ACTION_STOP
    assert sample[layout.S_PHASE, 0] == layout.STOPPED
    assert sample[layout.S_VELOCITY, 0] <= 0


def test_parameters_nobody_took_are_not_to_be_had(loop):
    """The black box must never show a prescription that did not act."""
    loop.memory.post(BEDSIDE, 0, layout.ACTION_CHANGE, parameters(loop))
    assert tick(loop)[layout.S_REFUSAL, 0] != layout.REFUSAL_NONE
    with pytest.raises(LookupError):
        loop.memory.taken(0, 0)


# --- compiled code ---------------------------------------------------------------------------------------


def test_a_warm_start_compiles_nothing(loop, tmp_path):
    """A restarted loop is back in the time it takes to load, not to compile."""
    loop.load()
    shared = Path(os.environ[cache.VARIABLE])  # other tests compile into it meanwhile: into no copy of it
    directory = shutil.copytree(shared, tmp_path / shared.name)
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*.nb?")}
    program = (
        "import sys; from pathlib import Path\n"
        "from services.controller.loop.thread import Loop; from services.controller.kernel import loop\n"
        "from services.controller.loop.shared import GatewayMemory\n"
        "Loop(GatewayMemory.attach(Path(sys.argv[1]))).run(3)\n"
        "stats = loop.run.stats\n"
        "assert stats.cache_hits and not stats.cache_misses, stats\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(loop.memory.path)],
        cwd=ROOT, env=os.environ | {cache.VARIABLE: str(directory)}, check=True, timeout=60,
    )  # fmt: skip
    assert before
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*.nb?")} == before
    assert loop.memory.head() == 3


def test_a_changed_source_gets_another_cache(tmp_path):
    """Numba looks at one file only: a kernel changed elsewhere must not go on running."""
    (tmp_path / "law.py").write_text("gain = 8\n")
    (tmp_path / "step.py").write_text("import law\n")
    first = cache.choose(tmp_path, None)
    assert first.is_dir()
    assert cache.choose(tmp_path, None) == first
    (tmp_path / "law.py").write_text("gain = 9\n")
    assert cache.choose(tmp_path, None) != first


def test_a_read_only_install_keeps_its_compiled_code_elsewhere(tmp_path, monkeypatch):
    """A system package cannot be written by the user who runs it."""
    sealed = Path("/proc/self")  # no directory can be made there, not even by root
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.choose(sealed, None).parent == tmp_path / "spondyl"
    monkeypatch.setenv("XDG_CACHE_HOME", str(sealed))
    chosen = cache.choose(sealed, None)
    monkeypatch.setenv(cache.VARIABLE, str(chosen))
    assert not cache.kept()
    assert cache.choose(sealed, str(tmp_path / "wanted")).parent == tmp_path / "wanted"

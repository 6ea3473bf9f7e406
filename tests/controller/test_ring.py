"""The ring in shared memory: the instructions that order it, and two processes that try to tear it."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from services.controller.kernel import layout
from services.controller.kernel.memory import W_STOP
from services.controller.kernel.ring import fence_release, load_acquire, push, store_release
from services.controller.loop.shared import GatewayMemory, Overrun

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
import numpy as np
from numba import njit
from services.controller.kernel.memory import W_STOP
from services.controller.kernel.ring import push
from services.controller.kernel.memory import W_STOP
from services.controller.loop.shared import GatewayMemory

@njit(nogil=True)
def write(words, times, samples, sample):
    tick = 0
    while words[W_STOP] == 0:
        sample[:] = np.int32(tick)
        push(words, times, samples, tick, 3 * tick, 7 * tick, sample)
        tick += 1

memory = GatewayMemory.attach(Path(sys.argv[1]))
arrays = memory.arrays
write(arrays["words"], arrays["times"], arrays["samples"], np.zeros(arrays["samples"].shape[1:], np.int32))
"""


@njit
def _touch(words, value):
    store_release(words, 8, value)
    fence_release()
    return load_acquire(words, 8)


def test_words_are_stored_with_release_and_loaded_with_acquire():
    """x86 hides a missing barrier, ARM does not: the compiler must be told."""
    words = np.zeros(16, np.int64)
    assert _touch(words, 42) == 42
    assert words.tolist() == [0] * 8 + [42] + [0] * 7
    code = "\n".join(_touch.inspect_llvm().values())
    assert "store atomic i64" in code
    assert "load atomic i64" in code
    assert "release, align 8" in code
    assert "acquire, align 8" in code
    assert "fence release" in code


def test_the_loops_own_push_keeps_its_barriers_in_machine_code():
    """An optimiser that moved the samples behind the head would tear records."""
    sample = np.zeros((len(layout.SAMPLES), 2), np.int32)
    times = np.zeros((8, 3), np.int64)
    samples = np.zeros((8, *sample.shape), np.int32)
    words = np.zeros(256, np.int64)
    compiled = njit(nogil=True)(push.py_func)  # not from the cache, which keeps no listing
    compiled(words, times, samples, 5, 6, 7, sample)
    code = "\n".join(compiled.inspect_llvm().values())
    assert code.count("store atomic i64") >= 2
    assert "fence release" in code
    assert times[5].tolist() == [5, 6, 7]


@pytest.fixture
def torn_ring():
    """A ring of 2048 ticks with a writer process that never pauses."""
    memory = GatewayMemory.create(
        site="north",
        gateway="gw-north",
        devices=[f"bed-{n:02d}" for n in range(8)],
        period_ns=1_000_000,
        capacity_ticks=2048,
    )
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(memory.path)], cwd=ROOT)
    yield memory
    memory.set_word(W_STOP, 1)
    assert writer.wait(30) == 0
    memory.unlink()
    memory.close()


def test_no_record_is_ever_torn_between_two_processes(torn_ring):
    """A reader gets a tick whole or is told that it came too late."""
    deadline = time.monotonic() + 60
    while torn_ring.head() < 3000 and time.monotonic() < deadline:
        time.sleep(0.01)
    whole, overruns, tries = 0, 0, 0
    while (whole < 20_000 or not overruns) and time.monotonic() < deadline:
        tries += 1
        head = torn_ring.head()
        first = head - (100 if tries % 7 else 2040)  # near, or about to be written over
        try:
            times, samples = torn_ring.read(first, min(first + 60, head))
        except Overrun:
            overruns += 1
            continue
        ticks = np.arange(first, first + len(times))
        assert (times == ticks[:, None] * [1, 3, 7]).all()
        assert (samples == ticks[:, None, None]).all()
        whole += len(times)
    assert whole >= 20_000
    assert overruns > 0

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from numba import njit
from spring_bed import WELL, Spring, prescribed

from services.controller.benches.twin import EXACT, FAST, Twin
from services.controller.kernel import layout, step
from services.controller.kernel import state as at

SHORT = {
    "traction_s": 40, "precondition_s": 2, "hold_s": 3, "rest_s": 2, "close_after_s": 6, "cooldown_s": 2,
    "guardings_per_session": 5, "guardings_per_cycle": 2, "rise_n_s": 90, "fall_n_s": 120, "heat_allowed": 10,
}  # fmt: skip
NEXT = np.full(len(layout.PHASES), layout.ACTION_NONE)  # what an operator would do in each phase
NEXT[[layout.IDLE, layout.READY, layout.PAUSED]] = (
    layout.ACTION_LOAD,
    layout.ACTION_START,
    layout.ACTION_RESUME,
)
NEXT[[layout.DONE, layout.STOPPED, layout.FAULT]] = layout.ACTION_CLOSE


@njit
def _invent(sample, contraction, random, reading, action):
    """Readings as a bed might give them and actions as people might take them, with everything going wrong."""
    for bed in range(action.shape[0]):
        phase = sample[layout.S_PHASE, bed]
        r = random[:, bed]
        contraction[bed] = 30.0 + 60.0 * r[1] if r[0] < 0.0008 else contraction[bed] * 0.99
        force = sample[layout.S_TARGET, bed] / 1000.0 + contraction[bed] + r[2] - 0.5
        if phase == layout.SLACK:
            force = 25.0 * (r[3] < 0.02) + r[2]
        reading[layout.R_FORCE, bed] = round(10.0 * force)
        if r[4] < 0.0001:
            reading[layout.R_FORCE, bed] = int(25000 * (r[5] - 0.5))
        moved = sample[layout.S_VELOCITY, bed] * 0.002
        reading[layout.R_POSITION, bed] += int(moved + r[6])
        reading[layout.R_TILT, bed] = 150 + 40 * (r[7] < 0.0005)
        reading[layout.R_HEAT, bed] = 400 + int(40 * r[8])
        reading[layout.R_AGE, bed] = int(250 * r[10]) if r[9] < 0.0005 else 0
        status = WELL
        if r[11] < 0.0003:
            status ^= 1 << int(5 * r[12])
        if phase == layout.READY and r[13] < 0.3:
            status |= layout.STATUS_SWITCH_PRESSED
        reading[layout.R_STATUS, bed] = status
        action[bed] = layout.ACTION_NONE
        if r[14] < 0.03:
            action[bed] = NEXT[phase]
            if r[15] < 0.3 and phase == layout.READY:
                action[bed] = layout.ACTION_TEST_SWITCH
            if r[15] < 0.3 and phase > layout.COOLDOWN:
                action[bed] = layout.ACTION_RESET
        if r[16] < 0.001:
            action[bed] = int(16 * r[17])


class Scene:
    """Arrays of some beds and an inventor of their readings."""

    def __init__(self, beds, seed):
        self.random = np.random.default_rng(seed)
        self.staged = np.repeat(prescribed(**SHORT)[:, None], beds, axis=1)
        self.params, self.state = step.new_parameters(beds), step.new_state(beds)
        self.reading = np.zeros((len(layout.READINGS), beds), np.int32)
        self.action, self.contraction = np.zeros(beds, np.int32), np.zeros(beds)
        self.sample = np.zeros((len(layout.SAMPLES), beds), np.int32)
        self.command = np.zeros((len(layout.COMMANDS), beds), np.int32)

    def invent(self):
        random = self.random.random((18, len(self.action)))
        _invent(self.sample, self.contraction, random, self.reading, self.action)

    def arrays(self):
        return self.params, self.staged, self.state, self.reading, self.action, self.sample, self.command


def test_the_twin_in_c_gives_every_output_bit_for_bit_over_100000_ticks(tmp_path):
    """The benchmark's opponent does the same work, and the kernel agrees with a second reading of its law."""
    twin = Twin(tmp_path, EXACT)
    scene = Scene(beds=9, seed=4)
    params, state = scene.params.copy(), scene.state.copy()
    sample, command = scene.sample.copy(), scene.command.copy()
    seen, conditions, refusals = set(), 0, set()
    for tick in range(100_000):
        scene.invent()
        twin.step(params, scene.staged, state, scene.reading, scene.action, sample, command)
        step.step(*scene.arrays())
        assert sample.tobytes() == scene.sample.tobytes(), tick
        assert command.tobytes() == scene.command.tobytes(), tick
        assert state[: at.CHANGED].tobytes() == scene.state[: at.CHANGED].tobytes(), tick
        if tick % 100 == 0:
            assert np.array_equal(state, scene.state), tick
            assert np.array_equal(params, scene.params), tick
        seen.update(sample[layout.S_PHASE].tolist())
        refusals.update(sample[layout.S_REFUSAL].tolist())
        conditions |= int(np.bitwise_or.reduce(sample[layout.S_CONDITIONS]))
    assert seen == set(range(len(layout.PHASES)))
    assert {1, 2, 5, 7} <= refusals
    everything = (1 << len(layout.CONDITIONS)) - 1 & ~layout.MISSED_DEADLINE
    assert conditions & everything == everything, [
        name for bit, name in enumerate(layout.CONDITIONS) if not conditions >> bit & 1
    ]


def test_the_twin_as_it_is_benchmarked_agrees_but_for_fused_rounding(tmp_path):
    """gcc may fuse multiply and add at -O3 -march=native; from the same state a tick then differs by rounding."""
    twin = Twin(tmp_path, FAST)
    scene = Scene(beds=9, seed=8)
    for _ in range(3000):
        scene.invent()
        params, state = scene.params.copy(), scene.state.copy()
        sample, command = scene.sample.copy(), scene.command.copy()
        twin.step(params, scene.staged, state, scene.reading, scene.action, sample, command)
        step.step(*scene.arrays())
        assert np.allclose(state, scene.state, rtol=1e-9, atol=1e-6)
        assert np.abs(sample.astype(int) - scene.sample).max() <= 1
        assert np.abs(command.astype(int) - scene.command).max() <= 1


SCRIPT = """
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
from spring_bed import Spring
from services.controller.kernel import layout
bed = Spring(seed=2, precondition_s=0, first_peak_n=110, rise_n_s=200, slack_mm_s=15, hold_s=1)
bed.slack_mm = 2.0
told = hashlib.sha256()
phases = set()
bed.begin()
for tick in range(700):
    if tick == 300:
        bed.counter_n = 40.0
    action = {450: layout.ACTION_PAUSE, 470: layout.ACTION_RESUME, 600: layout.ACTION_STOP}.get(tick, 0)
    sample = bed.tick(action)
    told.update(sample.tobytes())
    told.update(bed.state.tobytes())
    phases.add(int(sample[layout.S_PHASE]))
print(json.dumps([told.hexdigest(), sorted(phases)]))
"""


def _told(request, **environment):
    here = str(request.config.rootpath / "tests")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, here], check=True, capture_output=True, text=True,
        env={**os.environ, **environment}, cwd=request.config.rootpath,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_compiled_and_interpreted_kernels_agree_bit_for_bit(request):
    """What Python says the kernel does is what the machine code does."""
    compiled, interpreted = _told(request), _told(request, NUMBA_DISABLE_JIT="1")
    assert compiled == interpreted
    assert {layout.RAMP, layout.GUARDED, layout.PAUSED, layout.STOPPED} <= set(compiled[1])


@pytest.mark.parametrize("beds", [1, 64])
def test_a_tick_allocates_nothing_that_lasts(beds):
    """Called from the loop for weeks, a tick must not grow."""
    from numba.core.runtime import rtsys

    scene = Scene(beds, seed=1)
    scene.invent()
    step.step(*scene.arrays())
    before = rtsys.get_allocation_stats()
    for _ in range(1000):
        step.step(*scene.arrays())
    after = rtsys.get_allocation_stats()
    assert after.alloc - before.alloc == after.free - before.free


def test_a_spring_alone_is_steady():
    """The test bed itself: without the kernel's commands nothing moves."""
    bed = Spring()
    bed.read()
    assert bed.position == 0.0

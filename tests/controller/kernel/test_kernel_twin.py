import json
import os
import subprocess
import sys

import numpy as np
from numba import njit
from spring_bed import WELL, Spring, prescribed

from services.controller.benches.twin import FAST, Twin
from services.controller.kernel import layout, step
from services.controller.kernel import state as at

EXACT = (*FAST, "-ffp-contract=off")  # no fused multiply-add: the same bits as the kernel
SHORT = {
    "traction_s": 40, "precondition_s": 2, "hold_s": 3, "rest_s": 2, "close_after_s": 6, "cooldown_s": 2,
    "guardings_per_session": 4, "guardings_per_cycle": 2, "rise_n_s": 90, "fall_n_s": 120, "heat_allowed": 10,
}  # fmt: skip
NEXT = np.full(len(layout.PHASES), layout.ACTION_NONE)  # what an operator would do in each phase
NEXT[[layout.IDLE, layout.READY, layout.PAUSED]] = (
    layout.ACTION_LOAD,
    layout.ACTION_START,
    layout.ACTION_RESUME,
)
NEXT[[layout.DONE, layout.STOPPED, layout.FAULT]] = layout.ACTION_CLOSE


@njit
def _invent(  # noqa: C901  (one list of everything that can go wrong, compiled as one function)
    sample, contraction, position, slip, stuck, random, reading, action
):
    """Readings as a spring might give them, actions as people might take them, and everything goes wrong."""
    for bed in range(action.shape[0]):
        phase = sample[layout.S_PHASE, bed]
        r = random[:, bed]
        contraction[bed] = 30.0 + 60.0 * r[1] if r[0] < 0.0012 else contraction[bed] * 0.98
        position[bed] += sample[layout.S_VELOCITY, bed] * 2e-5
        if r[3] < 0.0001:
            slip[bed] = 20.0
        if r[13] < 0.00003:
            position[bed] -= 5.0
        if phase == layout.READY:
            position[bed] = slip[bed] = 0.0
        stretch = max(0.0, position[bed] - slip[bed] - 5.0)
        force = 18.0 * stretch + contraction[bed] * (stretch > 0.0) + r[2] - 0.5
        stuck[bed] = 20.0 + 100.0 * r[5] if r[10] < 0.00004 else stuck[bed] - 1.0
        if stuck[bed] < 0.0:
            reading[layout.R_FORCE, bed] = round(10.0 * force)
        if r[4] < 0.0001:
            reading[layout.R_FORCE, bed] = int(25000 * (r[5] - 0.5))
        reading[layout.R_POSITION, bed] = round(100.0 * position[bed])
        reading[layout.R_TILT, bed] = 150 + 40 * (r[7] < 0.0003)
        reading[layout.R_HEAT, bed] = 400 + int(20 * r[8]) + 30 * (r[6] < 0.0003)
        reading[layout.R_AGE, bed] = int(250 * r[10]) if r[9] < 0.0003 else 0
        status = WELL
        if r[11] < 0.0002:
            status ^= 1 << int(6 * r[12])
        if phase == layout.READY and r[13] < 0.3:
            status |= layout.STATUS_SWITCH_PRESSED
        reading[layout.R_STATUS, bed] = status
        action[bed] = layout.ACTION_NONE
        if r[14] < (0.2 if phase == layout.IDLE else 0.03):
            action[bed] = NEXT[phase]
            if r[15] < 0.3 and phase == layout.READY:
                action[bed] = layout.ACTION_TEST_SWITCH
            if r[15] < 0.3 and (phase > layout.COOLDOWN or phase == layout.IDLE):
                action[bed] = layout.ACTION_RESET
        if r[16] < 0.0005:
            action[bed] = int(16 * r[17])


class Scene:
    """Arrays of some beds and an inventor of their readings."""

    def __init__(self, beds, seed):
        self.random = np.random.default_rng(seed)
        self.staged = np.repeat(prescribed(**SHORT)[:, None], beds, axis=1)
        self.params, self.state = step.new_parameters(beds), step.new_state(beds)
        self.reading = np.zeros((len(layout.READINGS), beds), np.int32)
        self.action = np.zeros(beds, np.int32)
        self.contraction, self.position, self.slip, self.stuck = (np.zeros(beds) for _ in range(4))
        self.sample = np.zeros((len(layout.SAMPLES), beds), np.int32)
        self.command = np.zeros((len(layout.COMMANDS), beds), np.int32)

    def invent(self):
        """The next tick's readings and actions."""
        random = self.random.random((18, len(self.action)))
        _invent(
            self.sample, self.contraction, self.position, self.slip, self.stuck,
            random, self.reading, self.action,
        )  # fmt: skip

    def arrays(self):
        """What a step takes."""
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
    """The C compiler may fuse multiply and add; from the same state a tick then differs by rounding only."""
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


def test_a_spring_alone_is_steady():
    """The test bed itself: without the kernel's commands nothing moves."""
    bed = Spring()
    bed.read()
    assert bed.position == 0.0

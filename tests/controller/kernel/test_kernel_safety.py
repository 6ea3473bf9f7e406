"""Anything may happen, in any order: random readings, faults, actions. Nothing pulls that must not."""

import copy
import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spring_bed import WELL, prescribed

from services.controller.kernel import layout, phases, step
from services.controller.kernel import state as at

EXTREMES = np.array([-(2**31), -(2**31) + 1, -1, 0, 1, 2**31 - 2, 2**31 - 1], dtype=np.int64)
SHORT = {
    "traction_s": 20, "precondition_s": 1, "hold_s": 0.6, "rest_s": 0.6, "close_after_s": 2, "cooldown_s": 1,
    "guardings_per_session": 6, "guardings_per_cycle": 2, "rise_n_s": 90, "fall_n_s": 120, "slack_mm_s": 15,
    "heat_allowed": 2,
}  # fmt: skip
USUAL = {  # what somebody at the bed does in each phase, so that sessions get anywhere
    "idle": (layout.ACTION_LOAD, layout.ACTION_RESET),
    "ready": (layout.ACTION_TEST_SWITCH, layout.ACTION_START),
    "paused": (layout.ACTION_RESUME,),
    "done": (layout.ACTION_CLOSE,),
    "stopped": (layout.ACTION_RESET, layout.ACTION_CLOSE),
    "fault": (layout.ACTION_RESET, layout.ACTION_CLOSE),
}
MOVING = np.array([name in phases.MOVING for name in layout.PHASES])
AT_REST = np.array([name in ("idle", "ready", "done", "stopped", "fault") for name in layout.PHASES])
GATE = np.array([name in ("stopped", "fault", "done", "idle") for name in layout.PHASES])
WAYS = {(phase, following) for given_in, _, following in phases.TABLE for phase in given_in}
DRIVE_UMS = 20_000


class Mayhem:
    """Springs of many beds under an operator, patients and a machine that all misbehave; seeded."""

    def __init__(self, seed: int, beds: int, period_s: float, wildness: float) -> None:
        self.random = np.random.default_rng(seed)
        self.period_s, self.wildness = period_s, wildness
        self.staged = np.repeat(prescribed(period_s, **SHORT)[:, None], beds, axis=1)
        self.staged[layout.P_HEAT_ALLOWED, ::2] = 0.0  # every other bed without heat
        self.params, self.state = step.new_parameters(beds, period_s), step.new_state(beds)
        self.reading = np.zeros((len(layout.READINGS), beds), np.int32)
        self.action = np.zeros(beds, np.int32)
        self.sample = np.zeros((len(layout.SAMPLES), beds), np.int32)
        self.command = np.zeros((len(layout.COMMANDS), beds), np.int32)
        self.position, self.slip, self.counter = np.zeros(beds), np.zeros(beds), np.zeros(beds)

    def chance(self, per_second: float) -> np.ndarray:
        """Beds to which this happens in this tick."""
        return self.random.random(len(self.action)) < per_second * self.period_s * self.wildness

    def read(self) -> None:
        """A spring's readings, some of them replaced by whatever an int32 can hold."""
        beds = len(self.action)
        phase = self.sample[layout.S_PHASE]
        self.position += self.command[layout.C_VELOCITY] * 1e-3 * self.period_s
        fresh = phase == layout.READY
        self.position[fresh] = self.slip[fresh] = 0.0
        self.slip[self.chance(0.02)] = 25.0
        self.counter = np.where(self.chance(0.3), self.random.uniform(10.0, 90.0, beds), self.counter)
        self.counter[self.random.random(beds) < 2.0 * self.period_s] = 0.0
        stretch = np.maximum(0.0, self.position - self.slip - 3.0)
        force = 18.0 * stretch + self.counter * (stretch > 0.0) + self.random.normal(0.0, 0.5, beds)
        rows = (10 * force, 100 * self.position, np.full(beds, 150), np.full(beds, 300), np.zeros(beds))
        self.reading[: layout.R_STATUS] = np.round(rows)
        self.reading[layout.R_STATUS] = WELL
        pressing = self.chance(0.05) | (fresh & (self.random.random(beds) < 0.3))
        self.reading[layout.R_STATUS, pressing] |= layout.STATUS_SWITCH_PRESSED
        for row in range(len(layout.READINGS)):
            struck = self.chance(0.03)
            self.reading[row, struck] = self.random.choice(EXTREMES, struck.sum())

    def act(self) -> None:
        """What is ordered: mostly something sensible, sometimes anything."""
        self.action[:] = layout.ACTION_NONE
        for name, usual in USUAL.items():
            here = (self.sample[layout.S_PHASE] == layout.PHASES.index(name)) & (
                self.random.random(len(self.action)) < 4.0 * self.period_s + 0.05
            )
            self.action[here] = self.random.choice(usual, here.sum())
        struck = self.chance(0.3)
        self.action[struck] = self.random.integers(-2, len(layout.ACTIONS) + 2, struck.sum())
        struck = self.chance(0.01)
        self.action[struck] = self.random.choice(EXTREMES, struck.sum())

    def tick(self) -> tuple[np.ndarray, np.ndarray]:
        """One tick; the sample before it and the parameters before it."""
        before = self.sample.copy(), self.params.copy()
        self.read()
        self.act()
        step.step(self.params, self.staged, self.state, self.reading, self.action, self.sample, self.command)
        return before


def check(scene: Mayhem, before: np.ndarray, params: np.ndarray) -> None:
    """Every promise, over all beds of one tick."""
    sample, action, reading = scene.sample, scene.action, scene.reading
    was, phase, velocity = before[layout.S_PHASE], sample[layout.S_PHASE], sample[layout.S_VELOCITY]
    target, change = sample[layout.S_TARGET], was != phase
    taken = sample[layout.S_REFUSAL] == layout.REFUSAL_NONE
    assert (np.abs(velocity) <= DRIVE_UMS).all()
    assert (velocity[AT_REST[phase]] <= 0).all()
    assert (velocity[(reading[layout.R_AGE] > 30) | (reading[layout.R_AGE] < 0)] <= 0).all()
    lost = reading[layout.R_STATUS] & layout.STATUS_FORCE_VALID == 0
    over = reading[layout.R_FORCE] * 100.0 > sample[layout.S_CEILING]
    assert (velocity[(over | lost) & MOVING[phase]] <= 0).all()
    stop = np.isin(action, (layout.ACTION_STOP, layout.ACTION_REMOTE_STOP)) & (was != layout.IDLE)
    pressed = reading[layout.R_STATUS] & layout.STATUS_SWITCH_PRESSED != 0
    pressed |= reading[layout.R_STATUS] & layout.STATUS_SWITCH_CONNECTED == 0
    ended = (stop & ~np.isin(was, (layout.READY, layout.DONE))) | (pressed & MOVING[was])
    assert GATE[phase[ended]].all()
    assert (velocity[ended] <= 0).all()
    assert (target[ended & ~AT_REST[was]] <= before[layout.S_TARGET, ended & ~AT_REST[was]]).all()
    begun = change & MOVING[phase] & ~MOVING[was]
    assert (action[begun] == layout.ACTION_START).all()
    again = change & MOVING[phase] & (was == layout.PAUSED) & (phase != layout.COOLDOWN)
    assert (action[again] == layout.ACTION_RESUME).all()
    remote = np.isin(action, (layout.ACTION_REMOTE_PAUSE, layout.ACTION_REMOTE_STOP)) & taken
    assert (~MOVING | (np.arange(len(MOVING)) == layout.PAUSED))[phase[remote & change]].all()
    loaded = (action == layout.ACTION_LOAD) & taken
    assert (before[layout.S_CONDITIONS, loaded] & LATCHED == 0).all()
    check_heat_and_change(scene, before, params)
    for pair in {*zip(was[change].tolist(), phase[change].tolist(), strict=True)}:
        names = layout.PHASES[pair[0]], layout.PHASES[pair[1]]
        assert names in WAYS or any((names[0], by) in WAYS and (by, names[1]) in WAYS for by in layout.PHASES)


LATCHED = (
    layout.SUDDEN_DROP | layout.OVER_FORCE | layout.REPEATED_GUARDING
)  # never live at rest: latched only


def check_heat_and_change(scene: Mayhem, before: np.ndarray, params: np.ndarray) -> None:
    """Heat only where prescribed, and parameters that change only where they may."""
    sample, was = scene.sample, before[layout.S_PHASE]
    change = was != sample[layout.S_PHASE]
    hot = sample[layout.S_OUTPUTS] & layout.OUTPUT_HEAT != 0
    assert not (hot & (scene.params[layout.P_HEAT_ALLOWED] <= 0.0)).any()
    assert not (hot & ~MOVING[sample[layout.S_PHASE]]).any()
    assert (scene.state[at.HEAT_S] <= SHORT["heat_allowed"] + scene.period_s + 1e-9).all()
    inner = (was == layout.PRECONDITION) | (was == layout.READY) | (was == layout.PAUSED)
    assert np.array_equal(params[:, ~change & ~inner], scene.params[:, ~change & ~inner])
    assert np.isfinite(scene.state).all()


@pytest.mark.requirement("survive-any-reading")
@pytest.mark.parametrize("period_s", [0.001, 0.005, 0.01, 0.02])
@pytest.mark.parametrize("beds", [1, 64])
@settings(deadline=None, max_examples=4)
@given(seed=st.integers(0, 2**32), wildness=st.sampled_from([0.2, 1.0, 5.0]))
def test_whatever_happens_nothing_pulls_that_must_not(period_s, beds, seed, wildness):
    """Stops act at once, remote never starts, limits hold: in any order of readings, faults and actions."""
    scene = Mayhem(seed, beds, period_s, wildness)
    for _ in range(round((8.0 if beds == 1 else 3.0) / max(period_s, 0.004))):
        before, params = scene.tick()
        for bed in np.flatnonzero(scene.action == layout.ACTION_CHANGE)[:1]:
            scene.staged[layout.P_PEAK, bed] = scene.random.uniform(120.0, 260.0)
        check(scene, before, params)


def test_mayhem_gets_everywhere():
    """A storm in which no session ever gets under way would prove nothing."""
    seen: set[int] = set()
    for wildness in (0.0, 0.05, 0.5):
        scene = Mayhem(4, 64, 0.02, wildness)
        for _ in range(1500):
            scene.tick()
            seen.update(scene.sample[layout.S_PHASE].tolist())
    assert seen == set(range(len(layout.PHASES)))


@functools.cache
def reached(phase: str) -> Mayhem:
    """A calm bed in this phase; to be copied: the way there takes longer than what is asked in it."""
    scene = Mayhem(1, 1, 0.02, 0.0)
    for _ in range(1200):
        scene.tick()
        if phase == "guarded" and scene.sample[layout.S_PHASE, 0] == layout.HOLD:
            scene.counter[:] = 60.0
        if layout.PHASES[scene.sample[layout.S_PHASE, 0]] == phase:
            return scene
    raise AssertionError(f"no {phase} within 1200 ticks")


@pytest.mark.requirement("survive-any-reading")
@pytest.mark.parametrize("row", layout.READINGS)
@pytest.mark.parametrize("value", EXTREMES.tolist())
@pytest.mark.parametrize("phase", ["ready", "slack", "precondition", "hold", "guarded", "cooldown"])
def test_one_reading_at_the_edge_of_its_type_does_no_harm(row, value, phase):
    """An int32 of a broken field bus must not become a target, a velocity or a number that wraps around."""
    scene = copy.deepcopy(reached(phase))
    scene.read()
    scene.reading[layout.READINGS.index(row)] = value
    scene.action[:] = layout.ACTION_START
    for _ in range(100):
        ceiling = max(scene.params[layout.P_CEILING, 0], 1.0)
        step.step(
            scene.params, scene.staged, scene.state, scene.reading, scene.action, scene.sample, scene.command
        )
        assert 0 <= scene.sample[layout.S_TARGET, 0] <= 1000.0 * ceiling
        assert abs(scene.sample[layout.S_VELOCITY, 0]) <= DRIVE_UMS
        assert abs(int(scene.sample[layout.S_RESIDUAL, 0])) <= 2_000_000_000
        assert np.isfinite(scene.state).all()
        scene.read()
        scene.act()
    assert scene.sample[layout.S_FORCE, 0] <= 10.0 * ceiling + 900.0

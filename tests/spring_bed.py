"""A bed that is nothing but a spring, for tests that want the kernel alone."""

import numpy as np

from services.controller.kernel import layout, step, tuning

PRESCRIBED = {
    "session_no": 7, "base_n": 100, "first_peak_n": 200, "peak_n": 260, "peak_step_n": 30,
    "hold_s": 6, "rest_s": 4,
    "rise_n_s": 60, "fall_n_s": 80, "rebuild_n_s": 20, "rebuild_fast_n_s": 50, "precondition_s": 4,
    "precondition_cycles": 1, "traction_s": 90, "cooldown_s": 4, "slack_n": 20, "slack_mm_s": 8,
    "tilt_deg": 15,
    "tilt_tolerance_deg": 1, "heat_allowed": 30, "heat_ceiling_c": 42, "body_weight_kg": 80, "ease_min_n": 25,
    "ease_fraction": 0.15, "quiet_s": 2, "guardings_per_cycle": 3, "guarding_peak_factor": 0.85,
    "guardings_per_session": 12, "ceiling_n": 400, "drive_mm_s": 20, "close_after_s": 30,
}  # fmt: skip
WELL = (
    layout.STATUS_SWITCH_CONNECTED
    | layout.STATUS_DRIVE_READY
    | layout.STATUS_MAINS
    | layout.STATUS_FORCE_VALID
)


def prescribed(period_s: float = 0.02, **changes: float) -> np.ndarray:
    """A compiled prescription of short phases, float64[PARAMETER_COUNT]."""
    values = PRESCRIBED | {"period_s": period_s} | changes
    clinical = np.array([float(values[name]) for name in layout.PARAMETERS])
    return np.concatenate([clinical, tuning.tune(period_s)])


class Spring:
    """One bed: drive with a 15 ms lag, 10 mm of slack, a linear spring, 0.5 N noise; all can be broken."""

    def __init__(
        self, period_s: float = 0.02, seed: int = 1, stiffness: float = 18.0, **changes: float
    ) -> None:
        self.period_s, self.stiffness = period_s, stiffness
        self.noise = np.random.default_rng(seed)
        self.params, self.state = step.new_parameters(1, period_s), step.new_state(1)
        self.staged = prescribed(period_s, **changes)[:, None].copy()
        self.reading = np.zeros((len(layout.READINGS), 1), np.int32)
        self.action = np.zeros(1, np.int32)
        self.sample = np.zeros((len(layout.SAMPLES), 1), np.int32)
        self.command = np.zeros((len(layout.COMMANDS), 1), np.int32)
        self.position = self.speed = self.time_s = self.force = 0.0
        self.counter_n, self.pressed, self.status, self.age_ms = 0.0, False, WELL, 0
        self.tilt_deg, self.heat_c, self.stuck_n, self.slack_mm, self.jammed = 15.0, 30.0, None, 10.0, False

    def read(self) -> None:
        """Advance the spring by a period and write its reading."""
        wanted = self.command[layout.C_VELOCITY, 0] * 1e-3
        for _ in range(8):
            self.speed += (wanted - self.speed) * min(1.0, self.period_s / 8 / 0.015)
            self.position += 0.0 if self.jammed else self.speed * self.period_s / 8
        self.force = self.stiffness * max(0.0, self.position - self.slack_mm)
        self.force += self.counter_n if self.force > 1.0 else 0.0
        shown = self.force + self.noise.normal() * 0.5 if self.stuck_n is None else self.stuck_n
        status = self.status | (layout.STATUS_SWITCH_PRESSED if self.pressed else 0)
        if self.age_ms == 0:
            self.reading[:, 0] = (round(shown * 10), round(self.position * 100), round(self.tilt_deg * 10),
                                  round(self.heat_c * 10), 0, status, layout.NO_EFFORT)  # fmt: skip
        self.reading[layout.R_AGE, 0] = self.age_ms

    def tick(self, action: int = layout.ACTION_NONE) -> np.ndarray:
        """One tick; returns the sample, int32[SAMPLES]."""
        self.read()
        self.action[0] = action
        step.step(self.params, self.staged, self.state, self.reading, self.action, self.sample, self.command)
        self.time_s += self.period_s
        return self.sample[:, 0]

    def run(self, seconds: float) -> np.ndarray:
        """Tick for so long; returns every sample, int32[ticks, SAMPLES]."""
        return np.array([self.tick().copy() for _ in range(round(seconds / self.period_s))])

    def until(self, phase: int, within_s: float = 120.0) -> np.ndarray:
        """Tick until the phase is entered; fails the test when it never is."""
        for _ in range(round(within_s / self.period_s)):
            if self.tick()[layout.S_PHASE] == phase:
                return self.sample[:, 0]
        raise AssertionError(f"{layout.PHASES[phase]} was not reached, still {self.phase}")

    def begin(self) -> np.ndarray:
        """Load, test the switch, start; returns the start's sample."""
        self.tick(layout.ACTION_LOAD)
        self.tick(layout.ACTION_TEST_SWITCH)
        self.pressed = True
        self.tick()
        self.pressed = False
        self.tick()
        return self.tick(layout.ACTION_START)

    @property
    def phase(self) -> str:
        """The phase's name."""
        return layout.PHASES[self.sample[layout.S_PHASE, 0]]


def bed_in(phase: int, **changes: float) -> Spring:
    """A bed that has come to the phase in the ordinary way."""
    bed = Spring(**changes)
    if phase == layout.IDLE:
        bed.tick()
        return bed
    if phase == layout.READY:
        bed.tick(layout.ACTION_LOAD)
        return bed
    bed.begin()
    if phase in (layout.GUARDED, layout.REBUILD):
        bed.until(layout.HOLD)
        bed.run(1.0)
        bed.counter_n = 40.0
        bed.until(layout.GUARDED, 1.0)
        bed.counter_n = 0.0
    if phase == layout.PAUSED:
        bed.until(layout.HOLD)
        bed.tick(layout.ACTION_PAUSE)
        bed.run(2.0)
    elif phase == layout.STOPPED:
        bed.until(layout.HOLD)
        bed.tick(layout.ACTION_STOP)
    elif phase == layout.FAULT:
        bed.until(layout.HOLD)
        bed.status &= ~layout.STATUS_FORCE_VALID
        bed.tick()
    elif layout.PHASES[phase] != bed.phase:
        bed.until(phase, 200.0)
    assert bed.phase == layout.PHASES[phase]
    return bed

import numpy as np
import pytest
from spring_bed import PRESCRIBED, WELL, Spring, bed_in, prescribed

from services.controller.kernel import layout, step
from services.controller.kernel import state as at


def refusal(sample):
    return layout.REFUSALS[sample[layout.S_REFUSAL]]


def test_a_start_needs_switch_test_plug_tilt_and_no_condition():
    """Each of the bedside's checks refuses by its own name."""
    bed = Spring()
    assert refusal(bed.tick(layout.ACTION_START)) == "no_session"
    bed.tick(layout.ACTION_LOAD)
    assert refusal(bed.tick(layout.ACTION_START)) == "switch_not_tested"
    bed.status &= ~layout.STATUS_SWITCH_CONNECTED
    assert refusal(bed.tick(layout.ACTION_TEST_SWITCH)) == "switch_unplugged"
    bed.status = WELL
    assert bed.tick(layout.ACTION_TEST_SWITCH)[layout.S_OUTPUTS] & layout.OUTPUT_SWITCH_TEST
    bed.pressed = True
    bed.tick()
    assert refusal(bed.tick(layout.ACTION_START)) == "switch_not_tested"
    bed.pressed = False
    assert bed.tick()[layout.S_EVENTS] & layout.EVENT_SWITCH_TESTED
    bed.tilt_deg = 17.0
    assert bed.tick()[layout.S_CONDITIONS] & layout.TILT_MISMATCH
    assert refusal(bed.tick(layout.ACTION_START)) == "tilt_mismatch"
    bed.tilt_deg = 15.5
    bed.status &= ~layout.STATUS_MAINS
    assert refusal(bed.tick(layout.ACTION_START)) == "condition_active"
    bed.status = WELL
    assert refusal(bed.tick(layout.ACTION_START)) == "none"
    assert bed.phase == "slack"


def test_pulling_the_plug_undoes_the_switch_test():
    """A switch that was tested and then pulled out protects nobody."""
    bed = bed_in(layout.READY)
    bed.tick(layout.ACTION_TEST_SWITCH)
    for bed.pressed in (True, False):
        bed.tick()
    bed.status &= ~layout.STATUS_SWITCH_CONNECTED
    bed.tick()
    bed.status = WELL
    bed.tick()
    assert refusal(bed.tick(layout.ACTION_START)) == "switch_not_tested"


@pytest.mark.parametrize("counter_n", [10.0, 20.0, 40.0, 80.0])
def test_guarding_stops_eases_and_rebuilds(counter_n):
    """A sudden contraction is noticed within 100 ms, yielded to, and the pull rebuilt slowly to the peak."""
    bed = bed_in(layout.HOLD, hold_s=30)
    bed.run(3.0)
    bed.counter_n = counter_n
    caught = [bed.tick()[layout.S_EVENTS] & layout.EVENT_GUARDING_DETECTED for _ in range(5)]
    assert any(caught)
    eased = bed.run(1.0)
    assert bed.phase == "guarded"
    assert (eased[:, layout.S_VELOCITY] <= 0).all()
    assert eased[-1, layout.S_TARGET] < 200_000
    bed.counter_n = 0.0
    bed.until(layout.REBUILD, 10.0)
    rebuilt = bed.run(30.0)
    rise = (
        np.diff(rebuilt[rebuilt[:, layout.S_PHASE] == layout.REBUILD, layout.S_TARGET]) / 1000 / bed.period_s
    )
    assert rise.max() <= PRESCRIBED["rebuild_n_s"] * 1.001
    assert layout.HOLD in rebuilt[:, layout.S_PHASE]


def test_repeated_guarding_lowers_the_peak_and_then_ends_the_session():
    """A patient who keeps guarding is pulled less, and in the end not at all."""
    bed = Spring(traction_s=600, hold_s=60, guardings_per_cycle=2, guardings_per_session=4)
    bed.begin()
    peaks = []
    for _ in range(4):
        bed.until(layout.HOLD)
        bed.run(0.5)
        peaks.append(int(bed.sample[layout.S_PEAK, 0]))
        bed.counter_n = 50.0
        bed.run(0.5)
        bed.counter_n = 0.0
    assert peaks == [200_000, 200_000, 170_000, 170_000]
    assert bed.phase == "cooldown"
    assert bed.sample[layout.S_CONDITIONS, 0] & layout.REPEATED_GUARDING
    assert bed.sample[layout.S_REASON, 0] == layout.REASON_REPEATED_GUARDING


def test_pause_holds_base_and_resume_ramps_again_in_the_same_cycle():
    """A pause is not a stop: tension stays at base and the cycle goes on."""
    bed = bed_in(layout.HOLD)
    bed.tick(layout.ACTION_PAUSE)
    held = bed.run(8.0)
    assert abs(held[-50:, layout.S_FORCE].mean() - 1000) < 20
    assert bed.sample[layout.S_REASON, 0] == layout.REASON_OPERATOR_PAUSE
    remaining = bed.sample[layout.S_REMAINING, 0]
    assert bed.tick(layout.ACTION_RESUME)[layout.S_PHASE] == layout.RAMP
    assert bed.sample[layout.S_REASON, 0] == layout.REASON_NONE
    assert bed.sample[layout.S_CYCLE, 0] == 1
    assert bed.sample[layout.S_REMAINING, 0] == remaining


@pytest.mark.requirement("change-at-a-boundary")
def test_a_changed_prescription_acts_at_the_next_phase_boundary():
    """Not in the middle of a hold, and with nothing read from the staging area later."""
    bed = bed_in(layout.HOLD)
    bed.staged[:, 0] = prescribed(base_n=80, session_no=99)
    bed.tick(layout.ACTION_CHANGE)
    bed.staged[:] = np.nan
    assert bed.params[layout.P_BASE, 0] == 100
    bed.until(layout.RELEASE)
    assert bed.params[layout.P_BASE, 0] == 80
    assert bed.sample[layout.S_SESSION, 0] == 7
    bed.until(layout.REST)
    bed.run(1.0)
    assert bed.sample[layout.S_TARGET, 0] == 80_000


def test_a_lower_prescription_in_a_hold_is_no_over_force():
    """The target comes down at its rate; a ceiling that fell below it at once ended the session in fault."""
    bed = bed_in(layout.RAMP)
    bed.run(2.0)
    bed.staged[:, 0] = prescribed(
        base_n=40, first_peak_n=60, peak_n=80, peak_step_n=10, ceiling_n=100, fall_n_s=80
    )
    bed.tick(layout.ACTION_CHANGE)
    bed.until(layout.HOLD)
    assert bed.sample[layout.S_TARGET, 0] > 100_000
    assert bed.sample[layout.S_CEILING, 0] == 400_000
    bed.until(layout.RELEASE)
    assert bed.sample[layout.S_TARGET, 0] <= 80_000
    assert bed.sample[layout.S_CEILING, 0] == 100_000
    assert bed.sample[layout.S_CONDITIONS, 0] == 0


@pytest.mark.requirement("limit-the-rate")
def test_a_base_raised_in_a_hold_is_gone_up_to_at_the_rate_of_a_rise():
    """The rate of a fall is greater, and meant for falls."""
    bed = bed_in(layout.HOLD)
    bed.staged[:, 0] = prescribed(base_n=300, peak_n=380, first_peak_n=320, rise_n_s=10, fall_n_s=80)
    bed.tick(layout.ACTION_CHANGE)
    bed.until(layout.RELEASE)
    targets = [bed.tick()[layout.S_TARGET] / 1000 for _ in range(100)]
    assert 0.5 < max(np.diff(targets)) / bed.period_s <= 10.2


FAULTS = {
    "load_cell_lost": lambda bed: setattr(bed, "status", WELL & ~layout.STATUS_FORCE_VALID),
    "load_cell_frozen": lambda bed: setattr(bed, "stuck_n", 150.0),
    "drive_not_ready": lambda bed: setattr(bed, "status", WELL & ~layout.STATUS_DRIVE_READY),
    "link_lost": lambda bed: setattr(bed, "age_ms", 120),
    "other_master": lambda bed: setattr(bed, "status", WELL | layout.STATUS_OTHER_MASTER),
    "actuator_stuck": lambda bed: setattr(bed, "jammed", True),
    "sudden_drop": lambda bed: setattr(bed, "slack_mm", 30.0),
    "over_force": lambda bed: setattr(bed, "counter_n", 400.0),
}


@pytest.mark.parametrize("condition", FAULTS)
def test_each_fault_stops_latches_and_never_tensions_again(condition):
    """Every hazard row ends in a release that the kernel itself will not undo."""
    bed = bed_in(layout.RAMP)
    bed.run(0.6)
    FAULTS[condition](bed)
    bed.until(layout.FAULT, 3.0)
    bit = 1 << layout.CONDITIONS.index(condition)
    assert bed.sample[layout.S_CONDITIONS, 0] & bit
    after = bed.run(25.0)
    assert (after[:, layout.S_VELOCITY] <= 0).all() or condition in ("sudden_drop", "over_force")
    assert after[:, layout.S_CONDITIONS].all()
    assert set(after[:, layout.S_PHASE]) == {layout.FAULT}
    assert after[-1, layout.S_REASON] == layout.REASON_FAULT
    if not after[-1, layout.S_OUTPUTS] & layout.OUTPUT_FREE:
        assert bed.force < 15.0


@pytest.mark.parametrize(("condition", "released"), [("load_cell_lost", True), ("actuator_stuck", False)])
def test_how_a_fault_releases(condition, released):
    """Without a load cell by position at 3 mm/s; without a drive by the mechanical release, power off."""
    bed = bed_in(layout.HOLD)
    FAULTS[condition](bed)
    bed.counter_n = 0.0
    if condition == "actuator_stuck":
        bed.counter_n = 60.0
    bed.until(layout.FAULT, 5.0)
    sample = bed.tick()
    if released:
        assert sample[layout.S_VELOCITY] == -3000
    else:
        assert sample[layout.S_OUTPUTS] == layout.OUTPUT_FREE
        assert sample[layout.S_VELOCITY] == 0


def test_latched_conditions_stay_until_reset_and_forbid_the_next_session():
    """Somebody has to look before the bed is used again."""
    bed = bed_in(layout.FAULT)
    assert refusal(bed.tick(layout.ACTION_CLOSE)) == "condition_active"
    bed.run(15.0)
    bed.status = WELL
    bed.run(0.1)
    assert refusal(bed.tick(layout.ACTION_CLOSE)) == "none"
    assert bed.sample[layout.S_CONDITIONS, 0] == layout.LOAD_CELL_LOST
    assert refusal(bed.tick(layout.ACTION_LOAD)) == "condition_active"
    assert refusal(bed.tick(layout.ACTION_RESET)) == "none"
    assert bed.sample[layout.S_CONDITIONS, 0] == 0
    assert refusal(bed.tick(layout.ACTION_LOAD)) == "none"


@pytest.mark.parametrize(("stuck_n", "found"), [(0.0, False), (4.9, False), (7.0, True), (-7.0, True)])
def test_a_frozen_load_cell_shows_on_a_bed_at_rest_only_at_a_clear_tension(stuck_n, found):
    """Nobody is laid on it; but a cell that quietly shows nothing is no alarm."""
    bed = bed_in(layout.IDLE)
    bed.stuck_n = stuck_n
    assert bed.run(5.0)[-1, layout.S_CONDITIONS] == (layout.LOAD_CELL_FROZEN if found else 0)
    assert refusal(bed.tick(layout.ACTION_RESET)) == ("condition_active" if found else "none")
    assert refusal(bed.tick(layout.ACTION_LOAD)) == ("condition_active" if found else "none")
    bed.stuck_n = None
    assert (bed.run(20.0)[1:, layout.S_CONDITIONS] == 0).all()


@pytest.mark.parametrize("stuck_n", [0.0, 150.0])
def test_a_load_cell_found_frozen_stays_so_until_it_reads_something_else(stuck_n):
    """At whatever tension it stands: reset is refused while nothing has changed."""
    bed = bed_in(layout.HOLD)
    bed.stuck_n = stuck_n
    bed.until(layout.FAULT, 1.0)
    bed.run(25.0)
    assert refusal(bed.tick(layout.ACTION_RESET)) == "condition_active"
    assert refusal(bed.tick(layout.ACTION_CLOSE)) == "none"
    assert refusal(bed.tick(layout.ACTION_RESET)) == "condition_active"
    assert bed.run(5.0)[-1, layout.S_CONDITIONS] & layout.LOAD_CELL_FROZEN
    bed.stuck_n = None
    bed.run(0.2)
    assert refusal(bed.tick(layout.ACTION_RESET)) == "none"
    assert bed.sample[layout.S_CONDITIONS, 0] == 0
    assert refusal(bed.tick(layout.ACTION_LOAD)) == "none"


def test_a_switch_pulled_out_during_treatment_is_a_stop_that_latches():
    """A patient who cannot stop is stopped, and the reason stays on the screen."""
    bed = bed_in(layout.HOLD)
    bed.status &= ~layout.STATUS_SWITCH_CONNECTED
    assert bed.tick()[layout.S_PHASE] == layout.STOPPED
    bed.status = WELL
    assert bed.run(1.0)[-1, layout.S_CONDITIONS] == layout.SWITCH_UNPLUGGED


def test_mains_lost_ends_the_session_gently():
    """On its UPS the bed has time for a controlled ending."""
    bed = bed_in(layout.HOLD)
    bed.status &= ~layout.STATUS_MAINS
    assert bed.tick()[layout.S_PHASE] == layout.COOLDOWN
    assert bed.sample[layout.S_REASON, 0] == layout.REASON_MAINS_LOST
    bed.until(layout.DONE, 20.0)
    assert bed.force < 15.0


def test_heat_is_limited_by_prescription_phase_time_and_temperature():
    """The pad is on only in a session, only where prescribed, only so long and only so hot."""
    bed = bed_in(layout.READY)
    assert not bed.tick(layout.ACTION_HEAT_ON)[layout.S_OUTPUTS] & layout.OUTPUT_HEAT
    bed = bed_in(layout.HOLD, heat_allowed=5)
    assert bed.tick(layout.ACTION_HEAT_ON)[layout.S_OUTPUTS] & layout.OUTPUT_HEAT
    bed.heat_c = 42.5
    assert not bed.tick()[layout.S_OUTPUTS] & layout.OUTPUT_HEAT
    bed.heat_c = 41.5
    assert not bed.tick()[layout.S_OUTPUTS] & layout.OUTPUT_HEAT  # hysteresis
    bed.heat_c = 40.5
    on = (bed.run(8.0)[:, layout.S_OUTPUTS] & layout.OUTPUT_HEAT).astype(bool)
    assert on.sum() * bed.period_s == pytest.approx(5.0, abs=0.05)
    bed.heat_c = 44.5
    assert bed.tick()[layout.S_CONDITIONS] & layout.HEAT_OVER_TEMPERATURE
    bed = bed_in(layout.HOLD, heat_allowed=0)
    assert refusal(bed.tick(layout.ACTION_HEAT_ON)) == "heat_not_prescribed"


@pytest.mark.requirement("end-in-time")
@pytest.mark.parametrize("phase", [layout.READY, layout.DONE, layout.STOPPED])
def test_a_forgotten_session_closes_itself(phase):
    """Nobody at the bed: the session ends with its own reason, and an unstarted one as abandoned."""
    bed = bed_in(phase)
    reason = layout.REASON_ABANDONED if phase == layout.READY else bed.sample[layout.S_REASON, 0]
    bed.until(layout.IDLE, 60.0)
    assert bed.sample[layout.S_REASON, 0] == reason
    assert bed.sample[layout.S_OUTPUTS, 0] == 0


def test_an_idle_bed_never_moves_nor_alarms():
    """All night long: slack harness, zero force, no session."""
    bed = Spring()
    samples = bed.run(60.0)
    assert not samples[:, layout.S_VELOCITY].any()
    assert not samples[:, layout.S_OUTPUTS].any()
    assert not samples[:, layout.S_CONDITIONS].any()


def test_readings_and_command_are_recorded_verbatim():
    """A replay compares bit for bit: the sample holds what the kernel saw and said."""
    bed = bed_in(layout.HOLD)
    sample = bed.tick()
    assert (sample[: len(layout.READINGS)] == bed.reading[:, 0]).all()
    assert (sample[[layout.S_VELOCITY, layout.S_OUTPUTS]] == bed.command[:, 0]).all()


@pytest.mark.parametrize("period_s", [0.001, 0.005, 0.01])
def test_other_periods_hold_and_guard_as_well(period_s):
    """The period is a setting: tracking and detection are no worse than at 20 ms."""
    bed = bed_in(layout.HOLD, period_s=period_s)
    held = bed.run(4.0)
    error = held[:, layout.S_FORCE] / 10 - held[:, layout.S_TARGET] / 1000
    assert np.sqrt((error**2).mean()) < 0.8
    assert not held[:, layout.S_CONDITIONS].any()
    bed.counter_n = 20.0
    noticed = [bed.tick()[layout.S_PHASE] == layout.GUARDED for _ in range(round(0.06 / period_s))]
    assert any(noticed)


def test_a_session_is_the_same_whatever_the_other_beds_do_and_wherever_it_lies():
    """Replay runs one bed alone: from its load on, every bit must come out as it did among others."""
    source = Spring(seed=3)
    source.tick()
    readings, actions, commands = [], [], []
    tick = source.tick

    def recorded(action=layout.ACTION_NONE):
        sample = tick(action)
        readings.append(source.reading[:, 0].copy())
        actions.append(action)
        commands.append(sample.copy())
        return sample

    source.tick = recorded
    source.begin()
    source.run(30.0)
    beds = 11
    params, state = step.new_parameters(beds), step.new_state(beds)
    sample, command = np.zeros((len(layout.SAMPLES), beds), np.int32), np.zeros((2, beds), np.int32)
    many = np.repeat(prescribed()[:, None], beds, axis=1)
    other = np.random.default_rng(1)
    for index, (reading, action) in enumerate(zip(readings, actions, strict=True)):
        noise = other.integers(0, 900, (len(layout.READINGS), beds)).astype(np.int32)
        noise[:, 6] = reading
        told = np.full(beds, layout.ACTION_LOAD if index % 7 == 0 else layout.ACTION_NONE, np.int32)
        told[6] = action
        step.step(params, many, state, noise, told, sample, command)
        assert (sample[:, 6] == commands[index]).all()


def test_new_arrays_have_a_row_for_every_name():
    """The layout is one contract for the loop, the bench and the replay."""
    assert step.new_state(3).shape == (at.STATE, 3)
    assert len(at.STATE_NAMES) == at.RING_ROW + 1
    assert step.new_parameters(3, 0.005)[layout.P_PERIOD].tolist() == [0.005] * 3

"""Every hazard that the controller answers by itself, in closed loop with the simulated bed."""

import json
import random
from uuid import UUID

import numpy as np
import pytest

from services.controller.beds import simulated
from services.controller.kernel import faults, layout, plant, rehearse
from services.controller.recorder.blocks import tension_payload
from services.controller.simulation import simulate as simulation
from services.controller.therapist.made_up import invent
from services.kit.therapy.prescription import Prescription

PERIOD_S = 0.02
AT_S = 80.0  # in the first ramp or hold of the default prescription
START = simulation.ticks(simulation.START_S, PERIOD_S)
ACTION, FAULT = rehearse.TELL_ACTION, rehearse.TELL_FAULTS


def tick(seconds):
    """The tick so many seconds after the start."""
    return START + simulation.ticks(seconds, PERIOD_S)


def treat(*told, minutes=2.0, injection=None, script=None, parameters=None, seed=7):
    """One session with (seconds, ACTION or FAULT, value) told under way; its course."""
    plan = simulation.Plan(simulation.prescribed(None), seed, minutes, PERIOD_S, injection)
    compiled = simulation._parameters(plan)
    for row, value in (parameters or {}).items():
        compiled[row] = value
    beds = simulated.simulated_beds(seed, 1, PERIOD_S, plan.prescription.body_weight_kg)
    simulated.calm(beds.constants)
    beds.plant[plant.X_TILT] = beds.tilt_deg[:] = compiled[layout.P_TILT]
    if injection is not None:
        simulation.inject(beds, injection, (START + 1) * PERIOD_S)
    lines = simulation.session_script(START, compiled) if script is None else script
    rows = [*lines.tolist(), *((tick(seconds), 0, kind, value) for seconds, kind, value in told)]
    ordered = np.array(sorted(rows, key=lambda row: row[0]), dtype=np.int64)
    return simulation.run(beds, compiled[:, None], ordered, simulation.longest(compiled), START)[0]


def calm_session(region, seed):
    """A short session of a patient who never contracts."""
    document = simulation.prescribed(None)
    if region == "cervical":
        documents = (invent(random.Random(index), 3, 0) for index in range(50))  # noqa: S311  (made up)
        document = Prescription.model_validate(next(row for row in documents if row["region"] == region))
    return simulation.simulate(simulation.Plan(document, seed, 1.0, PERIOD_S, None))


def bursts(force_n, count=1, every_s=12.0, at_s=AT_S):
    """So many counter-tensions of 1 s, one every so many seconds."""
    quiet, burst = np.zeros(round(every_s * 100)), np.zeros(round(every_s * 100))
    burst[:100] = force_n * np.sin(np.linspace(0, np.pi, 100)) ** 0.5
    force = np.concatenate([*(burst for _ in range(count)), quiet])
    return simulation.Injection(force, 100.0, at_s, ())


def first(course, mask):
    """The first tick in which the mask holds."""
    ticks = np.flatnonzero(mask)
    assert len(ticks), "it never happened"
    return int(ticks[0])


def condition(course, bit):
    return course.row(layout.S_CONDITIONS) & bit != 0


def phase(course):
    return course.row(layout.S_PHASE)


def never_pulls_after(course, at):
    """The drive is never told to pull from this tick on."""
    assert course.row(layout.S_VELOCITY)[at:].max() <= 0


@pytest.fixture(autouse=True)
def watched_on(monkeypatch):
    """Go on for 12 s after the session's end: that is when a release must show."""
    monkeypatch.setattr(simulation, "LINGER_S", 12.0)


@pytest.mark.requirement("stop-over-force")
def test_tension_above_its_ceiling_is_a_fault_and_is_let_out():
    """An independent limiter, whatever law and target want."""
    course = treat(injection=bursts(200.0, every_s=20.0), parameters={layout.P_CEILING: 140.0})
    over = first(course, condition(course, layout.OVER_FORCE))
    assert phase(course)[over] == layout.FAULT
    assert course.row(layout.S_FORCE)[over] > 1400
    never_pulls_after(course, over)
    assert course.tension_n[-1] < 20


@pytest.mark.requirement("limit-tension")
def test_the_envelope_holds_the_ceiling_against_a_target_above_it():
    """A wrong target alone never gets as far as the fault."""
    course = treat(parameters={layout.P_CEILING: 140.0})
    assert course.target_n.max() > 145
    assert course.tension_n.max() < 141


@pytest.mark.requirement("stop-on-patient-switch")
def test_the_patient_switch_stops_in_the_same_tick_and_cuts_the_power_after_five_seconds():
    """At once, to zero, and on a second channel."""
    course = treat((AT_S, FAULT, faults.SWITCH_PRESSED))
    pressed = first(course, course.row(layout.S_STATUS)[tick(1) :] & layout.STATUS_SWITCH_PRESSED) + tick(1)
    assert phase(course)[pressed] == layout.STOPPED
    assert condition(course, layout.PATIENT_SWITCH)[pressed:].all()
    never_pulls_after(course, pressed)
    powered = course.row(layout.S_OUTPUTS)[pressed:] & layout.OUTPUT_POWER != 0
    assert 4.9 <= np.count_nonzero(powered) * PERIOD_S <= 5.1
    assert not powered[-1]
    assert course.tension_n[-1] < 10


@pytest.mark.requirement("test-patient-switch")
def test_a_switch_that_was_not_tested_or_is_unplugged_forbids_the_start():
    """It is tested before each use, or nothing begins."""
    untested = [(0, 0, ACTION, layout.ACTION_LOAD), (START, 0, ACTION, layout.ACTION_START)]
    course = treat(script=np.array(untested))
    assert course.row(layout.S_REFUSAL)[START] == layout.REFUSAL_SWITCH_UNTESTED
    assert phase(course).max() == layout.READY
    course = treat((-0.5, FAULT, faults.SWITCH_UNPLUGGED))
    assert course.row(layout.S_REFUSAL)[START] == layout.REFUSAL_SWITCH_UNPLUGGED
    assert phase(course).max() == layout.READY


@pytest.mark.requirement("stop-on-unplugged-switch")
def test_a_switch_unplugged_under_way_stops_as_if_it_were_pressed():
    """Who cannot press must not be pulled."""
    course = treat((AT_S, FAULT, faults.SWITCH_UNPLUGGED))
    out = first(course, condition(course, layout.SWITCH_UNPLUGGED))
    assert phase(course)[out] == layout.STOPPED
    never_pulls_after(course, out)


@pytest.mark.parametrize(
    ("kind", "bit", "late", "lists"),
    [
        (faults.SENSOR_LOST, layout.LOAD_CELL_LOST, 0, {"tension_n", "residual_n"}),
        (faults.LINK_LOST, layout.LINK_LOST, 1, {"tension_n", "residual_n", "position_mm"}),
    ],
)
def test_a_block_says_that_nobody_measured_from_the_fault_to_its_end(kind, bit, late, lists):
    """To the sample: the alarm stays until somebody resets it, and one lost reading is still a fresh one."""
    course = treat((AT_S, FAULT, kind), (AT_S + 4.0, FAULT, 0))
    begin, end = tick(AT_S), tick(AT_S + 4.0)
    span = slice(begin - 50, end + 50)
    ticks = np.arange(len(course.samples), dtype=np.int64)
    times = np.column_stack((ticks, ticks, ticks))[span]
    block = json.loads(tension_payload(UUID(int=1), 20.0, times, course.samples[span]))
    assert block["unmeasured"] == {name: [[50 + late, 50 + end - begin]] for name in lists}
    assert condition(course, bit)[end + 49]


@pytest.mark.requirement("distrust-load-cell")
@pytest.mark.parametrize(
    ("fault", "bit", "within_s"),
    [
        (faults.SENSOR_LOST, layout.LOAD_CELL_LOST, 0.0),
        (faults.SENSOR_STUCK, layout.LOAD_CELL_FROZEN, 0.16),
    ],
)
def test_without_a_trustworthy_load_cell_it_stops_and_releases_by_position(fault, bit, within_s):
    """What the cell says is not believed any more: the way back is measured on the position."""
    course = treat((AT_S, FAULT, fault))
    found = first(course, condition(course, bit))
    assert (found - tick(AT_S)) * PERIOD_S <= within_s + 1e-9
    assert phase(course)[found] == layout.FAULT
    never_pulls_after(course, found)
    assert course.tension_n[-1] < 20


def test_a_frozen_load_cell_cannot_be_reset_away_nor_be_given_the_next_session(monkeypatch):
    """The cause is still there: reset is refused, the alarm stays after closing, nobody else is loaded."""
    monkeypatch.setattr(simulation, "LINGER_S", 60.0)
    course = treat(
        (AT_S, FAULT, faults.SENSOR_STUCK),
        *((AT_S + seconds, ACTION, layout.ACTION_RESET) for seconds in (1.0, 34.0, 38.0)),
        (AT_S + 36.0, ACTION, layout.ACTION_CLOSE),
        (AT_S + 40.0, ACTION, layout.ACTION_LOAD),
        (AT_S + 42.0, FAULT, 0),
        (AT_S + 43.0, ACTION, layout.ACTION_RESET),
        (AT_S + 44.0, ACTION, layout.ACTION_LOAD),
    )
    told = (34, 36, 38, 40, 43, 44)
    refusal = {seconds: course.row(layout.S_REFUSAL)[tick(AT_S + seconds)] for seconds in told}
    assert refusal == dict.fromkeys((34, 38, 40), layout.REFUSAL_CONDITION) | dict.fromkeys((36, 43, 44), 0)
    found = first(course, condition(course, layout.LOAD_CELL_FROZEN))
    assert condition(course, layout.LOAD_CELL_FROZEN)[found : tick(AT_S + 43.0)].all()
    assert phase(course)[tick(AT_S + 41.0)] == layout.IDLE
    assert phase(course)[tick(AT_S + 44.5)] == layout.READY
    assert not condition(course, layout.LOAD_CELL_FROZEN)[tick(AT_S + 43.0) :].any()


@pytest.mark.parametrize("region", ["lumbar", "cervical"])
def test_a_calm_patient_shows_no_counter_tension_while_the_strap_is_taken_up(region):
    """It goes into the tension stream: slack and a soft harness must not be told as muscle."""
    for seed in (2, 7):
        course = calm_session(region, seed)
        early = first(course, phase(course) == layout.PRECONDITION) + simulation.ticks(15.0, PERIOD_S)
        assert np.abs(course.row(layout.S_RESIDUAL)[:early]).max() <= 5_000
        assert course.row(layout.S_RESIDUAL)[-1] == 0


def test_a_contraction_in_the_hold_shows_with_its_size():
    """What the table's yielding takes from the tension is added again."""
    course = treat(injection=bursts(60.0, every_s=20.0))
    burst = course.row(layout.S_RESIDUAL)[tick(AT_S) : tick(AT_S + 1.0)]
    assert burst.max() == pytest.approx(course.counter_n[tick(AT_S) : tick(AT_S + 1.0)].max() * 1000, rel=0.3)


@pytest.mark.requirement("notice-stuck-drive")
def test_a_drive_that_does_not_move_loses_its_power_and_is_released_mechanically():
    """Command and response disagree: more command does not help."""
    course = treat((AT_S, FAULT, faults.DRIVE_STUCK))
    stuck = first(course, condition(course, layout.ACTUATOR_STUCK))
    assert (stuck - tick(AT_S)) * PERIOD_S <= 1.0
    assert phase(course)[stuck] == layout.FAULT
    outputs = course.row(layout.S_OUTPUTS)[stuck + 1 :]
    assert (outputs & layout.OUTPUT_POWER == 0).all()
    assert (outputs & layout.OUTPUT_FREE != 0).all()
    assert course.tension_n[-1] < 10


@pytest.mark.requirement("never-pull-up-after-a-drop")
def test_a_sudden_drop_stops_and_is_never_pulled_up_again():
    """A strap that slipped once slips again."""
    course = treat((AT_S, FAULT, faults.STRAP_SLIP))
    dropped = first(course, condition(course, layout.SUDDEN_DROP))
    assert (dropped - tick(AT_S)) * PERIOD_S <= 0.1
    assert phase(course)[dropped] == layout.FAULT
    never_pulls_after(course, dropped)


@pytest.mark.requirement("distrust-old-readings")
def test_a_silent_bed_is_not_pulled_on_an_old_reading():
    """No reading, no pull; at the bed its own watchdog releases."""
    course = treat((AT_S, FAULT, faults.LINK_LOST))
    silent = first(course, course.row(layout.S_AGE) > 30)
    never_pulls_after(course, silent)
    lost = first(course, condition(course, layout.LINK_LOST))
    assert (lost - tick(AT_S)) * PERIOD_S <= 0.12
    assert phase(course)[lost] == layout.FAULT
    assert course.tension_n[-1] < 10


@pytest.mark.requirement("end-on-battery")
def test_mains_lost_ends_the_session_under_control():
    """The battery lasts for an orderly end, not for the rest of the session."""
    course = treat((AT_S, FAULT, faults.MAINS_LOST))
    lost = first(course, condition(course, layout.MAINS_LOST))
    assert phase(course)[lost] == layout.COOLDOWN
    assert phase(course)[-1] == layout.DONE
    assert layout.REASONS[course.row(layout.S_REASON)[-1]] == "mains_lost"
    assert course.tension_n[-1] < 20


@pytest.mark.requirement("end-on-repeated-guarding")
def test_guarding_again_and_again_ends_the_session():
    """After the number the prescription allows: cooldown, not one more try."""
    course = treat(
        injection=bursts(60.0, count=8),
        parameters={layout.P_GUARDINGS_PER_SESSION: 3.0},
    )
    repeated = first(course, condition(course, layout.REPEATED_GUARDING))
    assert course.row(layout.S_GUARDINGS)[repeated] == 3
    assert phase(course)[repeated] == layout.COOLDOWN
    assert layout.REASONS[course.row(layout.S_REASON)[-1]] == "repeated_guarding"


@pytest.mark.requirement("yield-to-guarding")
def test_each_stop_in_a_cycle_beyond_the_allowed_rebuilds_to_a_lower_peak():
    """What was too much three times is not asked for again."""
    course = treat(injection=bursts(60.0, count=8), parameters={layout.P_GUARDINGS_PER_CYCLE: 2.0})
    peaks = course.row(layout.S_PEAK)
    detected = np.flatnonzero(course.row(layout.S_EVENTS) & layout.EVENT_GUARDING_DETECTED)
    assert len(detected) >= 3
    assert peaks[detected[2] + 1] < peaks[detected[0]]


@pytest.mark.requirement("match-the-tilt")
def test_a_tilt_that_is_not_the_prescribed_one_forbids_the_start():
    """Another angle is another segment."""
    course = treat(parameters={layout.P_TILT_TOLERANCE: -1.0})
    assert course.row(layout.S_REFUSAL)[START] == layout.REFUSAL_TILT
    assert condition(course, layout.TILT_MISMATCH)[START]
    assert phase(course).max() == layout.READY


@pytest.mark.requirement("limit-heat")
def test_a_heat_pad_that_does_not_obey_is_switched_off_and_said():
    """Infrared heat is switched and limited by the controller."""
    course = treat((1.0, FAULT, faults.HEAT_STUCK), parameters={layout.P_HEAT_CEILING: 24.0})
    hot = first(course, condition(course, layout.HEAT_OVER_TEMPERATURE))
    assert course.row(layout.S_HEAT)[hot] > 240
    assert (course.row(layout.S_OUTPUTS)[hot:] & layout.OUTPUT_HEAT == 0).all()

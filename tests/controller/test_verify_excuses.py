"""What excuses a breach in `spondyl verify`, by hand: exactly as much as physics does, and no longer."""

import numpy as np
import pytest

from services.controller.kernel import faults, layout
from services.controller.verifying import causes, invariants

PERIOD_S = 0.02
LONG_AGO_S = 1e9
CEILING_N, OVER_N = 62.0, 0.5


def rows(*names):
    """One bed's memory: a row of zeros for each name."""
    return {name: np.zeros(1) for name in names}


def run(stage, told, memory):
    """One tick of a stage, interpreted, for one bed."""
    stage.py_func(*(np.full(1, value) for value in told), *memory.values())


def clairvoyant(course):
    """Newtons spared, and whether the cause found the tension below the ceiling, after each tick told.

    course: (drive_mm, tension_n, drift_n, counter_n, calm_s, disobeyed_s) a tick.
    """
    memory = rows("onset", "failed", "before", "best", "speed", "quiet", "yielding", "spared")
    memory["before"][0] = memory["best"][0] = course[0][0]
    spared = []
    for drive_mm, tension_n, drift_n, counter_n, calm_s, disobeyed_s in course:
        known = (PERIOD_S, drive_mm, 20.0, 0.8, 0.4, 20.0, 100.0, counter_n, tension_n, drift_n, 20.0,
                 CEILING_N, OVER_N, calm_s, disobeyed_s, disobeyed_s)  # fmt: skip
        run(causes.foresee, known, memory)
        spared.append(float(memory["spared"][0]))
    return spared, float(memory["onset"][0])


def judged(tension_n, drift_n, spared_n, onset_ok):
    """Of one tick with a drive that runs away under a drifting cell: broken, beyond the drive, misread."""
    out = rows("far", "broken", "beyond", "misread")
    told = (PERIOD_S, 0.0, tension_n, drift_n, CEILING_N, OVER_N, 9.0, 0.0, onset_ok, spared_n)
    run(invariants.keep_ceiling, told, out)
    return [float(out[name][0]) for name in ("broken", "beyond", "misread")]


def test_a_drive_that_runs_away_under_a_drifting_cell_is_judged_by_what_the_cell_lets_know():
    """Sessions 49170, 73898, 83495 of seed 1: 30 N above the ceiling were kept back when it ran away."""
    calm = (9.0, 90.0, 30.0, 0.0, LONG_AGO_S, LONG_AGO_S)
    runs = [(9.0 + 0.4 * tick, 90.0 + 8.0 * tick, 30.0, 0.0, LONG_AGO_S, 0.0) for tick in range(1, 4)]
    spared, onset_ok = clairvoyant([calm, *runs])
    assert onset_ok == 1.0
    assert judged(114.0, 30.0, spared[-1], onset_ok) == [0.0, 1.0, 0.0]
    assert judged(91.0, 30.0, 0.0, 1.0) == [0.0, 0.0, 1.0]
    assert judged(96.0, 30.0, 5.0, 1.0) == [1.0, 0.0, 0.0]  # the same drive would have kept it, drift and all
    assert clairvoyant([(9.0, 95.0, 30.0, 0.0, LONG_AGO_S, LONG_AGO_S), *runs])[1] == 0.0


def test_what_was_yielded_to_a_contraction_is_not_owed_to_a_drive_that_ceases_to_obey():
    """Session 99675 of seed 1: 4 N of a contraction, and a second later the drive ran away."""
    pulls = [(9.0, 52.0, 0.0, 4.0, 0.0, LONG_AGO_S)] * 50
    runs = [(9.0 + 0.4 * tick, 48.0 + 7.0 * tick, 0.0, 1.0, 0.0, 0.0) for tick in range(1, 4)]
    spared, onset_ok = clairvoyant([(9.0, 48.0, 0.0, 0.0, LONG_AGO_S, LONG_AGO_S), *pulls, *runs])
    assert spared[50] > 15.0
    assert max(spared[51:]) == 0.0
    assert onset_ok == 1.0


def test_what_friction_keeps_from_the_load_cell_a_clairvoyant_does_not_know_either():
    """Session 93012 of seed 1: the kernel yielded with the first newtons that came through."""
    held = [(9.0, 48.0, 0.0, 0.0, LONG_AGO_S, LONG_AGO_S)] * 2 + [(9.0, 49.0, 0.0, 9.0, 0.0, LONG_AGO_S)] * 20
    assert max(clairvoyant(held)[0]) == 0.0
    through = (9.0, 58.0, 0.0, 12.0, 0.0, LONG_AGO_S)
    spared, _ = clairvoyant([*held, through, through, through])
    assert [newtons > 0.0 for newtons in spared[-3:]] == [False, True, True]  # a period later


def test_a_contraction_above_the_ceiling_is_not_forgotten_when_the_drive_ceases_to_obey():
    """Or whoever did not yield in time would be excused by what breaks afterwards."""
    pulls = [(9.0, 52.0, 0.0, 4.0, 0.0, LONG_AGO_S)] * 50
    late = [(9.0, 70.0, 0.0, 30.0, 0.0, LONG_AGO_S), (9.1, 72.0, 0.0, 30.0, 0.0, 0.0)]
    spared, _ = clairvoyant([(9.0, 48.0, 0.0, 0.0, LONG_AGO_S, LONG_AGO_S), *pulls, *late])
    assert spared[-1] > 15.0


def rises(course, gave_s=LONG_AGO_S):
    """Whether a stopped bed's tension rose, of (tension_n, breath_n) a tick."""
    state = rows("since", "lowest", "lowest_bare")
    state["lowest"][0] = state["lowest_bare"][0] = 1e9
    out = rows("slow", "power", "unwatched", "rise", "excused")
    for tension_n, breath_n in course:
        head = (PERIOD_S, 1.0, tension_n, 0.0, breath_n, 0)
        marks = (0.0, 1.0, LONG_AGO_S, LONG_AGO_S, LONG_AGO_S, gave_s, LONG_AGO_S, layout.FAULT)
        told = [np.full(1, value) for value in (*head, *marks)]
        invariants.end_stops.py_func(*told[:6], *state.values(), *told[6:], *out.values())
    return float(out["rise"][0]) == 1.0


def test_a_breath_that_friction_keeps_from_the_load_cell_is_no_rise():
    """Session 67608 of seed 1: tension stood still, and the patient breathed out."""
    assert not rises([(120.6, 2.3), (128.6, 2.5), (128.6, -1.8)])
    assert rises([(120.6, 2.3), (133.0, 2.3)])
    assert not rises([(120.6, -3.0), (133.0, 9.0)])  # all of it breath
    assert not rises([(120.6, 2.3), (133.0, 2.3)], gave_s=0.1)  # what the strap let go springs back


def since(bits, wanted_mm_s, outputs, seconds, silent=0.0):
    """Seconds since the drive went astray and was hindered, after so many of this."""
    names = ("calm", "disobeyed", "unable", "stray", "astray", "gave", "hindered", "misread", "lied", "weak")
    memory = {name: np.full(1, 0.0 if name == "stray" else LONG_AGO_S) for name in names}
    for _ in range(round(seconds / PERIOD_S)):
        told = (PERIOD_S, bits, silent, wanted_mm_s, 20.0, 0.0, 0.0, 0.0, outputs, 1.0)
        run(causes.regard_causes, told, memory)
    return float(memory["astray"][0]), float(memory["hindered"][0])


@pytest.mark.parametrize(
    ("bits", "wanted_mm_s", "outputs", "seconds", "astray"),
    [
        (faults.DRIVE_RUNAWAY, 20.0, layout.OUTPUT_POWER, 0.1, True),
        (faults.DRIVE_RUNAWAY, 20.0, layout.OUTPUT_POWER, 1.5, False),  # by then it must be let out
        (faults.DRIVE_RUNAWAY, 0.0, 0, 0.1, False),  # without power it runs nowhere
        (faults.DRIVE_RUNAWAY, 20.0, layout.OUTPUT_FREE, 0.1, False),
        (faults.DRIVE_SLOW, 2.0, layout.OUTPUT_POWER, 0.1, False),
        (faults.DRIVE_STUCK, 2.0, layout.OUTPUT_POWER, 0.1, False),
        (faults.CLOCK, 2.0, layout.OUTPUT_POWER, 0.1, False),
    ],
)
def test_a_drive_that_went_up_by_itself_excuses_only_while_it_does(
    bits, wanted_mm_s, outputs, seconds, astray
):
    """A fault that is set and does nothing must not blind the checks of a stop and of a slipped strap."""
    assert (since(bits, wanted_mm_s, outputs, seconds)[0] <= 0.02) == astray


@pytest.mark.parametrize(
    ("bits", "wanted_mm_s", "silent", "hindered"),
    [
        (faults.DRIVE_SLOW, 3.0, 0.0, False),
        (faults.DRIVE_SLOW, 21.0, 0.0, True),
        (faults.DRIVE_STUCK, 3.0, 0.0, True),
        (faults.LINK_LATE, 0.0, 0.04, True),
        (faults.LINK_LATE, 0.0, 0.0, False),
        (faults.LATE_TICKS, 3.0, 0.0, True),
        (faults.SENSOR_DRIFT, 3.0, 0.0, False),
    ],
)
def test_a_drive_is_hindered_only_where_it_cannot_do_what_it_is_told(bits, wanted_mm_s, silent, hindered):
    """A slow drive that need not go fast follows like any other, and may not climb steeper."""
    assert (since(bits, wanted_mm_s, layout.OUTPUT_POWER, 0.1, silent)[1] <= 0.02) == hindered


def climbs(hindered_s=LONG_AGO_S, rate_n_s=60.0, phase=layout.RAMP, gave_s=LONG_AGO_S, reached_n=40.0):
    """Whether tension that climbs so fast from 50 N on for a second is found, with 40 N of base."""
    memory = rows("smooth", "climbed", "broken")
    memory["climbed"][0] = 50.0
    found = False
    for tick in range(50):
        tension = 50.0 + rate_n_s * tick * PERIOD_S
        told = (
            PERIOD_S, 1.0, phase, 90_000, tension, 0.0, 0.0, 40.0, reached_n, 10.0, 8.0, LONG_AGO_S,
            hindered_s, LONG_AGO_S, gave_s,
        )  # fmt: skip
        run(invariants.bound_slew, told, memory)
        found = found or memory["broken"][0] > 0.0
    return found


def test_a_steep_climb_is_found_a_second_after_the_drive_could_follow_again():
    """It takes up what it could not follow; whatever is steep later has another cause."""
    assert climbs(1.1)
    assert not climbs(0.9)
    assert not climbs(rate_n_s=25.0)


def test_a_steep_climb_is_found_from_a_phase_s_first_second_on():
    """A rebuild that went back at once was seen by nobody for three seconds, and then it was over."""
    assert climbs(phase=layout.REBUILD)
    assert climbs(phase=layout.PRECONDITION, reached_n=0.0)
    assert climbs(gave_s=0.5)
    assert not climbs(phase=layout.PRECONDITION, reached_n=0.0, gave_s=0.5)  # below base it is taken up
    assert not climbs(reached_n=150.0)
    assert not climbs(phase=layout.SLACK)


def drops(phase, below_n, calm_s=LONG_AGO_S, before_calm_s=LONG_AGO_S):
    """Whether tension so far below the target of 100 N is found, after a second with another calm."""
    memory = rows("excused", "broken")
    for calm in (before_calm_s, calm_s):
        told = (
            PERIOD_S, phase, layout.OUTPUT_POWER, 100_000, 100.0 - below_n, 0.0, calm, *(LONG_AGO_S,) * 4,
        )  # fmt: skip
        run(invariants.let_out_gently, told, memory)
    return memory["broken"][0] > 0.0


@pytest.mark.parametrize("phase", [layout.COOLDOWN, layout.STOPPED])
def test_a_patient_who_keeps_still_is_let_out_along_the_target(phase):
    """A release at full speed is obeyed, never too slow and never rises: nothing else would find it."""
    assert drops(phase, 30.0)
    assert not drops(phase, 20.0)
    assert not drops(phase, 30.0, calm_s=0.5)
    assert not drops(phase, 30.0, before_calm_s=0.5)  # what was paid out then is not pulled in again
    assert not drops(layout.HOLD, 30.0)


def steps(phase, before_n, target_n):
    """Whether a target that goes from one to the other in a tick is too steep, with 40 N of base."""
    memory = rows("before", "too_high", "too_fast")
    memory["before"][0] = before_n
    told = (PERIOD_S, 1.0, 1.0, phase, target_n * 1000, 40.0, 200.0, 10.0, 8.0)
    run(invariants.bound_target, told, memory)
    return memory["too_fast"][0] > 0.0


def test_a_target_may_not_jump_from_one_phase_to_the_next():
    """Only where the slack is taken up does it begin at the tension that is there."""
    assert steps(layout.REBUILD, 40.0, 60.0)
    assert steps(layout.RAMP, 40.0, 60.0)
    assert steps(layout.PRECONDITION, 0.0, 60.0)
    assert not steps(layout.PRECONDITION, 0.0, 30.0)
    assert not steps(layout.REBUILD, 90.0, 60.0)


def base_kept(course, misread_s=LONG_AGO_S, ceiling_n=90.0):
    """Broken and excused ticks of 40 N of base, of (seconds, phase, tension_n, breath_n, calm_s) in turn."""
    names = ("reached", "eased", "rebuilt", "broken", "yielded", "slipped", "unable")
    row = {name: np.zeros(1) for name in names}
    broken = excused = 0
    for seconds, phase, tension_n, breath_n, calm_s in course:
        for _ in range(round(seconds / PERIOD_S)):
            told = (PERIOD_S, 3.0, 1.0, phase, 40_000, tension_n, breath_n, 40.0, ceiling_n)
            since = (calm_s, misread_s, 0.0, LONG_AGO_S)
            head, tail = ([np.full(1, value) for value in values] for values in (told, since))
            invariants.keep_base.py_func(*head, row["reached"], *tail, *(row[name] for name in names[1:]))
            broken += int(row["broken"][0])
            excused += int(row["yielded"][0])
    return broken, excused


def test_a_table_that_yielded_lacks_base_until_its_quiet_is_over_and_no_longer():
    """By hand: twice 3 s of quiet and 0.5 s more while it waits, 0.5 s of the rebuild; never deeper."""
    guarded, rebuild = layout.GUARDED, layout.REBUILD
    assert base_kept([(6.4, guarded, 20.0, 0.0, 9.0)]) == (0, 320)
    assert base_kept([(8.5, guarded, 20.0, 0.0, 9.0)]) == (100, 325)
    assert base_kept([(6.5, guarded, 20.0, 0.0, 0.5)]) == (0, 325)  # it contracts all the while
    assert base_kept([(3.0, guarded, 20.0, 0.0, 9.0), (0.4, rebuild, 20.0, 0.0, 9.0)]) == (0, 170)
    assert base_kept([(3.0, guarded, 20.0, 0.0, 9.0), (1.51, rebuild, 20.0, 0.0, 9.0)])[1] in (174, 175)
    soon_over = [(3.0, guarded, 20.0, 0.0, 9.0), (0.2, rebuild, 20.0, 0.0, 9.0)]  # session 3277 of seed 1
    assert base_kept([*soon_over, (0.28, layout.REST, 20.0, 0.0, 9.0)]) == (0, 174)
    assert base_kept([*soon_over, (1.3, layout.REST, 20.0, 0.0, 9.0)])[1] in (174, 175)
    near = [(3.0, guarded, 20.0, 0.0, 9.0), (1.51, rebuild, 20.0, 0.0, 9.0)]
    assert base_kept(near, ceiling_n=52.0)[1] in (212, 213)  # 1.25 s: session 162 of seed 4
    assert base_kept([(1.0, guarded, 3.0, 0.0, 9.0)]) == (50, 0)
    assert base_kept([(1.0, guarded, 3.0, -6.0, 9.0)]) == (0, 50)  # the patient breathes out
    assert base_kept([(6.5, guarded, 3.0, 0.0, 9.0)], misread_s=0.0) == (0, 325)  # the load cell is noise
    assert base_kept([(1.0, layout.HOLD, 20.0, 0.0, 9.0)]) == (50, 0)

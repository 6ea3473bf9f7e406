import numpy as np
import pytest
from spring_bed import Spring, bed_in

from services.controller.kernel import layout, phases
from services.controller.kernel import state as at

ROWS = [(phase, trigger, following) for names, trigger, following in phases.TABLE for phase in names]


@pytest.mark.parametrize(("phase", "trigger", "following"), ROWS)
def test_every_row_of_the_table_is_what_the_function_does(phase, trigger, following):
    """The table people read is the table the kernel obeys, compiled or not."""
    where, what = layout.PHASES.index(phase), phases.TRIGGERS.index(trigger)
    for function in (phases.next_phase, phases.next_phase.py_func):
        assert function(where, what) == layout.PHASES.index(following)


def test_what_is_not_in_the_table_does_not_happen():
    """No transition may exist that nobody wrote down, and none may be written twice."""
    told = {(phase, trigger) for phase, trigger, _ in ROWS}
    assert len(told) == len(ROWS)
    for where, phase in enumerate(layout.PHASES):
        for what, trigger in enumerate(phases.TRIGGERS):
            if (phase, trigger) not in told:
                assert phases.next_phase(where, what) == phases.NONE


@pytest.mark.parametrize("phase", phases.MOVING)
@pytest.mark.parametrize("trigger", ["stop", "patient_stop", "fault"])
def test_wherever_the_drive_may_move_it_can_be_stopped(phase, trigger):
    """There is no phase under tension without its three ways out."""
    following = phases.next_phase(layout.PHASES.index(phase), phases.TRIGGERS.index(trigger))
    assert layout.PHASES[following] in ("stopped", "fault")


def test_treatment_is_entered_only_by_start_and_resume():
    """Nothing but the bedside's two actions leads from rest into treatment."""
    treated = {*phases.TREATMENT}
    ways_in = {trigger for phase, trigger, following in ROWS if following in treated and phase not in treated}
    assert ways_in == {"start", "resume_slack", "resume_precondition", "resume"}


@pytest.mark.parametrize("phase", range(len(layout.PHASES)), ids=layout.PHASES)
@pytest.mark.parametrize("action", [layout.ACTION_STOP, layout.ACTION_REMOTE_STOP])
def test_stop_acts_within_the_same_tick_in_every_phase(phase, action):
    """From the tick that carries the stop on, nothing pulls, whatever was going on."""
    bed = bed_in(phase)
    sample = bed.tick(action)
    assert sample[layout.S_VELOCITY] <= 0 or sample[layout.S_PHASE] == layout.STOPPED
    ended = layout.PHASES[sample[layout.S_PHASE]]
    assert ended == {"idle": "idle", "done": "done", "fault": "fault"}.get(layout.PHASES[phase], "stopped")
    assert bed.state[at.RATE, 0] <= 0.0
    if ended == "stopped" and layout.PHASES[phase] != "stopped":
        remote = action == layout.ACTION_REMOTE_STOP
        assert sample[layout.S_REASON] == (
            layout.REASON_REMOTE_STOP if remote else layout.REASON_OPERATOR_STOP
        )


@pytest.mark.parametrize("phase", [layout.PHASES.index(name) for name in phases.MOVING], ids=phases.MOVING)
def test_the_patient_switch_acts_within_the_same_tick(phase):
    """The patient's own stop is obeyed at once, latched, and its reason kept."""
    bed = bed_in(phase)
    bed.pressed = True
    sample = bed.tick()
    assert bed.phase == "stopped"
    assert sample[layout.S_CONDITIONS] & layout.PATIENT_SWITCH
    assert sample[layout.S_REASON] == layout.REASON_PATIENT_SWITCH
    bed.pressed = False
    assert bed.tick()[layout.S_CONDITIONS] & layout.PATIENT_SWITCH


@pytest.mark.parametrize("phase", range(len(layout.PHASES)), ids=layout.PHASES)
@pytest.mark.parametrize("action", [layout.ACTION_REMOTE_PAUSE, layout.ACTION_REMOTE_STOP])
def test_remote_never_starts_resumes_or_raises(phase, action):
    """After anything remote, in any phase, the target never goes above where it was."""
    bed = bed_in(phase)
    before = bed.tick(action)[layout.S_TARGET]
    after = bed.run(3.0)
    told = {layout.PHASES[value] for value in after[:, layout.S_PHASE]}
    if layout.PHASES[phase] in phases.MOVING[:-1]:
        assert told <= {"paused", "stopped"} or phase == layout.PAUSED
        assert after[:, layout.S_TARGET].max() <= before
    elif action == layout.ACTION_REMOTE_PAUSE:
        assert bed.sample[layout.S_REFUSAL, 0] == layout.REFUSAL_NONE
        assert "paused" not in told


def test_power_is_cut_five_seconds_after_a_patient_stop():
    """Tension first goes to zero by the drive, then the second channel takes its power away."""
    bed = bed_in(layout.HOLD)
    bed.pressed = True
    samples = bed.run(6.0)
    power = (samples[:, layout.S_OUTPUTS] & layout.OUTPUT_POWER).astype(bool)
    cut_s = (np.argmin(power) + 1) * bed.period_s
    assert cut_s == pytest.approx(5.0, abs=0.06)
    assert samples[np.argmin(power), layout.S_FORCE] < 80
    assert not power[np.argmin(power) :].any()


@pytest.mark.parametrize("action", [layout.ACTION_STOP, layout.ACTION_NONE])
def test_a_drive_that_nobody_watches_any_more_has_no_power(action):
    """A drive that ran away after a release pulled 696 N: session 25099 of `spondyl verify --seed 1`."""
    bed = bed_in(layout.HOLD if action else layout.DONE)
    bed.tick(action)
    last = bed.run(8.0)[-1]
    assert last[layout.S_PHASE] == (layout.STOPPED if action else layout.DONE)
    assert not last[layout.S_OUTPUTS] & layout.OUTPUT_POWER


def test_a_session_walks_through_its_phases_to_the_end():
    """From load to idle as prescribed: cycles whose peaks grow, base kept between, everything released."""
    bed = Spring()
    bed.begin()
    samples = bed.run(140.0)
    changes = samples[np.flatnonzero(np.diff(samples[:, layout.S_PHASE], prepend=-1)), layout.S_PHASE]
    names = [layout.PHASES[value] for value in changes]
    assert names[:7] == ["slack", "precondition", "ramp", "hold", "release", "rest", "ramp"]
    assert names[-3:] == ["cooldown", "done", "idle"]
    holding = samples[samples[:, layout.S_PHASE] == layout.HOLD]
    peaks = [holding[holding[:, layout.S_CYCLE] == cycle, layout.S_PEAK][0] for cycle in (1, 2, 3, 4)]
    assert peaks == [200_000, 230_000, 260_000, 260_000]
    assert samples[-1, layout.S_REASON] == layout.REASON_COMPLETED
    assert samples[-1, layout.S_SESSION] == 0
    assert (samples[:, layout.S_EVENTS] & layout.EVENT_CYCLE_COMPLETED).astype(bool).sum() >= 3
    assert not (samples[:, layout.S_EVENTS] & layout.EVENT_GUARDING_DETECTED).any()


def test_the_target_stays_between_base_and_peak_during_treatment():
    """Base tension is always kept, the peak never exceeded, guarding or not."""
    bed = Spring(seed=5)
    bed.begin()
    told = []
    for tick in range(5000):
        bed.counter_n = 35.0 if 1500 <= tick % 2300 < 1560 else 0.0
        told.append(bed.tick().copy())
    samples = np.array(told)
    ramp = np.argmax(samples[:, layout.S_PHASE] == layout.RAMP)
    cycling = samples[ramp:]
    cycling = cycling[np.isin(cycling[:, layout.S_PHASE], range(layout.RAMP, layout.COOLDOWN))]
    assert cycling[:, layout.S_GUARDINGS].max() >= 1
    assert cycling[:, layout.S_TARGET].min() >= 100_000 - 1
    assert (cycling[:, layout.S_TARGET] <= cycling[:, layout.S_PEAK] + 1).all()
    assert cycling[:, layout.S_TARGET].max() <= 260_000


def test_the_base_is_kept_although_a_breath_has_misled_the_stiffness():
    """Session 39958 of seed 1: 6 N/mm were learnt of 11, and easing left 22 N of a base of 78."""
    bed = bed_in(layout.REST, base_n=80, rest_s=60)
    bed.run(4.0)
    bed.state[at.POSITION_POWER], bed.state[at.CROSS_POWER] = 1.0, 6.0  # 6 N/mm, where 18 are true
    bed.counter_n = 40.0
    bed.run(1.5)
    bed.counter_n = 0.0
    bed.tick()
    assert bed.phase == "guarded"
    assert bed.state[at.STIFFNESS, 0] == pytest.approx(6.0, abs=0.5)
    assert bed.force > 0.85 * 80

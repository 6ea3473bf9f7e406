"""How a programme grows: by what was done and what hurt, never above a ceiling, never past a lock."""

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.homecare.exercises.library import library
from services.homecare.gates.deciding import decide
from services.homecare.models import Judged, Wanted
from services.homecare.progression.levels import Answered, Done, Hurt, level
from services.homecare.progression.today import EVERYTHING, Course, plan

MONDAY = date(2026, 11, 23)
JUDGED = Judged(
    exercise="bridge", verdict="home", supervised_sessions=1, start_level=0, ceiling_level=2,
    most_minutes_per_session=6, most_minutes_per_day=12,
)  # fmt: skip
WANTED = Wanted.model_validate({
    "region": "lumbar", "stage": "chronic", "hernia": "protrusion", "size": "slight", "body_weight_kg": 80,
    "starts_on": MONDAY, "weeks": 8,
    "exercises": [{"exercise": "head-and-shoulder-raise", "ceiling_level": 3},
                  {"exercise": "hand-against-opposite-knee", "ceiling_level": 3},
                  {"exercise": "bridge", "ceiling_level": 2},
                  {"exercise": "hanging", "ceiling_level": 2}],
})  # fmt: skip
DECISION = decide(WANTED)
SIGNED = {one.exercise: one.supervised_sessions for one in DECISION.exercises}


def days(count, *, pain=1, first=0):
    """So many complete days, one after the other."""
    return [Done(MONDAY + timedelta(days=first + at), is_complete=True, pain_nrs=pain) for at in range(count)]


def test_four_good_days_grow_by_one_level():
    """Adherence is what makes it grow."""
    assert [level(JUDGED, days(count)) for count in (0, 3, 4, 8, 30)] == [0, 0, 1, 2, 2]


def test_what_is_done_now_and_then_does_not_grow():
    """Four days within a month are no adherence."""
    seldom = [Done(MONDAY + timedelta(days=7 * at), is_complete=True, pain_nrs=0) for at in range(4)]
    assert level(JUDGED, seldom) == 0


def test_pain_above_mild_stops_the_growing_and_a_report_lowers_it():
    """Uncomfortable days count for nothing; a report takes a level, a clinician's answer another."""
    assert level(JUDGED, days(8, pain=4)) == 0
    grown = days(8)
    assert level(JUDGED, [*grown, Hurt(MONDAY)]) == 1
    assert level(JUDGED, [*grown, Hurt(MONDAY), Answered(MONDAY, "lower")]) == 0
    assert level(JUDGED, [*grown, Hurt(MONDAY), Answered(MONDAY, "go_on")]) == 1


def test_fewer_sets_than_the_level_has_are_no_whole_day():
    """Who leaves out sets is not given more of them."""
    judged = DECISION.exercises[0]
    assert judged.exercise == "head-and-shoulder-raise"
    counted = [Done(MONDAY + timedelta(days=at), True, 0, sets=1) for at in range(12)]
    ones = library().of(judged.exercise).levels
    assert level(judged, counted) == next(at for at, row in enumerate(ones) if row.sets > 1)


def test_after_a_long_pause_it_begins_lower():
    """Whoever was ill for three weeks does not hang for thirty seconds the next day."""
    assert level(JUDGED, days(8), on=MONDAY + timedelta(days=30)) == 1
    assert level(JUDGED, [*days(8), *days(1, first=30)]) == 1


EVENTS = st.lists(
    st.one_of(
        st.builds(lambda at, whole, pain: Done(MONDAY + timedelta(days=at), whole, pain),
                  st.integers(0, 60), st.booleans(), st.none() | st.integers(0, 10)),
        st.builds(lambda at: Hurt(MONDAY + timedelta(days=at)), st.integers(0, 60)),
        st.builds(lambda at, answer: Answered(MONDAY + timedelta(days=at), answer), st.integers(0, 60),
                  st.sampled_from(["go_on", "lower", "stays_off"])),
    ),
    max_size=60,
)  # fmt: skip


@pytest.mark.requirement("cap-the-home-dose")
@given(EVENTS, st.integers(0, 3), st.integers(0, 3))
def test_no_path_passes_the_ceiling_or_jumps(events, start, ceiling):
    """Whatever happens, in whatever order it comes: within 0 and the ceiling, one level at a time."""
    judged = JUDGED.model_copy(update={"start_level": min(start, ceiling), "ceiling_level": ceiling})
    levels = [level(judged, events[:count]) for count in range(len(events) + 1)]
    assert all(0 <= one <= ceiling for one in levels)
    assert all(abs(one - other) <= 2 for one, other in itertools.pairwise(levels))
    assert all(later - before <= 1 for before, later in itertools.pairwise(levels))


@pytest.mark.requirement("supervise-first")
def test_nothing_is_open_at_home_before_its_supervised_sessions_are_signed():
    """Each by itself: who has done the bridge beside a therapist has not hung yet."""
    day = plan(WANTED, DECISION, Course(signed={"bridge": 1}), MONDAY)
    assert {one.exercise: one.status for one in day.items} == {
        "head-and-shoulder-raise": "supervision", "hand-against-opposite-knee": "supervision",
        "bridge": "open", "hanging": "supervision",
    }  # fmt: skip


@pytest.mark.requirement("cap-the-home-dose")
@given(
    st.dictionaries(st.sampled_from(sorted(SIGNED)), st.integers(0, 30)),
    st.sets(st.sampled_from([*SIGNED, EVERYTHING])), st.sets(st.sampled_from(sorted(SIGNED))),
    st.dictionaries(st.sampled_from(sorted(SIGNED)), st.integers(0, 4)), st.booleans(),
    st.sampled_from(["supervised", "running", "paused", "completed", "ended"]),
    st.dictionaries(st.integers(-10, 10).map(lambda at: MONDAY + timedelta(days=at)), st.integers(0, 4000)),
    st.integers(0, 60),
)  # fmt: skip
def test_no_day_exceeds_a_cap_skips_supervision_or_opens_a_lock(
    levels, locked, off, signed, is_suspended, state, done_s, ahead
):
    """Whatever a programme has been through, and whatever levels somebody computed."""
    course = Course(
        state=state, is_suspended=is_suspended, levels=levels, locked=locked, off=off, signed=signed,
        done_s=done_s,
    )  # fmt: skip
    day = plan(WANTED, DECISION, course, MONDAY + timedelta(days=ahead))
    is_open = [one for one in day.items if one.status == "open"]
    assert sum(one.seconds for one in is_open) == day.seconds <= day.cap_s <= 20 * 60
    for item in is_open:
        assert item.exercise not in locked | off
        assert EVERYTHING not in locked
        assert not is_suspended
        assert state in ("supervised", "running")
        assert signed.get(item.exercise, 0) >= SIGNED[item.exercise] > 0
    ceilings = {one.exercise: one.ceiling_level for one in DECISION.exercises}
    assert all(one.level <= ceilings[one.exercise] for one in day.items)


def test_what_does_not_fit_any_more_is_shorter_or_waits():
    """The caps are the day's and the week's; what was done this week is not done again on Sunday."""
    full = plan(WANTED, DECISION, Course(signed=SIGNED, levels={"head-and-shoulder-raise": 3}), MONDAY)
    assert full.seconds <= full.cap_s == 1200
    assert "open" in {one.status for one in full.items}
    week = {MONDAY + timedelta(days=at): 1190 for at in range(5)}
    sunday = plan(WANTED, DECISION, Course(signed=SIGNED, done_s=week), MONDAY + timedelta(days=6))
    assert (sunday.cap_s, sunday.is_rest_day) == (50, True)
    assert {one.status for one in sunday.items} <= {"open", "over_cap"}
    assert sunday.seconds <= 50

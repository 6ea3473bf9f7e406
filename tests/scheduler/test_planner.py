"""Every placement against an independent checker, the optimum of small cases against trying everything."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scheduler.planner_rig import MONDAY, at, booked, clinic, exhaustive, site, uuid, week

from services.scheduler.planner.alternatives import alternatives, starts_near
from services.scheduler.planner.batch import improve
from services.scheduler.planner.cadences import CADENCES, GAPS
from services.scheduler.planner.check import conflicts
from services.scheduler.planner.greedy import first_fit
from services.scheduler.planner.place import place
from services.scheduler.planner.problem import (
    Effort,
    Outage,
    Placed,
    Plan,
    Refused,
    Request,
    Wishes,
)
from services.scheduler.planner.why import against

PATIENT = uuid(1)
PATIENCE = Effort(place_s=60)  # a loaded machine is no reason for another answer


def asked(sessions=6, cadence="daily", **changes):
    given = {"patient": PATIENT, "site": "north", "region": "lumbar", "earliest": MONDAY}
    return Request(sessions=sessions, cadence=CADENCES[cadence], **(given | changes))


def rules(refused):
    assert isinstance(refused, Refused), refused
    return {reason.id for reason in refused.reasons}


def placed(problem, request):
    """The plan, after the independent checker and the rules have looked at it."""
    plan = place(problem, request, PATIENCE)
    assert isinstance(plan, Plan), plan
    assert plan.proven
    assert conflicts(problem, [(request, plan.appointments)]) == []
    assert against(problem, request, plan.appointments) == []
    return plan


HOURS = st.tuples(st.integers(16, 24), st.integers(3, 8)).map(lambda h: (h[0] * 30, h[0] * 30 + h[1] * 30))


@st.composite
def houses(draw):
    """A small house with holes in its days, and somebody who wants a cure."""
    opening = draw(HOURS)
    where = site(
        opening=week(*opening, days=draw(st.sampled_from([5, 7]))),
        rest_h=draw(st.sampled_from([12.0, 20.0, 23.5, 30.0])),
        zone=draw(st.sampled_from(["Europe/Berlin", "Europe/Lisbon", "America/New_York"])),
        clean_up_min=draw(st.sampled_from([0, 15])),
        grid_min=draw(st.sampled_from([15, 30])),
    )
    first = draw(st.sampled_from([date(2026, 3, 26), date(2026, 10, 22), date(2026, 12, 21), MONDAY]))
    zone = ZoneInfo(where.zone)
    starts = draw(st.lists(st.tuples(st.integers(0, 25), st.integers(0, 12), st.booleans()), max_size=40))
    taken = []
    for number, (day, quarter, second) in enumerate(starts):
        minute = opening[0] + 15 * quarter
        begins = datetime.combine(first, datetime.min.time(), zone) + timedelta(days=day, minutes=minute)
        taken.append(
            booked(number, begins, device="bed-2" if second else "bed-1", therapist=901 if second else 900)
        )
    free = [one for n, one in enumerate(taken) if not any(_meet(one, two) for two in taken[:n])]
    problem = clinic(where, booked=free, now=datetime.combine(first, datetime.min.time(), UTC))
    request = asked(
        sessions=draw(st.integers(2, 12)),
        cadence=draw(st.sampled_from(sorted(CADENCES))),
        earliest=first,
        start_within_days=draw(st.integers(0, 10)),
    )
    return problem, request


def _meet(one, two):
    same = (one.device, one.therapist) == (two.device, two.therapist)
    return same and abs(one.starts_at - two.starts_at) < timedelta(minutes=60)


@settings(max_examples=40)
@given(houses())
def test_whatever_is_placed_breaks_no_rule_and_is_never_worse_than_first_fit(house):
    """Checker, rules and planner look at the same calendar: they agree, clock changes included."""
    problem, request = house
    plan, greedy = place(problem, request, PATIENCE), first_fit(problem, request)
    if isinstance(greedy, Plan):
        assert conflicts(problem, [(request, greedy.appointments)]) == []
        assert isinstance(plan, Plan)
        assert plan.figures <= greedy.figures
    if isinstance(plan, Plan):
        assert plan.proven
        assert conflicts(problem, [(request, plan.appointments)]) == []
        assert against(problem, request, plan.appointments) == []
        assert place(problem, request, PATIENCE) == plan


@st.composite
def tiny_houses(draw):
    """So small that every series can be tried: a few starts a day on a week or two."""
    where = site(opening=week(480, draw(st.sampled_from([540, 600]))), grid_min=30, clean_up_min=0,
                 rest_h=draw(st.sampled_from([12.0, 23.5])))  # fmt: skip
    beds = draw(st.integers(1, 2))
    taken = draw(
        st.sets(
            st.tuples(st.integers(0, 9), st.sampled_from([480, 510, 525]), st.integers(1, beds)), max_size=9
        )
    )
    rows = []
    for number, (day, minute, bed) in enumerate(sorted(taken)):
        one = booked(number, at(MONDAY + timedelta(days=day), minute // 60, minute % 60), device=f"bed-{bed}",
                     therapist=899 + bed)  # fmt: skip
        if not any(_meet(one, two) for two in rows):
            rows.append(one)
    problem = clinic(where, beds=beds, people=beds, booked=rows)
    sessions, cadence = draw(st.sampled_from([(2, "daily"), (3, "daily"), (3, "three"), (2, "two")]))
    return problem, asked(sessions, cadence, start_within_days=draw(st.integers(0, 3)), longest_pause_days=5)


@settings(max_examples=12)
@given(tiny_houses())
def test_the_optimum_of_small_cases_is_what_trying_everything_finds(house):
    """Proven is a strong word: here every series there is has been looked at."""
    problem, request = house
    best = exhaustive(problem, request, 12)
    plan = place(problem, request, PATIENCE)
    if best is None:
        assert isinstance(plan, Refused)
        assert plan.proven
    else:
        assert isinstance(plan, Plan)
        assert plan.proven
        assert plan.figures == best


def test_an_empty_house_gives_one_time_one_bed_and_one_therapist():
    """Nothing stands in the way of the best series there is."""
    plan = placed(clinic(), asked(18, "taper"))
    assert plan.figures.cadence_violations == 0
    assert plan.figures.distinct_times == 1
    assert plan.figures.start_days == 0
    assert plan.figures.devices_and_therapists == 2


@pytest.mark.parametrize(("hours", "first"), [((480, 1080), 8), ((0, 1440), 6), ((1080, 1800), 18)])
def test_of_equally_good_times_the_earliest_of_the_day_is_taken(hours, first):
    """An empty clinic's first patient comes in the morning: not at a quarter to midnight, nor at midnight."""
    plan = placed(clinic(site(opening=week(*hours, days=7)), beds=3, people=3), asked(18, "taper"))
    assert {(one.starts_at.hour, one.starts_at.minute) for one in plan.appointments} == {(first, 0)}


def test_a_gap_that_can_be_filled_is_worth_more_than_an_early_time():
    """The time of day decides only among equals."""
    there = [booked(1, at(MONDAY, 14)), booked(2, at(MONDAY, 16))]
    plan = placed(clinic(booked=there, beds=1), asked(1))
    assert plan.appointments[0].starts_at == at(MONDAY, 15)


def test_five_a_week_are_five_in_every_week():
    """A pause that no weekend explains is a session that comes too late."""
    plan = placed(clinic(), asked(10))
    days = [one.starts_at.date() for one in plan.appointments]
    assert days == [MONDAY + timedelta(days=n) for n in (0, 1, 2, 3, 4, 7, 8, 9, 10, 11)]


def test_a_clock_change_keeps_the_time_on_the_wall():
    """Nine o'clock is nine o'clock on both sides of the last Sunday of October."""
    request = asked(10, earliest=date(2026, 10, 19))
    plan = placed(clinic(now=datetime(2026, 10, 18, tzinfo=UTC)), request)
    assert len({one.starts_at.strftime("%H:%M") for one in plan.appointments}) == 1
    assert {one.starts_at.utcoffset() for one in plan.appointments} == {
        timedelta(hours=1),
        timedelta(hours=2),
    }


@pytest.mark.parametrize(("night", "starts"), [(date(2026, 3, 29), 4), (date(2026, 10, 25), 12)])
def test_a_night_shift_has_an_hour_less_or_more_when_the_clock_changes(night, starts):
    """45 minutes are 45 minutes: between one and four there is room for fewer or more of them."""
    where = site(opening=((),) * 6 + (((60, 240),),), clean_up_min=0, state="")
    problem = clinic(where, beds=1, people=1, now=datetime(2026, 1, 1, tzinfo=UTC))
    request = asked(1, earliest=night, wishes=Wishes(), start_within_days=0)
    found = starts_near(problem, request, at(night, 2), most=50, within_days=1)
    assert len({one.starts_at.astimezone(UTC) for one in found}) == {4: 6, 12: 14}[starts]
    assert all(
        one.ends_at.astimezone(UTC) - one.starts_at.astimezone(UTC) == timedelta(minutes=45) for one in found
    )


def test_a_house_that_is_open_past_midnight_plans_across_it():
    """The window belongs to the evening it begins on, the session's day is that of its start."""
    where = site(opening=week(23 * 60, 26 * 60), state="")
    plan = placed(
        clinic(where), asked(5, wishes=Wishes(times=((0, 120),), weekdays=frozenset({1, 2, 3, 4, 5})))
    )
    assert all(one.starts_at.hour < 2 for one in plan.appointments)


def test_holidays_of_the_site_s_state_are_left_out_and_held_against_nobody():
    """Epiphany is one in Bavaria and none in Berlin."""
    dates = {}
    for state in ("DE-BY", "DE-BE"):
        problem = clinic(site(state=state), now=datetime(2027, 1, 3, tzinfo=UTC))
        plan = placed(problem, asked(5, earliest=date(2027, 1, 4), start_within_days=0))
        dates[state] = {one.starts_at.date() for one in plan.appointments}
        assert plan.figures.cadence_violations == 0
    assert date(2027, 1, 6) in dates["DE-BE"]
    assert date(2027, 1, 6) not in dates["DE-BY"]


def test_a_patient_rests_between_sites_of_two_zones():
    """Twenty hours are counted on the clock that both sites share, not on their walls."""
    berlin, lisbon = site(), site(id="south", zone="Europe/Lisbon", state="PT-11")
    here = clinic(berlin)
    there = clinic(lisbon)
    elsewhere = booked(7, at(MONDAY, 17, 0, "Europe/Lisbon"), patient=1, site="south")
    problem = replace(
        here,
        sites=here.sites | there.sites,
        devices=here.devices + there.devices,
        booked=(elsewhere,),
    )
    tuesday = MONDAY + timedelta(days=1)
    placed(problem, asked(2, earliest=tuesday, start_within_days=0))
    first = starts_near(problem, asked(1, earliest=tuesday), at(tuesday, 8), most=1)[0]
    assert first.starts_at == at(tuesday, 14, 45)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"sessions": 200}, "sessions"),
        ({"sessions": 0}, "sessions"),
        ({"site": "nowhere"}, "site-unknown"),
        ({"region": "knee"}, "no-device"),
        ({"wishes": Wishes(device="bed-9")}, "device-unknown"),
        ({"wishes": Wishes(therapist=uuid(77))}, "therapist-unknown"),
        ({"wishes": Wishes(weekdays=frozenset({0, 2}))}, "cadence"),
        ({"wishes": Wishes(times=((480, 500),))}, "wish-short"),
        ({"wishes": Wishes(times=((1080, 1200),))}, "series-times"),
    ],
)
def test_what_cannot_be_is_refused_with_its_rule(changes, rule):
    """A refusal that says nothing sends the desk on a search."""
    refused = place(clinic(), asked(**{"sessions": 10} | changes), PATIENCE)
    assert rule in rules(refused)
    assert all(reason.text["de"] and reason.text["en"] for reason in refused.reasons)


def test_a_removed_or_broken_bed_is_not_planned_on():
    """Nobody is sent to a bed that stands in the workshop."""
    out = Outage(at(MONDAY, 0), at(MONDAY + timedelta(days=60), 0), "motor")
    problem = clinic(beds=1, outages=(out,))
    assert "series" in rules(place(problem, asked(), PATIENCE))
    assert rules(place(replace(problem, devices=()), asked(), PATIENCE)) == {"no-device"}


def test_what_is_fixed_stays_and_the_rest_is_planned_around_it():
    """This and following: what was held or confirmed is no longer a question."""
    whole = placed(clinic(), asked(6)).appointments
    moved = replace(
        whole[2], starts_at=at(MONDAY + timedelta(days=3), 15), ends_at=at(MONDAY + timedelta(days=3), 15, 45)
    )
    plan = place(clinic(), asked(6, fixed=(*whole[:2], moved), earliest=MONDAY + timedelta(days=3)), PATIENCE)
    assert isinstance(plan, Plan)
    assert plan.appointments[:3] == (*whole[:2], moved)
    assert plan.appointments[3].starts_at - moved.ends_at >= timedelta(hours=20)


def test_every_alternative_works_when_it_is_taken():
    """A suggestion that fails when it is taken is worse than none."""
    full = [booked(2 * n + bed, at(MONDAY + timedelta(days=n), 9), device=f"bed-{bed}", therapist=899 + bed)
            for n in range(60) for bed in (1, 2) if (MONDAY + timedelta(days=n)).weekday() < 5]  # fmt: skip
    problem = clinic(booked=full)
    request = asked(10, wishes=Wishes(times=((9 * 60, 10 * 60),)))
    assert "series-times" in rules(place(problem, request, PATIENCE))
    offered = alternatives(problem, request, PATIENCE)
    assert [one.id for one in offered][:2] == ["wider", "times"]
    for one in offered:
        assert conflicts(problem, [(one.request, one.plan.appointments)]) == []


def test_a_limit_of_time_is_said_and_never_called_proven():
    """An answer that was cut short is the best so far, or none, and says which."""
    answer = place(clinic(beds=3, people=3), asked(20, "two"), Effort(place_s=0.001))
    assert not answer.proven
    if isinstance(answer, Refused):
        assert rules(answer) == {"time-limit"}


def test_improving_in_the_background_never_moves_what_is_confirmed():
    """Only cures that nobody was told of yet are placed anew, and only for the better."""
    cure, late = uuid(42), [at(MONDAY + timedelta(days=n), 8 + 2 * n) for n in range(5)]
    rows = [
        booked(n, start, patient=1, cure=cure, number=n + 1, confirmed=n == 1) for n, start in enumerate(late)
    ]
    series = [Placed(b.number, b.starts_at, b.ends_at, b.device, b.therapist) for b in rows]
    problem = clinic(booked=rows)
    request = asked(5, cure=cure, fixed=(series[1],))
    better = improve(problem, [(request, series)], PATIENCE)
    assert [one.request.cure for one in better] == [cure]
    assert better[0].plan.figures < better[0].was
    assert better[0].plan.appointments[1] == series[1]
    assert improve(problem, [(replace(request, fixed=()), series)], PATIENCE) == []


@pytest.mark.parametrize("cadence", CADENCES.values(), ids=CADENCES)
def test_every_cadence_says_how_many_a_week_and_where_it_comes_from(cadence):
    """A row without words or source is no pattern that a clinic could choose."""
    assert cadence.text["de"]
    assert cadence.text["en"]
    assert cadence.source
    assert len(cadence.weeks_of(20)) == 20
    assert {per_week for _, per_week in cadence.weeks_of(20)} <= GAPS.keys()

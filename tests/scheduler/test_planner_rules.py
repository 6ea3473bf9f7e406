"""Why not Tuesday at ten? Each rule is broken once and has to be named, in both languages."""

import re
from dataclasses import replace
from datetime import date, timedelta

import pytest
from scheduler.planner_rig import MONDAY, at, booked, clinic, site, uuid, week

from services.scheduler.planner.alternatives import alternatives
from services.scheduler.planner.cadences import CADENCES
from services.scheduler.planner.place import place
from services.scheduler.planner.problem import Effort, Outage, Placed, Request, Wishes
from services.scheduler.planner.rules import RULES
from services.scheduler.planner.why import NOBODY, against, single, why

TUESDAY = MONDAY + timedelta(days=1)
TEN = at(TUESDAY, 10)
PATIENCE = Effort(place_s=60)  # a loaded machine is no reason for another answer
OUT = Outage(at(TUESDAY, 0), at(TUESDAY, 23), "motor")


def answer(
    problem, starts_at=TEN, *, patient=NOBODY, device=None, therapist=None, region="lumbar", wished=None
):
    request = single("north", region, patient, wished)
    return why(problem, request, starts_at, device, therapist)


CASES = {
    "past": lambda: answer(clinic(now=at(TUESDAY, 10))),
    "closed": lambda: answer(clinic(shifts=week(480, 1200)), at(TUESDAY, 17, 30)),
    "closed-day": lambda: answer(clinic(site(closed={TUESDAY: "Betriebsausflug"}))),
    "holiday": lambda: answer(clinic(), at(date(2026, 12, 25), 10)),
    "grid": lambda: answer(clinic(), at(TUESDAY, 10, 5)),
    "device-unknown": lambda: answer(clinic(), device="bed-7"),
    "device-region": lambda: answer(clinic(), region="knee"),
    "device-busy": lambda: answer(clinic(beds=1, booked=[booked(1, at(TUESDAY, 9, 30), therapist=901)])),
    "clean-up": lambda: answer(clinic(beds=1, booked=[booked(1, at(TUESDAY, 9, 15), therapist=901)])),
    "device-outage": lambda: answer(clinic(outages=(OUT,))),
    "therapist-unknown": lambda: answer(clinic(), therapist=uuid(5)),
    "no-therapist": lambda: answer(clinic(people=0)),
    "therapist-shift": lambda: answer(clinic(shifts=week(720, 1080))),
    "therapist-busy": lambda: answer(clinic(people=1, booked=[booked(1, at(TUESDAY, 10), device="bed-2")])),
    "therapist-away": lambda: answer(
        replace(clinic(), therapists=tuple(replace(t, away=(OUT,)) for t in clinic().therapists))
    ),
    "patient-busy": lambda: answer(
        clinic(booked=[booked(1, at(TUESDAY, 10, 30), patient=1)]), patient=uuid(1)
    ),
    "rest": lambda: answer(clinic(booked=[booked(1, at(TUESDAY, 16), patient=1)]), patient=uuid(1)),
    "wish-times": lambda: answer(clinic(), wished=Wishes(times=((480, 630),))),
    "wish-weekdays": lambda: answer(clinic(), wished=Wishes(weekdays=frozenset({0}))),
    "wish-device": lambda: answer(clinic(), device="bed-1", wished=Wishes(device="bed-2")),
    "wish-therapist": lambda: answer(clinic(), therapist=uuid(900), wished=Wishes(therapist=uuid(901))),
}


@pytest.mark.parametrize("rule", CASES)
def test_the_rule_that_forbids_it_is_the_answer(rule):
    """One thing is wrong, one rule is named, and it speaks both languages without a hole."""
    found = CASES[rule]()
    assert not found.ok
    assert {reason.id for reason in found.reasons} == {rule}
    for reason in found.reasons:
        assert "{" not in reason.text["de"] + reason.text["en"]
        assert reason.row() == {"id": rule, "text_de": reason.text["de"], "text_en": reason.text["en"]}


def test_nothing_forbids_it_and_the_answer_says_where_and_with_whom():
    """An answer that is yes is of use only with the bed and the person."""
    found = answer(clinic(booked=[booked(1, TEN)]))
    assert found.ok
    assert (found.device, found.therapist) == ("bed-2", uuid(901))


def test_a_holiday_is_called_by_its_name_and_state():
    """The desk tells the patient which day it is, in the patient's language."""
    reason = CASES["holiday"]().reasons[0]
    assert "Erster Weihnachtstag" in reason.text["de"]
    assert "Berlin" in reason.text["de"]
    assert "Christmas Day" in reason.text["en"]


def test_a_time_that_is_over_is_not_measured_against_an_earliest_start_that_nobody_named():
    """Who asks about last Tuesday has typed no earliest start, and would look for it in the form."""
    friday = at(MONDAY - timedelta(days=3), 9)
    problem = clinic()
    assert [one.id for one in why(problem, single("north", "lumbar"), friday).reasons] == ["past"]


@pytest.mark.parametrize(("days_ago", "rules"), [(40, {"earliest-past"}), (3, {"earliest-past", "series"})])
def test_a_start_in_the_past_is_called_so_and_what_works_begins_now(days_ago, rules):
    """The desk that mistyped the month must not look for its fault in the wishes."""
    problem = clinic()
    full = [booked(day, at(MONDAY + timedelta(days=day), 8), device="bed-1") for day in range(12)]
    shut = replace(problem, booked=tuple(full)) if days_ago < 14 else problem
    earliest = MONDAY - timedelta(days=days_ago)
    wishes = Wishes(times=((480, 525),), device="bed-1")
    request = Request(uuid(1), "north", "lumbar", 5, CADENCES["daily"], earliest, wishes)
    refused = place(shut, request, PATIENCE)
    assert rules <= {one.id for one in refused.reasons}
    assert refused.reasons[0].id == "earliest-past"
    offered = alternatives(shut, request, PATIENCE)
    assert offered
    assert all(one.plan.appointments[0].starts_at > shut.now for one in offered)


DAYS = [MONDAY + timedelta(days=n) for n in range(40)]


@pytest.mark.parametrize(
    ("days", "rule"),
    [
        ((0, 0, 1), "order"),
        ((0, 1, 20), "pause"),
        ((0, 1, 2, 3, 4, 6), "cadence-week"),
        ((15, 16, 17), "latest"),
        ((-1, 0, 1), "earliest"),
    ],
)
def test_a_series_moved_by_hand_is_held_against_the_rules_between_its_appointments(days, rule):
    """A drag in the calendar must not make a cure that the planner would never make."""
    problem = clinic(site(opening=week(480, 1080, days=7), state="", rest_h=12.0))
    series = [
        Placed(
            n + 1,
            at(DAYS[0] + timedelta(days=day), 8 + 2 * (day == days[n - 1])),
            at(DAYS[0], 9),
            "bed-1",
            uuid(900),
        )
        for n, day in enumerate(days)
    ]
    series = [replace(one, ends_at=one.starts_at + timedelta(minutes=45)) for one in series]
    request = Request(uuid(1), "north", "lumbar", len(days), CADENCES["daily"], DAYS[0])
    found = {reason.id for reason in against(problem, request, series)}
    assert rule in found
    assert found <= {rule, "past"}


def test_every_rule_is_said_in_both_languages_with_the_same_values():
    """A value that one language leaves out is a fact that half of the readers miss."""
    for name, text in RULES.items():
        german, english = (set(re.findall(r"{(\w+)}", text[language])) for language in ("de", "en"))
        assert german == english, name

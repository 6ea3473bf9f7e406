"""A bed fails, somebody is ill: few patients are moved, nobody who was not hit and is confirmed."""

import json
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scheduler.planner_rig import MONDAY, at, booked, clinic, site, uuid, week
from typer.testing import CliRunner

from services.cli import build
from services.kit.errors import SpondylError
from services.scheduler.planner.check import conflicts
from services.scheduler.planner.problem import Effort, Problem
from services.scheduler.planner.replan import Failure, replan

PATIENCE = Effort(replan_s=120)
WEDNESDAY = MONDAY + timedelta(days=2)


def failing(day=WEDNESDAY, **what):
    return Failure("north", at(day, 0), at(day, 23), **(what or {"device": "bed-1"}))


def after(problem, plan):
    """The calendar once the proposal is applied."""
    moves, left = {move.was.id: move for move in plan.moves}, {one.id for one in plan.unplaced}
    rows = []
    for one in problem.booked:
        if one.id in left:
            continue
        to = moves[one.id].to if one.id in moves else one
        site_ = moves[one.id].site if one.id in moves else one.site
        rows.append(
            replace(
                one,
                site=site_,
                device=to.device,
                therapist=to.therapist,
                starts_at=to.starts_at,
                ends_at=to.ends_at,
            )
        )
    return replace(problem, booked=tuple(rows))


@st.composite
def weeks(draw):
    """A week with two beds and what is booked there, a part of it not yet confirmed."""
    rows = []
    for day in range(5):
        for bed in (1, 2):
            for hour in draw(st.sets(st.integers(8, 12), max_size=4)):
                rows.append((day, bed, hour))  # noqa: PERF401  (drawn one by one)
    booked_ = [
        booked(
            n, at(MONDAY + timedelta(days=day), hour), device=f"bed-{bed}", therapist=899 + bed,
            confirmed=draw(st.integers(0, 3)) > 0,
        )
        for n, (day, bed, hour) in enumerate(rows)
    ]  # fmt: skip
    where = site(opening=(((480, 780),),) * 5 + ((), ()))
    what = draw(st.sampled_from([{"device": "bed-1"}, {"therapist": uuid(901)}]))
    return clinic(where, booked=booked_), replace(failing(**what), within_days=draw(st.integers(0, 2)))


@settings(max_examples=25)
@given(weeks())
def test_a_proposal_breaks_nothing_and_moves_no_confirmed_one_elsewhere(week):
    """What was promised to a patient whom the failure does not hit is not touched."""
    problem, failure = week
    plan = replan(problem, failure, PATIENCE)
    hit = {one.id for one in problem.booked if failure.hits(one)}
    touched = {move.was.id for move in plan.moves} | {one.id for one in plan.unplaced}
    confirmed = {one.id for one in problem.booked if one.confirmed}
    assert not touched & confirmed - hit
    assert hit <= touched
    assert {one.id for one in plan.unplaced} <= hit
    later = after(problem, plan)
    assert not any(failure.hits(one) for one in later.booked)
    assert conflicts(later, []) == []
    moved = {m.was.patient for m in plan.moves if m.changes_time} | {one.patient for one in plan.unplaced}
    assert plan.patients_moved == len(moved) >= plan.lower_bound
    assert plan.proven
    assert plan.gap == 0


def test_another_bed_at_the_same_time_moves_nobody():
    """A patient who lies on another bed at the same time has not been moved."""
    problem = clinic(booked=[booked(n, at(WEDNESDAY, 8 + n)) for n in range(5)])
    plan = replan(problem, failing(), PATIENCE)
    assert plan.patients_moved == 0
    assert {move.to.device for move in plan.moves} == {"bed-2"}


def test_what_is_not_confirmed_makes_room():
    """The unconfirmed one changes its bed's hour so that the patient who knows hers keeps it."""
    rows = [
        booked(1, at(WEDNESDAY, 9)),
        booked(2, at(WEDNESDAY, 9), device="bed-2", therapist=901, confirmed=False),
    ]
    plan = replan(clinic(beds=3, people=3, booked=rows), failing(), PATIENCE)
    assert plan.patients_moved == 0
    full = clinic(booked=[*rows, booked(3, at(WEDNESDAY, 10), device="bed-2", therapist=901)])
    assert replan(full, failing(), PATIENCE).patients_moved == 1


def test_a_house_that_never_closes_is_answered_from_the_same_day():
    """Three at one time and two beds left: one has to come at another, and who stays put is not overrun."""
    where = site(opening=week(0, 1440, days=7))
    rows = [
        booked(n, at(WEDNESDAY, 19), device=f"bed-{n + 1}", therapist=900 + n, confirmed=False)
        for n in range(3)
    ]
    plan = replan(clinic(where, beds=3, people=3, booked=rows), failing(), PATIENCE)
    assert (plan.patients_moved, plan.lower_bound, plan.proven, plan.unplaced) == (1, 1, True, ())
    assert {move.to.starts_at.date() for move in plan.moves} == {WEDNESDAY}
    places = {one.id: (one.device, one.starts_at) for one in rows}
    places |= {move.was.id: (move.to.device, move.to.starts_at) for move in plan.moves}
    assert len(set(places.values())) == 3


def test_order_and_rest_of_a_cure_are_kept():
    """The moved session stays between its neighbours."""
    cure = uuid(42)
    days = [at(MONDAY + timedelta(days=n), 9) for n in range(5)]
    rows = [booked(n, day, patient=1, cure=cure, number=n + 1, device="bed-2") for n, day in enumerate(days)]
    rows[2] = replace(rows[2], device="bed-1")
    rows += [booked(10 + h, at(WEDNESDAY, h), device="bed-2", therapist=901) for h in range(8, 18)]
    plan = replan(clinic(booked=rows), failing(), PATIENCE)
    assert [one.number for one in plan.unplaced] == [3]
    assert plan.unplaced_lower_bound == 1
    assert plan.proven


def test_another_site_takes_them_only_where_that_is_asked_for():
    """Nobody is sent across the town without a word."""
    north, south = (
        clinic(beds=1, people=1, booked=[booked(1, at(WEDNESDAY, 9))]),
        clinic(site(id="south"), beds=1),
    )
    whole = replace(
        north,
        sites=north.sites | south.sites,
        devices=north.devices + south.devices,
        therapists=north.therapists
        + tuple(replace(one, id=uuid(800 + n)) for n, one in enumerate(south.therapists)),
    )
    day = replace(failing(), within_days=0)
    assert len(replan(whole, day, PATIENCE).unplaced) == 1
    sent = replan(whole, replace(day, elsewhere=("south",)), PATIENCE)
    assert [(move.site, move.changes_time) for move in sent.moves] == [("south", True)]
    assert sent.patients_moved == 1


def run(*arguments):
    return CliRunner().invoke(build(), ["plan", *arguments])


def test_the_command_answers_for_a_problem_in_a_file(tmp_path):
    """Without a running system too: the file is the planner's own problem."""
    problem = clinic(booked=[booked(n, at(WEDNESDAY, 8 + n)) for n in range(5)])
    file = tmp_path / "problem.json"
    file.write_bytes(TypeAdapter(Problem).dump_json(problem))
    asked = (
        "replan",
        "--device",
        "bed-1",
        "--from",
        f"{WEDNESDAY}",
        "--to",
        f"{WEDNESDAY}",
        "--problem",
        str(file),
    )
    found = json.loads(run(*asked, "--json").stdout)
    assert len(found["moved"]) == 5
    assert (found["patients_moved"], found["lower_bound"], found["proven"], found["gap"]) == (0, 0, True, 0)
    assert "patients moved: 0 (proven least)" in run(*asked).stdout
    assert f"{at(WEDNESDAY, 12).isoformat()} on bed-1" in run(*asked).stdout
    nine = f"{at(WEDNESDAY, 9).astimezone(UTC).isoformat()}"
    why = run("why", "--starts-at", nine, "--device", "bed-1", "--problem", str(file), "--json")
    assert why.exit_code == 1
    assert [row["id"] for row in json.loads(why.stdout)["rules"]] == ["device-busy"]
    assert run("why", "--starts-at", nine, "--device", "bed-2", "--problem", str(file)).exit_code == 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--device", "bed-9", "--from", "2026-11-25", "--to", "2026-11-25"), "the problem has no bed-9"),
        (("--therapist", f"{uuid(1)}", "--from", "2026-11-25", "--to", "2026-11-25"), "the problem has no"),
        (("--device", "bed-1", "--from", "2026-11-26", "--to", "2026-11-25"), "is not before --to"),
        (("--device", "bed-1", "--from", "2026-02-30", "--to", "2026-11-25"), "--from is '2026-02-30'"),
        (("--device", "bed-1", "--from", "2026-11-25"), "--to is ''"),
        (("--from", "2026-11-25", "--to", "2026-11-25"), "--device or --therapist"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_says_why(tmp_path, asked, said):
    """A bed with a typing error is not a bed whose failure moves nobody."""
    file = tmp_path / "problem.json"
    file.write_bytes(TypeAdapter(Problem).dump_json(clinic()))
    answer = run("replan", *asked, "--problem", str(file))
    assert isinstance(answer.exception, SpondylError)
    assert said in str(answer.exception)
    assert (answer.exception.exit_code, "\n" in str(answer.exception)) == (1, False)

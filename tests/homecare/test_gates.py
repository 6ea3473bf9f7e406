"""What may be done at home: findings, screening, exclusions, caps; and the templates that begin with it."""

import json
import tomllib
from datetime import date
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.homecare.errors import Invalid
from services.homecare.exercises.library import library
from services.homecare.gates.deciding import decide
from services.homecare.gates.models import ORDER, Standing
from services.homecare.gates.templates import fill, templates
from services.homecare.models import Chosen, Wanted

STAGES = ("acute", "subacute", "chronic", "remission")
HERNIAS = ("none", "bulge", "protrusion", "extrusion", "sequestrum")
SIZES = ("slight", "moderate", "large")
BASE = {
    "region": "lumbar", "stage": "chronic", "hernia": "protrusion", "size": "slight", "body_weight_kg": 80,
    "starts_on": "2026-11-23",
    "exercises": [{"exercise": "bridge", "ceiling_level": 2},
                  {"exercise": "inclined-board", "ceiling_level": 1}],
}  # fmt: skip


def wished(**changed):
    """A programme as somebody wishes it."""
    return Wanted.model_validate(BASE | changed)


def rules(decision):
    """Which rules spoke."""
    return [reason.rule for reason in decision.reasons]


@pytest.mark.parametrize(
    ("finding", "verdicts"),
    [
        ({}, ("home", "home")),
        ({"size": "moderate"}, ("home", "supervised")),
        ({"size": "large"}, ("centre", "centre")),
        ({"hernia": "sequestrum"}, ("centre", "centre")),
        ({"hernia": "extrusion"}, ("home", "centre")),
        ({"stage": "acute"}, ("supervised", "refused")),
        ({"body_weight_kg": None}, ("home", "refused")),
    ],
)
def test_a_finding_opens_home_the_therapist_or_the_centre(finding, verdicts):
    """Strengthening and traction apart: what pulls is held to more."""
    decision = decide(wished(**finding))
    assert tuple(one.verdict for one in decision.exercises) == verdicts
    assert decision.verdict == min(verdicts, key=ORDER.index)


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [("allowed", "home"), ("conditions", "supervised"), ("incomplete", "supervised"),
     ("unheard", "supervised"), ("refused", "refused"), ("suspended", "refused")],
)  # fmt: skip
def test_screening_has_its_word(outcome, verdict):
    """Whom nobody has screened trains under supervision; whom screening refuses does not train."""
    decision = decide(wished(), Standing(outcome=outcome, rules=("pregnancy",)))
    assert decision.verdict == verdict
    assert "Schwangerschaft" in decision.reasons[0].words["de"]


@pytest.mark.requirement("gate-the-home")
@pytest.mark.parametrize("exercise", library().exercises.values(), ids=lambda row: row.id)
def test_a_condition_refuses_the_exercises_that_are_not_for_it(exercise):
    """With its reason in both languages, and with what is possible instead where something is."""
    region = exercise.region if exercise.region != "whole" else "lumbar"
    chosen = [{"exercise": exercise.id}]
    for code in exercise.not_for:
        decision = decide(wished(region=region, exercises=chosen, conditions=[code]))
        assert decision.exercises[0].verdict == "refused"
        (reason,) = [one for one in decision.reasons if one.rule == code]
        assert all(reason.words.values())


@pytest.mark.requirement("cap-the-home-dose")
def test_a_pull_above_the_ceiling_is_refused_with_the_angle_that_would_do():
    """The clinician's ceiling in newtons holds, whatever the angle that was typed."""
    board = {"exercise": "inclined-board", "angle_deg": 60, "friction": 0.3, "most_n": 100}
    decision = decide(wished(exercises=[board]))
    (reason,) = [one for one in decision.reasons if one.rule == "pull"]
    assert "100 N" in reason.words["en"]
    assert "32 degrees" in reason.instead["en"]
    assert decide(wished(exercises=[board | {"angle_deg": 30}])).verdict == "home"


def test_a_steeper_board_than_the_source_has_it_needs_a_ceiling_in_newtons():
    """By its formula no board pulls more than half the body weight: the angle alone must not decide."""
    steep = {"exercise": "inclined-board", "angle_deg": 85, "friction": 0}
    decision = decide(wished(exercises=[steep]))
    assert (decision.verdict, rules(decision).count("angle")) == ("refused", 1)
    assert decide(wished(exercises=[steep | {"most_n": 380}])).verdict == "home"


def test_a_suspension_is_told_in_words_and_every_reason_of_screening_has_them():
    """A patient reads it, too: a code helps nobody."""
    path = Path(__file__).parent.parent.parent / "services/screening/clearance/reasons.toml"
    for row in tomllib.loads(path.read_text("utf-8"))["reason"]:
        words = decide(wished(), Standing(outcome="suspended", rules=(row["id"],))).reasons[0].words
        assert f"({row['id']})" not in words["de"]
        assert words["de"].startswith("Die Freigabe ist ausgesetzt: ")


@pytest.mark.requirement("cap-the-home-dose")
def test_hours_become_minutes_and_it_is_said():
    """The article's "a few hours" on the board contradict every other source."""
    decision = decide(wished(minutes_per_day=60, minutes_per_week=420, days_per_week=7))
    assert (decision.caps.minutes_per_day, decision.caps.minutes_per_week) == (20, 140)
    assert {"cap-day", "cap-week"} <= set(rules(decision))


@pytest.mark.requirement("gate-the-home")
@given(
    st.sampled_from(STAGES), st.sampled_from(HERNIAS), st.sampled_from(SIZES),
    st.sets(st.sampled_from(sorted(library().conditions)), max_size=6),
    st.lists(st.tuples(st.sampled_from(sorted(library().exercises)), st.integers(0, 20), st.integers(0, 20)),
             min_size=1, max_size=6, unique_by=lambda one: one[0]),
    st.sampled_from(["allowed", "conditions", "refused", "incomplete", "unheard", "suspended"]),
)  # fmt: skip
def test_no_wish_passes_a_gate(stage, hernia, size, conditions, chosen, outcome):
    """Whatever is wished: large, loose or refused is not done at home, and no ceiling is raised."""
    exercises = [Chosen(exercise=name, start_level=min(a, b), ceiling_level=b) for name, a, b in chosen]
    wanted = Wanted(
        region="lumbar", stage=stage, hernia=hernia, size=None if hernia == "none" else size,
        body_weight_kg=80, conditions=conditions, exercises=exercises, starts_on=date(2026, 11, 23),
    )  # fmt: skip
    decision = decide(wanted, Standing(outcome=outcome))
    assert all(reason.instead for reason in decision.reasons if reason.verdict != "home")
    for judged, wish in zip(decision.exercises, exercises, strict=True):
        row = library().of(judged.exercise)
        assert 0 <= judged.start_level <= judged.ceiling_level <= min(wish.ceiling_level, len(row.levels) - 1)
        assert judged.supervised_sessions >= row.supervised_first_sessions
        if judged.verdict == "home":
            assert outcome == "allowed"
            assert row.place == "home"
            assert not conditions & set(row.not_for)
            assert hernia == "none" or (size != "large" and hernia != "sequestrum")
            assert stage != "acute"


@pytest.mark.parametrize("region", ["lumbar", "thoracic", "cervical"])
def test_there_is_a_template_for_every_finding(region):
    """So that a programme is set in under a minute; no template opens what the finding forbids."""
    for stage, hernia, size in product(STAGES, HERNIAS, SIZES):
        wanted = fill(
            region=region, stage=stage, hernia=hernia, size=None if hernia == "none" else size,
            body_weight_kg=70, conditions=(), starts_on=date(2026, 11, 23),
        )  # fmt: skip
        verdicts = {one.verdict for one in decide(wanted).exercises}
        assert "refused" not in verdicts
        if size == "large" and hernia != "none":
            assert verdicts == {"centre"}


def test_every_template_names_exercises_and_levels_of_the_library():
    """A renamed exercise must not leave a template that nobody can set."""
    for template in templates():
        for row in template.exercises:
            assert row.ceiling_level < len(library().of(row.exercise).levels)


def test_a_template_of_which_nothing_is_left_is_refused():
    """Rather a refusal that says so than a programme without exercises."""
    everything = sorted(library().conditions)
    with pytest.raises(Invalid, match="no exercise of the templates is left"):
        fill(region="cervical", stage="chronic", hernia="none", size=None, body_weight_kg=70,
             conditions=everything, starts_on=date(2026, 11, 23))  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"size": None}, "size is missing"),
        ({"hernia": "none"}, "hernia is none"),
        ({"exercises": []}, "exercises"),
        ({"exercises": [{"exercise": "bridge"}] * 2}, "twice"),
        (
            {"exercises": [{"exercise": "bridge", "start_level": 2, "ceiling_level": 1}]},
            "at most ceiling_level",
        ),
        ({"exercises": [{"exercise": "somersault"}]}, "there is no exercise somersault"),
        ({"conditions": ["hunger"]}, "unknown conditions: hunger"),
        ({"body_weight_kg": 5}, "body_weight_kg"),
        ({"weeks": 0}, "weeks"),
        ({"starts_on": "2026-02-30"}, "starts_on"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_a_file_that_cannot_be_is_refused_by_name(spondyl, tmp_path, changed, named):
    """In one line, with exit status 1."""
    file = tmp_path / "programme.json"
    file.write_text(json.dumps(BASE | changed), "utf-8")
    status, out, error = spondyl("homecare", "programme", str(file), "--json")
    assert status == 1
    assert named in error
    assert out == ""


def test_a_file_is_decided_with_its_exercises_caps_and_reasons(spondyl, tmp_path):
    """What an integrator reads before anything is kept."""
    file = tmp_path / "programme.json"
    file.write_text(json.dumps(BASE | {"screening": {"outcome": "allowed"}}), "utf-8")
    status, out, _ = spondyl("homecare", "programme", str(file), "--json")
    said = json.loads(out)
    assert (status, said["decision"], said["caps"]["minutes_per_day"]) == (0, "home", 20)
    assert [one["exercise"] for one in said["exercises"]] == ["bridge", "inclined-board"]
    assert {"screening-allowed", "slight-displacement"} == {one["rule"] for one in said["reasons"]}
    file.write_text(json.dumps(BASE | {"size": "large"}), "utf-8")
    assert spondyl("homecare", "programme", str(file))[0] == 1

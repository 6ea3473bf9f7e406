"""The contraindication rules and what they decide, by `spondyl screen` as by its functions."""

import json
import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import SpondylError
from services.screening.errors import Invalid
from services.screening.rules import ruleset
from services.screening.rules.commands import STATUS
from services.screening.rules.days import after_months, age_years, is_within
from services.screening.rules.sheet import screen

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "screening.md").read_text(encoding="utf-8")
EXAMPLE = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1])
DAY = date(2026, 12, 1)
THIRTEEN = [
    "spinal-tumour", "pregnancy", "under-15", "severe-osteoporosis", "spinal-canal-stenosis", "instability",
    "congenital-malformation", "severe-scoliosis", "infection", "connective-tissue-disease",
    "fresh-spinal-surgery", "compression-fracture", "implant",
]  # fmt: skip


def healthy(region="lumbar", **changes):
    """A sheet of somebody whom nothing speaks against; answers given are put over its own."""
    rules = ruleset.load().on(DAY).questions(region)
    answers = {rule.id: "no" for rule in rules} | changes.pop("answers", {})
    sheet = {
        "birth_date": "1980-05-17", "treatment_date": DAY.isoformat(), "region": region, "sex": "female",
        "body_weight_kg": 72, "answers": answers,
    }  # fmt: skip
    return sheet | changes


def decided(sheet):
    """The decision on it, as programs read it."""
    return screen(json.dumps(sheet), ruleset.load(), {}).body()


def refusing(sheet):
    """The ids of the rules that refuse it."""
    return [row["rule"] for row in decided(sheet)["reasons"] if row["kind"] == "refuses"]


def test_whom_nothing_speaks_against_is_cleared():
    """The way of most patients, in both regions."""
    for region in ("lumbar", "cervical"):
        told = decided(healthy(region))
        assert (told["decision"], told["may_be_treated"], told["reasons"]) == ("cleared", True, [])


def test_the_thirteen_of_the_clinic_page_are_there_absolute_and_in_both_languages():
    """They are the method's own: none may be missing or weakened."""
    found = ruleset.load().on(DAY)
    rows = [found.shown(rule) for rule in found.rules if rule.origin == "clinic-page"]
    assert [row["id"] for row in rows] == THIRTEEN
    assert all(row["absolute"] and row["source"] and row["text_de"] and row["text_en"] for row in rows)


def test_every_rule_of_the_literature_is_a_proposal_with_a_source_and_evidence():
    """What no clinician has reviewed must say so."""
    found = ruleset.load().on(DAY)
    rows = [found.shown(rule) for rule in found.rules if rule.origin == "literature"]
    assert len(rows) > 25
    assert {row["review"] for row in rows} == {"proposal for clinical review"}
    assert all(row["source"] and row["evidence_de"] and row["evidence_en"] for row in rows)


@pytest.mark.requirement("refuse-contraindicated")
@pytest.mark.parametrize("rule", THIRTEEN)
def test_each_of_the_thirteen_refuses_with_its_own_id_and_source(rule):
    """A refusal names the rule it stands on, and no other."""
    child = {"birth_date": "2012-01-01", "settings": {"minimum_age_years": 15}}
    told = decided(healthy(**child) if rule == "under-15" else healthy(answers={rule: "yes"}))
    assert told["decision"] == "refused"
    assert [row["rule"] for row in told["reasons"]] == [rule]
    assert [(row["id"], row["origin"]) for row in told["rules"]] == [(rule, "clinic-page")]
    assert told["rules"][0]["source"].startswith("Clinic page")
    assert told["reasons"][0]["change_de"]


@pytest.mark.parametrize(
    ("born", "ids"),
    [("2011-12-02", ["under-15", "under-18"]), ("2011-12-01", ["under-18"]), ("2008-12-02", ["under-18"]),
     ("2008-12-01", [])],
)  # fmt: skip
def test_age_is_that_of_the_day_of_treatment_and_the_stricter_limit_is_its_own_rule(born, ids):
    """Fifteen is not under fifteen: the clinic page's rule stays on its own boundary."""
    assert refusing(healthy(birth_date=born)) == ids
    lenient = healthy(birth_date=born, settings={"minimum_age_years": "15"})
    assert refusing(lenient) == [rule for rule in ids if rule == "under-15"]


@pytest.mark.parametrize(
    ("loss", "ids"), [(46, ["severe-osteoporosis"]), (45.1, ["severe-osteoporosis"]), (45, [])]
)
def test_exactly_45_per_cent_is_not_more_than_45_per_cent(loss, ids):
    """The boundary is the clinic page's own; below it a clinician weighs."""
    told = {"answer": "yes", "bone_loss_percent": loss, "fresh_fracture": False}
    found = decided(healthy(answers={"severe-osteoporosis": told}))
    assert refusing(healthy(answers={"severe-osteoporosis": told})) == ids
    assert found["conditions"] == ([] if ids else ["some-bone-loss"])


def test_a_fresh_fracture_refuses_whatever_the_bone_loss_and_an_unanswered_one_stays_open():
    """Half an answer is none."""
    fresh = {"bone_loss_percent": 10, "fresh_fracture": True}
    assert refusing(healthy(answers={"severe-osteoporosis": fresh})) == ["severe-osteoporosis"]
    half = decided(healthy(answers={"severe-osteoporosis": {"bone_loss_percent": 45}}))
    assert (half["decision"], half["unanswered"]) == ("incomplete", ["severe-osteoporosis"])


@pytest.mark.parametrize(("days", "ids"), [(364, ["compression-fracture"]), (366, [])])
@pytest.mark.parametrize("treatment", ["2026-12-01", "2024-12-01", "2025-02-28", "2025-03-01", "2024-02-29"])
def test_within_one_year_is_counted_from_the_dates_also_over_a_29_february(days, ids, treatment):
    """A leap year has a day more, and no fracture gets older by it."""
    on = date.fromisoformat(treatment) - timedelta(days=days)
    answer = {"compression-fracture": {"answer": "yes", "on": on.isoformat()}}
    assert refusing(healthy(treatment_date=treatment, answers=answer)) == ids


@given(st.dates(date(1900, 1, 1), date(2090, 1, 1)), st.integers(0, 40_000))
def test_years_and_months_are_the_calendar_s(born, days):
    """Age and terms agree with each other on every day there is."""
    on = born + timedelta(days=days)
    years = age_years(born, on)
    assert not is_within(born, years * 12, on)
    assert is_within(born, years * 12 + 12, on)
    assert after_months(born, 0) == born


@pytest.mark.requirement("refuse-contraindicated")
def test_no_answer_and_not_sure_are_no_no():
    """The commonest way to treat whom one should not."""
    sheet = healthy(answers={"implant": "unsure"})
    del sheet["answers"]["infection"]
    told = decided(sheet)
    assert (told["decision"], told["unanswered"]) == ("incomplete", ["infection", "implant"])


def test_a_refusal_stands_while_answers_are_missing():
    """Nobody need be asked thirty more questions to be refused."""
    told = decided(healthy() | {"answers": {"pregnancy": "yes"}})
    assert told["decision"] == "refused"
    assert "implant" in told["unanswered"]


def test_a_relative_rule_waits_for_a_signature_with_its_reason():
    """Relative means that somebody answers for it, by name."""
    sheet = healthy(answers={"claustrophobia": "yes"})
    told = decided(sheet)
    assert (told["decision"], told["may_be_treated"], told["unsigned"]) == (
        "conditions",
        False,
        ["claustrophobia"],
    )
    signed = decided(
        sheet | {"signatures": [{"rule": "claustrophobia", "by": "Dr. Weber", "reason": "tried"}]}
    )
    assert (signed["decision"], signed["may_be_treated"], signed["unsigned"]) == ("conditions", True, [])


@pytest.mark.parametrize("name", ["pregnancy", "sequestrum"])
def test_a_disputed_rule_refuses_unless_the_clinic_has_set_it_relative(name):
    """The stricter side of a dispute is the default."""
    sheet = healthy(answers={name: "yes"})
    assert refusing(sheet) == [name]
    assert decided(sheet | {"settings": {name: "relative"}})["conditions"] == [name]


def test_a_man_is_not_asked_about_pregnancy_and_a_yes_counts_all_the_same():
    """What is not asked is not missing; what was said is not passed over."""
    sheet = healthy(sex="male")
    del sheet["answers"]["pregnancy"]
    assert decided(sheet)["decision"] == "cleared"
    assert refusing(healthy(sex="male", answers={"pregnancy": "yes"})) == ["pregnancy"]


def test_the_neck_is_asked_about_what_concerns_the_neck():
    """A stroke in the past excludes treatment of the neck, not of the loin."""
    answer = {"neck-vessels-or-stroke": "yes"}
    assert refusing(healthy("cervical", answers=answer)) == ["neck-vessels-or-stroke"]
    assert decided(healthy("lumbar", answers=answer))["decision"] == "cleared"


@pytest.mark.parametrize(
    ("weight", "outcome"),
    [(34.9, "refused"), (35, "cleared"), (180, "cleared"), (181, "refused"), (None, "incomplete")],
)
def test_the_weight_is_held_to_the_limits_of_a_prescription(weight, outcome):
    """Whoever no prescription can be written for is told at the desk, not at the bed."""
    sheet = healthy(body_weight_kg=weight)
    if weight is None:
        del sheet["body_weight_kg"]
    told = decided(sheet)
    assert told["decision"] == outcome
    assert {row["origin"] for row in told["rules"]} <= {"dosing"}


SIGNED = {"rule": "claustrophobia", "by": "Dr. Weber", "reason": "lay in the harness without fear"}
WRONG = {
    "an impossible day": ({"birth_date": "1980-02-30"}, "birth_date is '1980-02-30'"),
    "a number for a day": ({"treatment_date": 20261201}, "treatment_date is 20261201"),
    "born after treatment": ({"birth_date": "2027-01-01"}, "before birth"),
    "too old": ({"birth_date": "1850-01-01"}, "older than 130"),
    "an unknown region": ({"region": "thoracic"}, "region is 'thoracic'"),
    "an unknown rule": ({"answers": {"moonstruck": "no"}}, "answers.moonstruck is 'moonstruck'"),
    "a rule nobody is asked": ({"answers": {"under-15": "no"}}, "answers.under-15"),
    "a wrong word": ({"answers": {"implant": "maybe"}}, "answers.implant.answer is 'maybe'"),
    "a wrong type": ({"answers": {"implant": True}}, "answers.implant"),
    "a detail of another": ({"answers": {"implant": {"on": "2020-01-01"}}}, "answers.implant.on"),
    "no and a day": ({"answers": {"recent-fusion": {"answer": "no", "on": "2020-01-01"}}}, "one of the two"),
    "a fracture to come": ({"answers": {"compression-fracture": {"on": "2027-01-01"}}}, "from birth"),
    "more than all bone": ({"answers": {"severe-osteoporosis": {"bone_loss_percent": 101}}}, "101"),
    "a weight of nobody": ({"body_weight_kg": -3}, "body_weight_kg is -3"),
    "an unknown field": ({"weight": 3}, "weight is 3"),
    "an unknown setting": ({"settings": {"minimum_age_years": 12}}, "settings.minimum_age_years is '12'"),
    "a signed absolute one": ({"signatures": [SIGNED | {"rule": "implant"}]}, "signatures.0.rule"),
    "a signature without reason": ({"signatures": [SIGNED | {"reason": " "}]}, "signatures.0.reason"),
    "before all rules": ({"birth_date": "1950-01-01", "treatment_date": "1999-12-31"}, "1999-12-31"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_sheet_is_refused_with_field_value_and_rule(name):
    """Nothing is decided on what cannot be; and a person can mend it."""
    change, words = WRONG[name]
    with pytest.raises(Invalid) as refusal:
        decided(healthy() | change)
    assert words in refusal.value.message
    assert set(refusal.value.words) == {"de", "en"}


def test_what_is_no_object_of_json_is_refused():
    """Not a word of the file is believed then."""
    for text in ("", "[1]", "{", '{"birth_date": "1980-01-01", "birth_date": "1990-01-01"}', "[" * 100_000):
        with pytest.raises(SpondylError):
            screen(text, ruleset.load(), {})


def test_a_later_version_leaves_earlier_decisions_as_they_were():
    """The version of the day of treatment decides, and says by name and checksum which it was."""
    text = ruleset.FILE.read_text(encoding="utf-8")
    newer = (
        '[[version]]\nname = "2027-01"\nvalid_from = 2027-01-01\nwhat_en = "x"\nwhat_de = "x"\n\n[[setting]]'
    )
    text = text.replace('[[setting]]\nid = "minimum', newer + '\nid = "minimum')
    text = text.replace('id = "claustrophobia"', 'id = "claustrophobia"\nuntil = "2027-01"')
    file = ruleset.parse(text)
    before, after = file.on(date(2026, 12, 31)), file.on(date(2027, 1, 1))
    assert before.sha256 == ruleset.load().on(DAY).sha256
    assert (before.knows("claustrophobia"), after.knows("claustrophobia")) == (True, False)
    assert before.sha256 != after.sha256


def command(*words):
    """What the command answers."""
    line = [sys.executable, "-m", "services.cli", "screen", *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def test_the_example_of_the_page_is_decided_as_the_page_says(tmp_path):
    """Whoever writes such a file begins with this one."""
    path = tmp_path / "example.json"
    path.write_text(json.dumps(EXAMPLE), encoding="utf-8")
    answer = command(str(path), "--json")
    told = json.loads(answer.stdout)
    assert answer.returncode == STATUS["conditions"]
    assert (told["decision"], told["may_be_treated"]) == ("conditions", True)
    assert {row["rule"] for row in told["reasons"]} == {"some-bone-loss"}


def test_the_command_ends_with_the_decision_s_status_and_refuses_a_bad_file_by_its_own(tmp_path):
    """A script needs no parser to keep somebody off a bed."""
    path = tmp_path / "sheet.json"
    path.write_text(json.dumps(healthy()), encoding="utf-8")
    assert command(str(path)).returncode == 0
    path.write_text(json.dumps(healthy() | {"region": "knee"}), encoding="utf-8")
    refused = command(str(path))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "region is 'knee'" in refused.stderr
    rules = json.loads(command("--rules", "--json").stdout)["rules"]
    assert [row["id"] for row in rules if row["origin"] == "clinic-page"] == THIRTEEN

"""Answers, weights and consents hold for a time: a clearance ends with the first, until it is asked again."""

from datetime import UTC, date, datetime, timedelta

import pytest
from screening.screening_rig import PERSON, ScreeningRig
from screening.test_clearances import give, restore
from screening.treated import CLINICIAN, answered, cleared, consented, open_reasons, state

from services.kit.database import writing
from services.screening import zones
from services.screening.consent import documents
from services.screening.consent import store as consents
from services.screening.patients import store as patients
from services.screening.rules import ruleset
from services.screening.rules.days import after_months

CYCLE = 28


@pytest.fixture
def later(monkeypatch):
    """Let so many days pass for the clock that decides, and for clearances."""

    def pass_(days):
        at = datetime.now(UTC) + timedelta(days=days)
        monkeypatch.setattr(zones, "now", lambda: at)
        monkeypatch.setattr("services.screening.clearance.giving.datetime", clock(at))
        monkeypatch.setattr("services.screening.clearance.suspension.datetime", clock(at))
        monkeypatch.setattr("services.screening.clearance.attention.datetime", clock(at))
        monkeypatch.setattr("services.screening.patients.store.now_us", lambda: int(at.timestamp() * 1e6))

    return pass_


def clock(at):
    """A datetime that says so of now."""

    class Set(datetime):
        @classmethod
        def now(cls, tz=None):
            return at.astimezone(tz)

    return Set


def answer(rig, patient, rule, said="no", status=200):
    """One answer, taken at the desk."""
    body = {"value": {"answer": said}, "given_by": "staff"}
    return rig.ask("PUT", f"/patients/{patient}/answers/{rule}", json=body, status=status)


AGED = ("pregnancy", "acute-injury", "infection", "cauda-equina")


def test_a_clearance_ends_with_the_first_answer_it_stands_on(rig):
    """Pregnancy is no matter of a quarter: what was signed for 90 days ends where nobody has asked again."""
    patient = cleared(rig)
    told = state(rig, patient)
    given = told["clearance"]
    until = datetime.fromisoformat(given["valid_until"])
    due = zones.now().astimezone().date() + timedelta(days=CYCLE)
    assert until.astimezone().date() in (due, due - timedelta(days=1))
    signed = datetime.fromisoformat(given["signed_until"]) - datetime.now(UTC)
    assert timedelta(days=89) < signed < timedelta(days=90, seconds=1)
    within = {*AGED, "body-weight", "uncontrolled-hypertension"}
    assert {row["of"] for row in told["asked_again"]} == within
    assert all(row["text_de"] and row["text_en"] for row in told["asked_again"])


def test_what_has_aged_is_open_and_the_same_answer_lets_the_clearance_go_on(rig, later):
    """Asked again at the desk and as it was: no clinician has to sign anew what they signed for longer."""
    patient = cleared(rig)
    first = state(rig, patient)["clearance"]
    later(CYCLE + 2)
    told = state(rig, patient)
    assert told["state"] == "none"
    assert "Pregnancy" in told["missing"][0]["en"]
    assert "Schwangerschaft" in told["missing"][0]["de"]
    sheet = rig.ask("GET", f"/patients/{patient}/questionnaire?region=lumbar")
    assert {row["id"] for row in sheet["questions"] if row["ask_again"]} == set(AGED)
    for rule in AGED:
        assert answer(rig, patient, rule)["new"] is False
    again = state(rig, patient)["clearance"]
    assert again["clearance"] != first["clearance"]
    assert again["signed_until"] == first["signed_until"]
    assert again["by"] == "clinician"
    assert open_reasons(rig, patient) == []


def test_another_answer_after_the_end_still_waits_for_a_clinician(rig, later):
    """A yes and then a no on a clearance that has run out must not bring it back by themselves."""
    patient = cleared(rig)
    later(CYCLE + 2)
    answer(rig, patient, "pregnancy", "yes")
    for rule in AGED:
        answer(rig, patient, rule)
    assert open_reasons(rig, patient) == ["answer"]
    assert state(rig, patient)["state"] == "suspended"
    assert len(restore(rig, patient)["clearances"]) == 1


def test_whom_to_ask_again_is_listed_a_week_before(rig, later):
    """Nobody should hear at the bed that their clearance ran out."""
    patient = cleared(rig)
    assert rig.ask("GET", "/attention") == []
    later(CYCLE - 5)
    (row,) = rig.ask("GET", "/attention")
    assert row["patient"] == patient
    assert {one["of"] for one in row["ask_again"]} == set(AGED)
    for rule in AGED:
        answer(rig, patient, rule)
    assert rig.ask("GET", "/attention") == []


def test_a_clinic_may_only_list_what_has_aged(tmp_path, later):
    """The days are proposals: a clinic that does not take them for limits still sees whom to ask."""
    rig = ScreeningRig(tmp_path, aged_answers="listed")
    patient = cleared(rig)
    until = datetime.fromisoformat(state(rig, patient)["clearance"]["valid_until"]) - datetime.now(UTC)
    assert until > timedelta(days=89)
    later(CYCLE + 2)
    assert state(rig, patient)["state"] == "cleared"
    (row,) = rig.ask("GET", "/attention")
    assert {one["of"] for one in row["ask_again"]} == set(AGED)
    rig.close()


def test_a_correction_of_something_else_suspends_nothing_that_has_only_aged(rig, later):
    """A new telephone number is nobody's reason to look, also a month later."""
    patient = cleared(rig)
    later(CYCLE + 2)
    body = {"content": PERSON | {"phone": "+49 30 1"}, "version": 1, "reason": "umgezogen"}
    rig.ask("PUT", f"/patients/{patient}", json=body)
    assert open_reasons(rig, patient) == []


def test_a_weight_is_taken_again_by_the_day_it_was_weighed(rig, later):
    """The same kilograms on a new day are a new weight."""
    patient = rig.patient()
    later(91)
    answered(rig, patient)
    consented(rig, patient)
    assert "weight" in give(rig, patient, status=409)["detail"].lower()
    today = zones.now().astimezone().date().isoformat()
    body = {"content": PERSON | {"body_weight_on": today}, "version": 1, "reason": "gewogen"}
    rig.ask("PUT", f"/patients/{patient}", json=body)
    assert give(rig, patient)["region"] == "lumbar"


def signed_by_guardian(rig, patient):
    """A consent that a parent signed on paper."""
    with writing(rig.engine) as connection:
        text = documents.pin(connection, documents.current(connection, "consent", "de", "north"))
        made = consents.add(connection, CLINICIAN, patient, "lumbar", {}, text)
        found = consents.one(connection, patients.family(connection, patient), made)
        consents.add_event(
            connection, CLINICIAN, found, "signed", datetime.now(UTC), {"way": "scanned", "role": "guardian"}
        )


def test_whoever_turns_18_during_a_cure_consents_for_themselves(tmp_path, later):
    """BGB 630d(1): the guardians' signature ends with the day; so does the clearance that stands on it."""
    rig = ScreeningRig(tmp_path, minimum_age_years="15")
    birthday = zones.now().astimezone().date() + timedelta(days=10)
    patient = rig.patient(birth_date=after_months(birthday, -18 * 12).isoformat())
    answered(rig, patient)
    signed_by_guardian(rig, patient)
    until = datetime.fromisoformat(give(rig, patient)["valid_until"]).astimezone()
    assert (until + timedelta(minutes=1)).date() == birthday
    later(4)
    assert [one["of"] for one in rig.ask("GET", "/attention")[0]["ask_again"]] == ["consent"]
    later(11)
    told = state(rig, patient)
    assert told["state"] == "none"
    assert "18" in told["missing"][0]["de"]
    assert "630d" in told["missing"][0]["en"]
    (consent,) = rig.ask("GET", f"/patients/{patient}/consents")["consents"]
    assert (consent["state"], consent["outgrown"]) == ("signed", True)
    rig.close()


RELATIVE_AGE = """
[[rule]]
id = "young"
since = "2026-11"
absolute = false
origin = "literature"
source = "lists"
region = "any"
test = "age"
limit = 70
text_en = "Under 70 years"
text_de = "Unter 70 Jahren"
evidence_en = "an identity document"
evidence_de = "ein Ausweis"
"""


def test_a_signed_condition_is_signed_again_when_the_fact_it_was_signed_on_changes(rig, monkeypatch):
    """A reason that weighed 62 years says nothing of 32; the refusal names what is to be signed."""
    told = ruleset.FILE.read_text(encoding="utf-8")
    told = told.replace("\n[[validity]]", f"{RELATIVE_AGE}\n[[validity]]", 1)
    monkeypatch.setattr(ruleset, "load", lambda: ruleset.parse(told))
    patient = answered(rig, rig.patient())
    consented(rig, patient)
    body = {"region": "lumbar", "reason": "alt genug"}
    rig.ask("POST", f"/patients/{patient}/conditions/young", json=body)
    give(rig, patient)
    change = {"content": PERSON | {"phone": "+49 30 1"}, "version": 1, "reason": "x"}
    rig.ask("PUT", f"/patients/{patient}", json=change)
    assert open_reasons(rig, patient) == []
    change = {"content": PERSON | {"birth_date": "1994-08-12"}, "version": 2, "reason": "vertippt"}
    rig.ask("PUT", f"/patients/{patient}", json=change)
    assert open_reasons(rig, patient) == ["file"]
    assert "Under 70 years" in state(rig, patient)["missing"][0]["en"]
    rig.ask("POST", f"/patients/{patient}/conditions/young", json=body)
    assert len(restore(rig, patient)["clearances"]) == 1


def test_an_answer_given_again_keeps_the_signature_and_another_voids_it(rig, later):
    """What was weighed is still so; a new yes after a no is weighed anew."""
    patient = answered(rig, rig.patient(), claustrophobia="yes")
    body = {"region": "lumbar", "reason": "Probeliegen ohne Angst"}
    rig.ask("POST", f"/patients/{patient}/conditions/claustrophobia", json=body)
    later(3)
    answer(rig, patient, "claustrophobia", "yes")
    assert signed(rig, patient) == ["claustrophobia"]
    answer(rig, patient, "claustrophobia", "no")
    answer(rig, patient, "claustrophobia", "yes")
    assert signed(rig, patient) == []


def signed(rig, patient):
    """The conditions that are signed."""
    told = rig.ask("GET", f"/patients/{patient}/decision?region=lumbar")
    return [row["rule"] for row in told["reasons"] if row["signed"]]


def test_whoever_was_refused_is_asked_again_and_the_history_stays(rig):
    """The evidence came: a new answer, a new decision, and both old ones to be read."""
    patient = answered(rig, rig.patient(), implant="yes")
    path = f"/patients/{patient}/decisions"
    assert rig.ask("POST", path, json={"region": "lumbar"})["decision"] == "refused"
    answer(rig, patient, "implant", "no")
    assert rig.ask("POST", path, json={"region": "lumbar"})["decision"] == "cleared"
    kept = rig.ask("GET", f"/patients/{patient}/decision?region=lumbar")["kept"]
    assert [row["decision"] for row in kept] == ["cleared", "refused"]
    rows = rig.ask("GET", f"/patients/{patient}/answers")["answers"]
    assert [row["answer"] for row in rows if row["rule"] == "implant"] == ["yes", "no"]


def test_every_validity_is_a_proposal_with_its_words():
    """No paper says them: a clinician has to, before use."""
    found = ruleset.load().on(date(2026, 12, 1))
    assert {row.origin for row in found.validities.values()} == {"proposal"}
    assert all(row.de and row.en for row in found.validities.values())
    assert found.validity("implant").days == found.validity("*").days

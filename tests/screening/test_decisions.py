"""Questionnaire, conditions and decisions of a patient, over the API of screening."""

import pytest
from access import somebody
from screening.screening_rig import PERSON
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.kit.database import reading, writing
from services.screening.patients import keeping
from services.screening.patients import store as patients
from services.screening.patients.models import Content
from services.screening.rules import store
from services.screening.rules.answers import Answer

CLINICIAN = somebody("clinician")


def new_patient(rig, site="north", **content):
    """A patient's file, opened."""
    made = keeping.open_file(
        rig.office, CLINICIAN, site, Content.model_validate(PERSON | content), anyway=True
    )
    return made.patient


def answer(rig, patient, rule, value, *, role="reception", status=200, given_by="staff", sites=()):
    """One answer, taken."""
    body = {"value": value if isinstance(value, dict) else {"answer": value}, "given_by": given_by}
    path = f"/patients/{patient}/answers/{rule}"
    return rig.ask("PUT", path, role=role, sites=sites, json=body, status=status)


def answer_all(rig, patient, region="lumbar", **but):
    """Every question of the region with no, but for those named (``_`` for ``-``), in one transaction."""
    given = {name.replace("_", "-"): value for name, value in but.items()}
    with writing(rig.engine) as connection:
        for rule in store.rules_of(patients.today()).questions(region):
            said = Answer(answer=given.get(rule.id, "no"))
            store.add_answer(connection, CLINICIAN, patient, rule.id, said, "staff")


def decision(rig, patient, region="lumbar"):
    """What is decided now."""
    return rig.ask("GET", f"/patients/{patient}/decision?region={region}")


def test_a_questionnaire_goes_from_unanswered_to_cleared(rig):
    """The usual first visit; half of it is not enough."""
    patient = new_patient(rig)
    before = rig.ask("GET", f"/patients/{patient}/questionnaire?region=lumbar")
    assert (before["answered"], before["total"]) == (0, len(before["questions"]))
    assert decision(rig, patient)["decision"] == "incomplete"
    for row in before["questions"]:
        answer(rig, patient, row["id"], "no")
    after = rig.ask("GET", f"/patients/{patient}/questionnaire?region=lumbar")
    assert after["answered"] == after["total"]
    assert decision(rig, patient)["decision"] == "cleared"
    assert decision(rig, patient, "cervical")["decision"] == "incomplete"  # the neck was not asked about


def test_a_new_answer_counts_and_the_one_before_stays_to_be_read(rig):
    """BGB 630f(1): a correction leaves the original legible."""
    patient = new_patient(rig)
    assert answer(rig, patient, "implant", "no")["new"]
    assert not answer(rig, patient, "implant", "no")["new"]
    answer(rig, patient, "implant", "yes")
    rows = rig.ask("GET", f"/patients/{patient}/answers")["answers"]
    assert [(row["rule"], row["answer"]) for row in rows] == [("implant", "no"), ("implant", "yes")]
    assert "implant" in [row["rule"] for row in decision(rig, patient)["reasons"] if row["kind"] == "refuses"]


def test_a_relative_rule_is_signed_by_a_clinician_and_voided_by_a_new_answer(rig):
    """A signature is about what was said then, and nothing else."""
    patient = new_patient(rig)
    answer_all(rig, patient, claustrophobia="yes")
    path = f"/patients/{patient}/conditions/claustrophobia"
    body = {"region": "lumbar", "reason": "Probeliegen ohne Angst"}
    rig.ask("POST", path, role="therapist", json=body, status=403)
    rig.ask("POST", path, json=body | {"reason": " \n"}, status=422)
    assert decision(rig, patient)["unsigned"] == ["claustrophobia"]
    told = rig.ask("POST", path, json=body)
    assert (told["decision"], told["may_be_treated"], told["unsigned"]) == ("conditions", True, [])
    assert told["reasons"][0]["signed"] == {"by": "clinician", "reason": "Probeliegen ohne Angst"}
    answer(rig, patient, "claustrophobia", "unsure")
    answer(rig, patient, "claustrophobia", "yes")
    assert decision(rig, patient)["unsigned"] == ["claustrophobia"]


def test_a_signature_can_be_taken_back_and_none_is_given_without_need(rig):
    """Who changed their mind says so; what does not hold needs no signature."""
    patient = new_patient(rig)
    answer_all(rig, patient, steroid_use="yes")
    path = f"/patients/{patient}/conditions/steroid-use"
    rig.ask("POST", path, json={"region": "lumbar", "reason": "kurz"})
    back = rig.ask("POST", path, json={"region": "lumbar", "reason": "doch lang", "holds": False})
    assert back["unsigned"] == ["steroid-use"]
    other = f"/patients/{patient}/conditions/claustrophobia"
    rig.ask("POST", other, json={"region": "lumbar", "reason": "x"}, status=409)
    implant = f"/patients/{patient}/conditions/implant"
    rig.ask("POST", implant, json={"region": "lumbar", "reason": "x"}, status=422)


def test_a_kept_decision_says_which_version_of_the_rules_made_it(rig):
    """Whoever asks in ten years finds what was decided, and by what."""
    patient = new_patient(rig)
    answer(rig, patient, "pregnancy", "yes")
    made = rig.ask("POST", f"/patients/{patient}/decisions", json={"region": "lumbar"}, status=201)
    answer(rig, patient, "pregnancy", "no")
    kept = decision(rig, patient)["kept"]
    assert [(row["id"], row["decision"]) for row in kept] == [(made["id"], "refused")]
    assert kept[0]["rules_sha256"] == rig.ask("GET", "/rules")["sha256"]
    assert kept[0]["rules"][0]["source"].startswith("Clinic page")


def test_findings_are_not_a_patient_s_to_answer(rig):
    """On the tablet nobody is asked for an MRI; nobody's no there settles one."""
    patient = new_patient(rig)
    refusal = answer(rig, patient, "sequestrum", "no", given_by="patient", status=422)
    assert refusal["detail_de"]
    answer(rig, patient, "implant", "no", given_by="patient")


@pytest.mark.parametrize(
    ("rule", "value"),
    [("moonstruck", "no"), ("implant", "perhaps"), ("implant", {"answer": "yes", "on": "2020-01-01"}),
     ("compression-fracture", {"on": "2999-01-01"}), ("compression-fracture", {"on": "1950-01-01"}),
     ("implant", {"answer": "no\x00"}), ("severe-osteoporosis", {"bone_loss_percent": "45"})],
)  # fmt: skip
def test_an_answer_that_cannot_be_changes_nothing(rig, rule, value):
    """What is wrong is refused whole, in both languages."""
    patient = new_patient(rig)
    refusal = answer(rig, patient, rule, value, status=422)
    assert refusal["detail_de"]
    assert refusal["detail"]
    assert rig.ask("GET", f"/patients/{patient}/answers")["answers"] == []


def test_another_site_s_patient_is_like_none(rig):
    """Who may not see a file learns nothing of it, not even that it is there."""
    patient = new_patient(rig, "north")
    for path in ("questionnaire?region=lumbar", "decision?region=lumbar", "answers"):
        answered = rig.client("clinician", "south").get(f"/patients/{patient}/{path}")
        assert answered.status_code == 404
    answer(rig, patient, "implant", "no", sites=("south",), status=404)


def test_answers_follow_a_merged_file_and_every_look_is_in_the_trail(rig):
    """A merge must not lose a yes; who saw which record is written down."""
    one, other = new_patient(rig), new_patient(rig)
    answer(rig, one, "implant", "yes")
    keeping.merge(rig.office, CLINICIAN, one, other, "doppelt angelegt")
    assert "implant" in [row["rule"] for row in decision(rig, other)["reasons"] if row["kind"] == "refuses"]
    assert [row["record"] for row in rig.trail("decision.seen")] == [str(other)]
    assert [row["record"] for row in rig.trail("answer.given")] == [str(one)]


@pytest.mark.system
def test_answers_and_decisions_stay_as_they_were_on_both_databases(either):
    """The database itself refuses to rewrite what was answered and decided."""
    patient = new_patient(either)
    answer_all(either, patient, claustrophobia="yes")
    either.ask("POST", f"/patients/{patient}/decisions", json={"region": "lumbar"}, status=201)
    for change in ("UPDATE screening_answer SET answer = 'x'", "DELETE FROM screening_decision"):
        with pytest.raises(DBAPIError), writing(either.engine) as connection:
            connection.execute(text(change))
    with reading(either.engine) as connection:
        made = store.decision_of(connection, patient, "lumbar", patients.today())
    assert (made.outcome, made.may_be_treated) == ("conditions", False)

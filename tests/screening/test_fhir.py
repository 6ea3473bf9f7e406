"""FHIR R4 of patients' files, checked by fhir.resources both ways."""

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from fhir.resources.R4B import get_fhir_model_class
from gateway_stand_in import STARTED, summary

from broker.contract import EVENT, STREAMS
from broker.messages import ClinicEvent, Event
from services.kit.business.inbox import Heard
from services.kit.database import reading, writing
from services.kit.fhir import SITE
from services.screening.consent.words import POINTS
from services.screening.exchange.fhir.consents import INFORMATION, REGION
from services.screening.exchange.fhir.questionnaires import ANSWERS
from services.screening.exchange.fhir.treatments import PROCEDURES
from services.screening.exchange.parts import PART

PRACTICE = "https://praxis.example/patients"
PERSON = {
    "resourceType": "Patient",
    "identifier": [{"system": PRACTICE, "value": "A-17"}],
    "name": [{"use": "official", "family": "Müller", "given": ["Jörg", "Peter"]}],
    "gender": "male",
    "birthDate": "1961-04-03",
    "telecom": [{"system": "email", "value": "mueller@example.org"}],
    "address": [{"line": ["Weg 1"], "postalCode": "10115", "city": "Berlin", "country": "DE"}],
    "communication": [{"language": {"coding": [{"code": "en"}]}}],
    "managingOrganization": {"identifier": {"system": SITE, "value": "north"}},
}


def fhir(rig, method, path, *, status=None, **options):
    """The resource of an answer, held against FHIR's definition."""
    given = {"role": "clinician"} | options
    found = rig.ask(method, f"/fhir/{path}", status=status, **given)
    get_fhir_model_class(found["resourceType"]).model_validate(found)
    return found


def refused(rig, method, path, status, **options):
    """What a refusal says."""
    found = fhir(rig, method, path, status=status, **options)
    assert found["resourceType"] == "OperationOutcome"
    return " ".join(row["diagnostics"] for row in found["issue"])


def resources(found):
    """Those of a bundle."""
    return [entry["resource"] for entry in found.get("entry", [])]


def treated(rig, patient):
    """A session and an appointment of this patient, as the bus says them."""
    said = summary(uuid4()).model_copy(update={"patient": UUID(patient)})
    ended = Event(
        id=uuid4(), type="session.completed", at=STARTED, boot=uuid4(), seq=1, index=1, session=said.session,
        summary=said,
    )  # fmt: skip
    data = {"appointment": str(uuid4()), "patient": patient, "device": "bed-01", "number": 2}
    booked = ClinicEvent(
        id=uuid4(), type="appointment.booked", time=STARTED, data=data | {"starts_at": STARTED.isoformat()}
    )
    with writing(rig.engine) as connection:
        rig.handlers[EVENT](connection, Heard(EVENT, "north", "bed-01", ended))
        stream = STREAMS["appointment"]
        rig.handlers[stream](connection, Heard(stream, "north", None, booked))
    return str(said.session), data["appointment"]


def test_a_patient_is_opened_read_found_and_corrected(rig):
    """What another system writes is a file like any other, with its versions."""
    made = fhir(rig, "POST", "Patient", json=PERSON, status=201)
    assert (made["meta"]["versionId"], made["name"][0]["given"]) == ("1", ["Jörg Peter"])
    assert {"system": PRACTICE, "value": "A-17"} in made["identifier"]
    assert fhir(rig, "GET", f"Patient/{made['id']}") == made
    file = rig.ask("GET", f"/patients/{made['id']}")
    assert file["content"]["email"] == "mueller@example.org"
    changed = fhir(
        rig, "PUT", f"Patient/{made['id']}", json={**PERSON, "gender": "other"}, headers={"if-match": 'W/"1"'}
    )
    assert (changed["meta"]["versionId"], changed["gender"]) == ("2", "other")
    said = refused(
        rig, "PUT", f"Patient/{made['id']}", 412, json=PERSON, headers={"if-match": 'W/"1"'}
    )  # fmt: skip
    assert "version 2" in said
    assert [event.type for event in rig.told("patient")] == ["patient.registered", "patient.changed"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (f"identifier={PRACTICE}|A-17", 1),
        ("identifier=A-17", 1),
        ("identifier=https://elsewhere.example|A-17", 0),
        ("name=joerg", 1),
        ("name=mull", 1),
        ("family=Muell&birthdate=1961-04-03", 1),
        ("family=Jörg", 0),
        ("given=Jö", 1),
        ("birthdate=1961-04-04", 0),
        ("name=%25", 0),
    ],
)
def test_a_search_finds_by_identifier_name_and_birth_date(rig, query, count):
    """All that is asked must hold; what nobody is called finds nobody."""
    fhir(rig, "POST", "Patient", json=PERSON, status=201)
    if query == "name=%25":
        assert resources(fhir(rig, "GET", "Patient?name=%25x")) == []
        return
    assert fhir(rig, "GET", f"Patient?{query}")["total"] == count


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"birthDate": "1961-02-31"}, "birthDate"),
        ({"birthDate": "2961-02-01"}, "2961-02-01"),
        ({"birthDate": None}, "Patient.birthDate"),
        ({"name": []}, "Patient.name.family"),
        ({"gender": "x" * 300}, "gender"),
        ({"nonsense": 1}, "nonsense"),
        ({"resourceType": "Observation"}, "Patient is expected"),
        ({"managingOrganization": None}, "managingOrganization"),
        ({"telecom": [{"system": "email", "value": "nobody"}]}, "e-mail"),
        ({"name": [{"family": "M\u0007", "given": ["J"]}]}, "control character"),
    ],
)
def test_a_patient_that_is_wrong_is_refused_at_its_place(rig, change, said):
    """Half a patient would be another one: nothing is kept of it."""
    body = {name: value for name, value in (PERSON | change).items() if value is not None}
    assert said in refused(rig, "POST", "Patient", 422, json=body)
    assert rig.told() == []


def test_a_duplicate_and_a_number_that_is_another_s_are_refused(rig):
    """One person is one file, and one number is one person."""
    fhir(rig, "POST", "Patient", json=PERSON, status=201)
    other = {**PERSON, "name": [{"family": "Anders", "given": ["Ute"]}], "birthDate": "1990-01-01"}
    assert "A-17" in refused(rig, "POST", "Patient", 409, json=other)
    refused(rig, "POST", "Patient", 409, json={**PERSON, "identifier": []})


def test_sessions_and_figures_are_read(rig):
    """What the bus has said of a patient, as other systems read it."""
    patient = rig.patient("north")
    session, _appointment = treated(rig, patient)
    (procedure,) = resources(fhir(rig, "GET", f"Procedure?patient=Patient/{patient}"))
    assert (procedure["id"], procedure["status"]) == (session, "completed")
    assert fhir(rig, "GET", f"Procedure/{session}") == procedure
    figures = {row["id"]: row for row in resources(fhir(rig, "GET", f"Observation?patient={patient}"))}
    assert figures[f"{session}-peak-n"]["valueQuantity"] == {
        "value": 400.0, "unit": "N", "system": "http://unitsofmeasure.org", "code": "N",
    }  # fmt: skip
    assert figures[f"{session}-pain-before"]["valueInteger"] == 6
    assert fhir(rig, "GET", f"Observation/{patient}-weight")["valueQuantity"]["value"] == 70.5
    kinds = {row["resourceType"] for row in resources(fhir(rig, "GET", f"Patient/{patient}/$everything"))}
    assert kinds == {"Patient", "Procedure", "Observation"}


def test_appointments_are_the_scheduler_s_and_stay_in_the_copy_of_the_file(rig):
    """One home for each resource: two servers that answer for one appointment would contradict each other."""
    patient = rig.patient("north")
    _session, appointment = treated(rig, patient)
    rig.ask("GET", f"/fhir/Appointment/{appointment}", role="clinician", status=404)
    with reading(rig.engine) as connection:
        kept = PART.rows(connection, [UUID(patient)])
    assert appointment in {row.get("appointment") for row in kept}


def operation(patient, **change):
    """An operation as a hospital sends it."""
    return {
        "resourceType": "Procedure",
        "identifier": [{"system": "https://hospital.example/procedures", "value": "OP-4"}],
        "status": "completed",
        "code": {"text": "Mikrochirurgische Dekompression L4/5"},
        "subject": {"reference": f"Patient/{patient}"},
        "performedDateTime": "2019-05",
        "bodySite": [{"text": "L4/5"}],
        "note": [{"text": "ohne Komplikation"}],
    } | change


def test_what_was_done_elsewhere_is_kept_as_it_was_sent_and_is_in_the_file(either):
    """A clinician has to be able to read of an operation; nobody changes what a hospital said of it."""
    patient = either.patient("north")
    made = fhir(either, "POST", "Procedure", json=operation(patient), status=201)
    assert fhir(either, "POST", "Procedure", json=operation(patient), status=201) == made
    assert "not changed" in refused(
        either, "POST", "Procedure", 409, json=operation(patient, performedDateTime="2020")
    )
    session, _ = treated(either, patient)
    found = resources(fhir(either, "GET", f"Procedure?patient={patient}"))
    assert [row["id"] for row in found] == [session, made["id"]]
    assert fhir(either, "GET", f"Procedure/{made['id']}") == made
    assert made["note"] == [{"text": "ohne Komplikation"}]
    assert made in resources(fhir(either, "GET", f"Patient/{patient}/$everything"))
    with reading(either.engine) as connection:
        kept = [row for row in PART.rows(connection, [UUID(patient)]) if row["kind"] == "procedure"]
    assert "Mikrochirurgische" in kept[0]["resource"]
    assert {row["record"] for row in either.trail("procedure.added")} == {patient}
    with writing(either.engine) as connection:
        PART.erase(connection, [UUID(patient)])
    assert fhir(either, "GET", f"Procedure?patient={patient}")["total"] == 0


IMPOSSIBLE = (  # what a procedure cannot be, and what the refusal says
    ({"status": "preparation"}, "only what was done"),
    ({"code": {}}, "a coding or a text"),
    ({"code": None}, "a coding or a text"),
    ({"code": {"coding": [{"system": PROCEDURES, "code": "spinal-decompression"}]}}, "beds alone"),
    ({"performedDateTime": None}, "performedPeriod"),
    ({"performedDateTime": "2999"}, "2999"),
    ({"performedDateTime": "1850-01-01"}, "1850-01-01"),
    ({"performedDateTime": "2019-02-31"}, "performedDateTime"),
    ({"performedDateTime": None, "performedPeriod": {"end": "2999-01-01"}}, "2999-01-01"),
    ({"note": [{"text": "a\u0000b"}]}, "U+0000"),
    ({"note": [{"text": "x" * 30_000}]}, "20000 at most"),
    ({"subject": {"reference": "Group/1"}}, "subject.reference"),
    ({"nonsense": 1}, "nonsense"),
)


def test_a_procedure_that_cannot_be_is_refused_at_its_place(rig):
    """A year that is not yet there, a session nobody here gave: nothing is kept of it."""
    patient = rig.patient("north")
    for change, said in IMPOSSIBLE:
        body = {name: value for name, value in operation(patient, **change).items() if value is not None}
        assert said in refused(rig, "POST", "Procedure", 422, json=body)
    assert fhir(rig, "GET", f"Procedure?patient={patient}")["total"] == 0


def test_a_procedure_is_written_where_files_may_be(rig):
    """Another site's patient does not exist, and a therapist writes no file."""
    body = operation(rig.patient("north"))
    refused(rig, "POST", "Procedure", 404, json=body, sites=("south",))
    refused(rig, "POST", "Procedure", 403, json=body, role="therapist")


def test_observations_are_taken_by_their_loinc_code(rig):
    """A pain score of the practice's tablet, a weight of its scale; sent twice it is there once."""
    patient = rig.patient("north")
    subject = {"reference": f"Patient/{patient}"}
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    pain = {
        "resourceType": "Observation", "status": "final", "subject": subject, "effectiveDateTime": at,
        "code": {"coding": [{"system": "http://loinc.org", "code": "72514-3"}]}, "valueInteger": 7,
        "identifier": [{"system": PRACTICE, "value": "nrs-1"}],
    }  # fmt: skip
    weight = {
        **pain, "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "valueQuantity": {"value": 81.5, "code": "kg", "unit": "kg"},
    }  # fmt: skip
    del weight["valueInteger"]
    made = [fhir(rig, "POST", "Observation", json=pain, status=201)["id"] for _ in range(2)]
    assert made[0] == made[1]
    fhir(rig, "POST", "Observation", json=weight, status=201)
    assert rig.ask("GET", f"/patients/{patient}")["content"]["body_weight_kg"] == 81.5
    assert "from 0 to 10" in refused(rig, "POST", "Observation", 422, json=pain | {"valueInteger": 11,
                                     "identifier": []})  # fmt: skip
    unknown = {**pain, "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}}
    assert "72514-3" in refused(rig, "POST", "Observation", 422, json=unknown)
    heavy = {**weight, "valueQuantity": {"value": 180, "code": "[lb_av]"}}
    assert "kg" in refused(rig, "POST", "Observation", 422, json=heavy)


def test_a_questionnaire_is_answered_whole_or_not_at_all(rig):
    """One wrong answer among many: none is kept, and the place is named."""
    patient = rig.patient("north")
    questions = fhir(rig, "GET", "Questionnaire/lumbar")["item"]

    def sent(*items):
        return {
            "resourceType": "QuestionnaireResponse", "status": "completed",
            "questionnaire": "urn:spondyl:questionnaire:lumbar",
            "subject": {"reference": f"Patient/{patient}"}, "item": list(items),
        }  # fmt: skip

    first, second = (
        {"linkId": row["linkId"], "answer": [{"valueCoding": {"system": ANSWERS, "code": "no"}}]}
        for row in questions[:2]
    )
    wrong = {"linkId": "no-such-rule", "answer": [{"valueBoolean": True}]}
    assert "no-such-rule" in refused(rig, "POST", "QuestionnaireResponse", 422, json=sent(first, wrong))
    assert resources(fhir(rig, "GET", f"QuestionnaireResponse?patient={patient}")) == []
    made = fhir(rig, "POST", "QuestionnaireResponse", json=sent(first, second), status=201)
    assert (made["status"], len(made["item"])) == ("in-progress", 2)
    assert fhir(rig, "GET", f"QuestionnaireResponse/{patient}-lumbar") == made
    twice = sent(first, first)
    assert "answered twice" in refused(rig, "POST", "QuestionnaireResponse", 422, json=twice)


def declaration(patient, points=tuple(POINTS), **change):
    """A declaration signed on paper elsewhere."""
    informed = (datetime.now(UTC) - timedelta(hours=3)).isoformat()
    said = [{"url": "by", "valueString": "Dr. Weiß"}, {"url": "at", "valueDateTime": informed}]
    return {
        "resourceType": "Consent", "status": "active",
        "scope": {"coding": [{"code": "treatment"}]}, "category": [{"text": "treatment"}],
        "policy": [{"uri": "https://www.gesetze-im-internet.de/bgb/__630d.html"}],
        "patient": {"reference": f"Patient/{patient}"}, "performer": [{"display": "Erika Mustermann"}],
        "dateTime": (datetime.now(UTC) - timedelta(hours=1)).isoformat(),
        "extension": [{
            "url": INFORMATION,
            "extension": said + [{"url": "point", "valueCode": point} for point in points],
        }],
        "provision": {"type": "permit", "code": [{"coding": [{"system": REGION, "code": "lumbar"}]}]},
        "sourceAttachment": {
            "contentType": "application/pdf", "data": base64.b64encode(b"%PDF-1.7 signed").decode(),
        },
    } | change  # fmt: skip


def test_a_consent_comes_with_its_information_and_can_be_withdrawn(rig):
    """A declaration without oral information is void (BGB 630e); a withdrawal needs no form (630d)."""
    patient = rig.patient("north")
    made = fhir(rig, "POST", "Consent", json=declaration(patient), status=201)
    assert (made["status"], made["performer"]) == ("active", [{"display": "Erika Mustermann"}])
    assert resources(fhir(rig, "GET", f"Consent?patient={patient}")) == [made]
    ended = fhir(rig, "PUT", f"Consent/{made['id']}", json={**made, "status": "inactive"})
    assert (ended["status"], ended["provision"]["type"]) == ("inactive", "deny")
    assert fhir(rig, "GET", f"Consent/{made['id']}") == ended
    refused(rig, "PUT", f"Consent/{made['id']}", 409, json={**made, "status": "inactive"})


@pytest.mark.parametrize(
    ("points", "change", "said"),
    [
        (("risks",), {}, "630e"),
        (tuple(POINTS), {"extension": []}, "is needed (BGB 630d, 630e)"),
        (tuple(POINTS), {"sourceAttachment": {"data": "bm8gcGRm"}}, "PDF"),
        (tuple(POINTS), {"status": "draft"}, "active"),
    ],
)
def test_a_consent_that_the_law_does_not_know_is_refused(rig, points, change, said):
    """What is undocumented is presumed not done (BGB 630h)."""
    patient = rig.patient("north")
    assert said in refused(rig, "POST", "Consent", 422, json=declaration(patient, points, **change))
    assert fhir(rig, "GET", f"Consent?patient={patient}")["total"] == 0


def test_another_site_s_patient_does_not_exist_and_refusals_are_fhir_s(rig):
    """Whoever is of another site learns nothing, not even that there is something."""
    patient = rig.patient("north")
    session, _appointment = treated(rig, patient)
    south = {"role": "clinician", "sites": ("south",)}
    for path in (
        f"Patient/{patient}", f"Patient/{patient}/$everything", f"Procedure?patient={patient}",
        f"Procedure/{session}", f"Observation/{patient}-weight",
        f"Observation/{uuid4()}", "Patient/no-uuid", "Consent/no-uuid", "Questionnaire/knee",
    ):  # fmt: skip
        assert "known here" in refused(rig, "GET", path, 404, **south)
    assert fhir(rig, "GET", "Patient?name=erika", **south)["total"] == 0
    assert "not permitted" in refused(rig, "POST", "Patient", 403, json=PERSON, **south)
    assert "exchange.use" in refused(rig, "GET", f"Patient/{patient}", 403, role="therapist")
    assert "outcomes.see" in refused(rig, "GET", f"Observation?patient={patient}", 403, role="reception")
    assert "no parameter" in refused(rig, "GET", "Patient?nam=erika", 422)
    refused(rig, "POST", "Patient", 422, content=b"{no json", headers={"content-type": "application/json"})


def test_what_the_server_does_is_said_to_everybody(rig):
    """A system that connects asks this first."""
    found = fhir(rig, "GET", "metadata")
    kinds = {row["type"] for row in found["rest"][0]["resource"]}
    assert {"Patient", "QuestionnaireResponse", "Consent", "Procedure", "Observation"} <= kinds
    assert "Appointment" not in kinds, "the scheduler's"


def test_every_look_and_change_leaves_a_row(rig):
    """Who read which record of whom, and who changed it."""
    made = fhir(rig, "POST", "Patient", json=PERSON, status=201)
    fhir(rig, "GET", f"Patient/{made['id']}")
    fhir(rig, "GET", f"Consent?patient={made['id']}")
    assert [row["record"] for row in rig.trail("fhir.read")] == [made["id"]]
    assert [row["record"] for row in rig.trail("patient.opened")] == [made["id"]]
    assert [row["record"] for row in rig.trail("fhir.searched")] == [made["id"]]


def test_on_both_databases_a_patient_is_found_again(either):
    """PostgreSQL compares text its own way."""
    fhir(either, "POST", "Patient", json=PERSON, status=201)
    assert fhir(either, "GET", "Patient?family=MUELLER&given=j")["total"] == 1

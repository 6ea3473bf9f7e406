"""FHIR R4 of appointments, checked by fhir.resources both ways: read, found, moved, called off; no more."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from fhir.resources.R4B import get_fhir_model_class
from scheduler.booking_times import on
from scheduler.threads import at_once


@pytest.fixture
def clinic(rig):
    """Two beds and two therapists, and a cure."""
    rig.people = rig.clinic()
    rig.made = rig.cure()
    return rig


def fhir(rig, method, path, *, status=None, **options):
    """The resource of an answer, held against FHIR's definition."""
    found = rig.ask(method, f"/fhir/{path}", status=status, **options)
    get_fhir_model_class(found["resourceType"]).model_validate(found)
    return found


def refused(rig, method, path, status, **options):
    """What a refusal says, in both languages, and which elements it names."""
    found = fhir(rig, method, path, status=status, **options)
    assert found["resourceType"] == "OperationOutcome"
    rows = found["issue"]
    assert rows[0]["details"]["text"], "German"
    said = " ".join([rows[0]["details"]["text"], *(row["diagnostics"] for row in rows)])
    return said, {place for row in rows for place in row.get("expression", [])}


def read(rig, number=1):
    """One of the cure's appointments in FHIR."""
    return fhir(rig, "GET", f"Appointment/{rig.made['appointments'][number - 1]['appointment']}")


def put(rig, resource, **options):
    """Send it back."""
    return fhir(rig, "PUT", f"Appointment/{resource['id']}", json=resource, **options)


def at(resource, start):
    """The same at another time, as long as before."""
    length = datetime.fromisoformat(resource["end"]) - datetime.fromisoformat(resource["start"])
    return {**resource, "start": start.isoformat(), "end": (start + length).isoformat()}


def rows_of(bundle):
    """The resources of a bundle."""
    return [entry["resource"] for entry in bundle.get("entry", [])]


def test_an_appointment_is_read_with_who_and_what_it_needs(clinic):
    """Another system sees patient, bed, therapist and site, and whether the patient was told."""
    one = clinic.made["appointments"][0]
    answer = clinic.knock("GET", f"/fhir/Appointment/{one['appointment']}")
    found = answer.json()
    assert (answer.headers["etag"], answer.headers["content-type"]) == ('W/"1"', "application/fhir+json")
    assert (found["status"], found["start"]) == ("booked", one["starts_at"].replace("Z", "+00:00"))
    patient, *others = found["participant"]
    assert patient["actor"]["reference"] == f"Patient/{clinic.made['patient']}"
    assert patient["status"] == "needs-action"
    assert [it["actor"]["identifier"]["value"] for it in others] == [
        f"north/{one['device']}", f"urn:uuid:{one['therapist']}", "north",
    ]  # fmt: skip
    clinic.ask("POST", f"/appointments/{one['appointment']}/confirm", json={})
    now = read(clinic)
    assert (now["participant"][0]["status"], now["meta"]["versionId"]) == ("accepted", "2")


def test_appointments_are_found_by_patient_day_and_status_page_by_page(clinic):
    """A day is that of the site's clock; what was asked by a merged file's id is the person's."""
    other = clinic.cure()
    every = fhir(clinic, "GET", f"Appointment?patient=Patient/{clinic.made['patient']}&_count=10")
    assert (every["total"], len(every["entry"])) == (18, 10)
    further = every["link"][0]["url"].partition("/fhir/")[2]
    rest = fhir(clinic, "GET", further)
    assert [row["id"] for row in rows_of(every) + rows_of(rest)] == [
        one["appointment"] for one in clinic.made["appointments"]
    ]
    assert "link" not in rest
    first = clinic.made["appointments"][0]
    clinic.ask("POST", f"/appointments/{first['appointment']}/cancel", json={"reason": "ill"})
    day = first["starts_at"][:10]
    asked = f"Appointment?date={day}&status=cancelled,noshow"
    assert [row["id"] for row in rows_of(fhir(clinic, "GET", asked))] == [first["appointment"]]
    assert fhir(clinic, "GET", f"Appointment?date=ge{day}&date=lt{day}")["total"] == 0
    minute = first["starts_at"][:16]
    assert fhir(clinic, "GET", f"Appointment?date={minute}Z&status=cancelled")["total"] == 1
    clinic.clinic_event("patient.merged", patient=clinic.made["patient"], into=other["patient"])
    for whose in (clinic.made, other):
        assert fhir(clinic, "GET", f"Appointment?patient={whose['patient']}&_count=1")["total"] == 36


NO_SEARCHES = {  # what is asked: what is said to it
    "": "patient or date",
    "?patient=Erika": "Patient/ID",
    "?date=2026-02-30": "a day from",
    "?date=ap2026-11-24": "one of eq",
    "?date=2026-11-24T09:00": "with its zone",
    "?date=1800-01-01": "from 2000-01-01",
    "?date=2026-11-24&status=lost": "none of proposed",
    "?date=2026-11-24&_count=0": "greater than",
    "?datum=2026-11-24": "no parameter",
}


def test_a_search_that_means_nothing_is_refused(clinic):
    """A filter that is passed over would answer with everybody's appointments."""
    for query, said in NO_SEARCHES.items():
        found = fhir(clinic, "GET", f"Appointment{query}", status=422)
        assert said in found["issue"][0]["diagnostics"], query


def test_an_appointment_is_moved_by_its_start(clinic):
    """The same move as the desk's: written down, told, checked; a new version, and the old one is stale."""
    known = read(clinic)
    wanted = at(known, on(clinic.made["appointments"][0], 14))
    now = put(clinic, wanted, headers={"if-match": 'W/"1"'})
    assert (now["meta"]["versionId"], datetime.fromisoformat(now["start"])) == (
        "2", on(clinic.made["appointments"][0], 14),
    )  # fmt: skip
    assert read(clinic) == now
    assert clinic.told("appointment")[-1].type == "appointment.moved"
    assert len(clinic.trail("appointment.moved")) == 1
    said, _ = refused(
        clinic, "PUT", f"Appointment/{known['id']}", 412, json=known, headers={"if-match": 'W/"1"'}
    )
    assert "newest is version 2" in said
    assert put(clinic, now) == now, "what changes nothing makes no version"
    refused(clinic, "PUT", f"Appointment/{known['id']}", 422, json=known, headers={"if-match": "2"})


def test_a_move_that_a_rule_forbids_says_the_rule_and_what_would_work(clinic):
    """What is said to work does work."""
    known = read(clinic)
    early = on(clinic.made["appointments"][0], 6)
    found = fhir(clinic, "PUT", f"Appointment/{known['id']}", status=409, json=at(known, early))
    severities = [row["severity"] for row in found["issue"]]
    assert (severities[0], severities[-1]) == ("error", "information")
    assert read(clinic) == known
    hints = [row["diagnostics"] for row in found["issue"] if row["severity"] == "information"]
    mine = next(hint for hint in hints if "device" not in hint)
    start = datetime.fromisoformat(mine.partition("start ")[2].partition(",")[0])
    assert put(clinic, at(known, start))["meta"]["versionId"] == "2"


def test_it_is_called_off_with_its_reason_and_the_place_goes_to_who_waits(clinic):
    """As the desk calls off; what was called off does not come back."""
    later = clinic.cure(earliest="2026-12-07", device="bed-02")["appointments"][0]
    clinic.waits(appointment=later["appointment"], automatic=True)
    known = read(clinic, 5)
    why = {"text": "ill", "coding": [{"system": "urn:reasons", "code": "pat", "display": "Patient"}]}
    gone = put(clinic, {**known, "status": "cancelled", "cancelationReason": why})
    assert (gone["status"], gone["cancelationReason"]) == (
        "cancelled", {"text": "ill; Patient (urn:reasons|pat)"},
    )  # fmt: skip
    assert clinic.ask("GET", "/waiting?site=north") == []
    said, places = refused(
        clinic, "PUT", f"Appointment/{known['id']}", 422, json={**gone, "status": "booked"}
    )
    assert places == {"Appointment.status"}
    assert "planned anew" in said
    again = {**gone, "cancelationReason": {"text": "moved away"}}
    assert refused(clinic, "PUT", f"Appointment/{known['id']}", 422, json=again)[1] == {
        "Appointment.cancelationReason"
    }


def test_who_did_not_come_is_a_no_show_once_it_has_begun(clinic):
    """Who calls off before it begins has not missed it."""
    known = read(clinic)
    absent = {**known, "status": "noshow", "cancelationReason": {"text": "did not come"}}
    assert "begins at" in refused(clinic, "PUT", f"Appointment/{known['id']}", 409, json=absent)[0]
    clinic.now = datetime.fromisoformat(known["start"]) + timedelta(minutes=10)
    assert put(clinic, absent)["status"] == "noshow"
    assert clinic.told("appointment")[-1].type == "appointment.missed"
    gone = {**read(clinic), "status": "cancelled"}
    refused(clinic, "PUT", f"Appointment/{known['id']}", 409, json=gone)


OTHER_CHANGES = (  # what is changed, which element is named, what is said of it
    ({"participant": []}, "participant", "/move"),
    ({"description": "massage"}, "description", "follows from the cure"),
    ({"comment": "window seat"}, "comment", "is not kept here"),
    ({"priority": 1}, "priority", "is not kept here"),
    ({"meta": {"versionId": "1", "tag": [{"code": "x"}]}}, "meta", "is not kept here"),
    ({"end": "2026-11-24T23:00:00+01:00"}, "end", "45 min"),
    ({"start": "2126-11-24T09:00:00+01:00", "end": "2126-11-24T09:45:00+01:00"}, "start", "2099"),
    ({"start": "9999-12-31T23:59:00Z", "end": "9999-12-31T23:59:59Z"}, "start", "2099"),
    ({"start": "0001-01-01T00:00:00+14:00"}, "start", "2099"),
    ({"start": None, "end": None}, "end", "is missing"),
    ({"status": "cancelled", "cancelationReason": {"text": "a\0b"}}, "cancelationReason", "NUL"),
    (
        {"status": "cancelled", "cancelationReason": {"id": "x", "text": "a"}},
        "cancelationReason.id",
        "not kept",
    ),
    ({"status": "fulfilled"}, "status", "the session itself"),
    ({"status": "cancelled", "end": "2026-11-24T23:00:00+01:00"}, "end", "two requests"),
    ({"status": "cancelled", "cancelationReason": {"text": "x" * 501}}, "cancelationReason", "500"),
    ({"id": "other"}, "id", "the address says"),
    ({"start": "tomorrow"}, "start", "does not match"),
    ({"resourceType": "Slot"}, "resourceType", "Appointment is expected"),
)


def test_what_else_is_changed_is_named_and_refused(clinic):
    """Passed over in silence, the other system would believe that it holds."""
    known = read(clinic)
    for change, place, said in OTHER_CHANGES:
        sent = {name: value for name, value in (known | change).items() if value is not None}
        (issue,) = fhir(clinic, "PUT", f"Appointment/{known['id']}", status=422, json=sent)["issue"]
        assert place in issue["expression"][0], change
        assert said in issue["diagnostics"], change
        assert place.partition(".")[0] in issue["details"]["text"], "in German, too"
    assert read(clinic) == known


def test_another_bed_is_asked_for_where_it_can_be_checked(clinic):
    """A participant is an element like any other: refused by its name, with the door that it goes through."""
    known = read(clinic)
    bed = [dict(row) for row in known["participant"]]
    bed[1] = {**bed[1], "actor": {"identifier": {"system": "urn:spondyl:device", "value": "north/bed-02"}}}
    said, places = refused(
        clinic, "PUT", f"Appointment/{known['id']}", 422, json={**known, "participant": bed}
    )
    assert places == {"Appointment.participant"}
    assert "/move" in said


def test_a_single_appointment_is_not_made(clinic):
    """A cure is planned whole: one appointment of nobody's series would be taken from no plan."""
    answer = clinic.knock("POST", "/fhir/Appointment", json={"resourceType": "Appointment"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert "use POST /cures" in answer.json()["issue"][0]["diagnostics"]


def test_another_site_s_appointment_does_not_exist(clinic):
    """Neither to read nor to find nor to change; and who may not exchange gets none of it."""
    known = read(clinic)
    south = {"sites": ("south",)}
    for path in (f"Appointment/{known['id']}", f"Appointment/{uuid4()}", "Appointment/no-uuid"):
        assert "there is no appointment" in refused(clinic, "GET", path, 404, **south)[0]
    refused(clinic, "PUT", f"Appointment/{known['id']}", 404, json=known, **south)
    assert fhir(clinic, "GET", f"Appointment?patient={clinic.made['patient']}", **south)["total"] == 0
    assert "exchange.use" in refused(clinic, "GET", f"Appointment/{known['id']}", 403, role="therapist")[0]
    assert fhir(clinic, "GET", "metadata")["rest"][0]["resource"][0]["type"] == "Appointment"


def test_of_two_who_read_the_same_version_one_changes_it(either_rig):
    """The version is looked at inside the change's own transaction."""
    either_rig.clinic()
    either_rig.made = either_rig.cure()
    known = read(either_rig)
    wishes = [at(known, on(either_rig.made["appointments"][0], hour)) for hour in (13, 15)]
    answers = at_once(
        [
            lambda wish=wish: either_rig.knock(
                "PUT", f"/fhir/Appointment/{known['id']}", json=wish, headers={"if-match": 'W/"1"'}
            )
            for wish in wishes
        ]
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert read(either_rig)["meta"]["versionId"] == "2"

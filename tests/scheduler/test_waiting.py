"""The waiting list: who gets a place that comes free, and who waits no more."""

from datetime import datetime
from uuid import uuid4

from scheduler.scheduler_rig import cure_body
from scheduler.threads import at_once


def test_a_freed_place_goes_to_who_waits_for_it(clinic):
    """Automatic entries are moved at once and told; their own place is given on."""
    first = clinic.cure(device="bed-01", therapist=clinic.people[0])
    later = clinic.cure(earliest="2026-12-01", device="bed-02", therapist=clinic.people[1])
    waiting = clinic.waits(appointment=later["appointments"][0]["appointment"], automatic=True)
    assert [row["waiting"] for row in clinic.ask("GET", "/waiting?site=north")] == [waiting["waiting"]]
    freed = first["appointments"][1]
    clinic.ask("POST", f"/appointments/{freed['appointment']}/cancel", json={"reason": "ill"})
    now = clinic.shown(later)["appointments"][0]
    assert (now["starts_at"], now["device"]) == (freed["starts_at"], freed["device"])
    assert clinic.told("appointment")[-1].data["reason"] == "waiting-list"
    assert clinic.ask("GET", "/waiting?site=north") == []


def test_an_offer_waits_for_the_desk_and_not_for_ever(clinic):
    """Offered and told; accepted it is a move; a day later the next one may be asked."""
    first = clinic.cure(device="bed-01", therapist=clinic.people[0])
    later = clinic.cure(earliest="2026-12-07", device="bed-02", therapist=clinic.people[1])
    waiting = clinic.waits(appointment=later["appointments"][0]["appointment"])["waiting"]
    clinic.ask("POST", f"/waiting/{waiting}/accept", status=409)
    freed = first["appointments"][4]
    clinic.ask("POST", f"/appointments/{freed['appointment']}/cancel", json={"reason": "ill"})
    (row,) = clinic.ask("GET", "/waiting?site=north")
    assert row["state"] == "offered"
    assert clinic.told("appointment")[-1].type == "appointment.offered"
    assert clinic.shown(later)["appointments"][0] == later["appointments"][0]
    accepted = clinic.ask("POST", f"/waiting/{waiting}/accept")
    assert accepted["state"] == "filled"
    assert clinic.shown(later)["appointments"][0]["starts_at"] == freed["starts_at"]


def test_a_cure_that_found_no_place_gets_the_first_that_comes_free(clinic):
    """Booked whole when another cure ends."""
    for who in range(2):
        clinic.cure(cadence="daily", times=[["10:00", "10:45"]], therapist=clinic.people[who])
    blocked = clinic.ask("GET", "/cures")[0]["cure"]
    wanted = cure_body(cadence="daily", times=[["10:00", "10:45"]])
    assert clinic.ask("POST", "/cures/preview", json=wanted)["appointments"] == []
    clinic.waits(cure=wanted, automatic=True)
    clinic.ask("POST", f"/cures/{blocked}/end", json={"reason": "moved away"})
    assert clinic.ask("GET", "/waiting?site=north") == []
    (booked,) = clinic.ask("GET", f"/cures?patient={wanted['patient']}")
    assert booked["counts"] == {"booked": 18}


def test_who_waits_no_more_is_asked_no_more(clinic):
    """Removed by the desk, or because the appointment itself has gone by."""
    cure = clinic.cure(earliest="2026-12-01")
    waiting = clinic.waits(appointment=cure["appointments"][0]["appointment"], automatic=True)["waiting"]
    assert clinic.ask("DELETE", f"/waiting/{waiting}")["state"] == "removed"
    assert clinic.ask("GET", "/waiting?site=north") == []
    clinic.ask("DELETE", f"/waiting/{uuid4()}", status=404)
    clinic.ask("POST", "/waiting", json={"automatic": True, "request": str(uuid4())}, status=422)


def test_who_is_erased_stops_nobody_on_the_waiting_list(clinic):
    """Their entry answered every later calling-off with an error, and nobody behind it was moved up."""
    gone = str(uuid4())
    wish = cure_body(patient=gone, times=[["08:00", "18:00"]])
    clinic.waits(cure=wish, automatic=True)
    late = clinic.cure(times=[["15:00", "18:00"]])["appointments"][0]
    clinic.waits(appointment=late["appointment"], automatic=True)
    first = clinic.cure(times=[["08:00", "10:00"]])["appointments"][0]
    clinic.clinic_event("patient.erased", patient=gone)
    clinic.ask("POST", f"/appointments/{first['appointment']}/cancel", json={"reason": "ill"})
    assert gone not in {row["patient"] for row in clinic.ask("GET", "/waiting?site=north")}
    now = clinic.ask("GET", f"/appointments/{late['appointment']}")
    assert datetime.fromisoformat(now["starts_at"]) == datetime.fromisoformat(first["starts_at"])


def test_one_wish_is_on_the_list_once_by_however_many_desks(either_rig):
    """A double click, a lost answer or a second desk: two entries would take two places for one patient."""
    rig = either_rig
    rig.clinic()
    one = rig.cure(earliest="2026-12-01")["appointments"][0]
    body = {"request": str(uuid4()), "appointment": one["appointment"], "weekdays": ["mon"]}
    desks = [body, body, body | {"request": str(uuid4())}]
    answers = at_once([lambda sent=sent: rig.knock("POST", "/waiting", json=sent) for sent in desks])
    assert [answer.status_code for answer in answers] == [201] * 3
    (entry,) = rig.ask("GET", "/waiting?site=north")
    assert {answer.json()["waiting"] for answer in answers} == {entry["waiting"]}
    other = body | {"weekdays": ["tue"]}
    for sent in (other, other | {"request": str(uuid4())}):
        refused = rig.ask("POST", "/waiting", json=sent, status=409)
        assert "end that one first" in refused["detail"]
    rig.ask("DELETE", f"/waiting/{entry['waiting']}")
    again = other | {"request": str(uuid4())}
    rig.ask("DELETE", f"/waiting/{rig.waits(**again)['waiting']}")
    assert rig.waits(**again)["state"] == "removed", "the answer of the first time, not a new entry"
    cure = cure_body(patient=str(uuid4()))
    assert rig.waits(cure=cure)["waiting"] == rig.waits(cure=cure)["waiting"]

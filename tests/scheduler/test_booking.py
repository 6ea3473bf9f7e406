"""Cures: shown before they are booked, booked whole or not at all, once, whoever else is at it."""

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from scheduler.scheduler_rig import PRESCRIPTION, SITE, WORKDAYS, cure_body
from scheduler.threads import at_once

from services.kit.database import reading
from services.scheduler.booking import store
from services.scheduler.booking.tables import APPOINTMENTS, CURES, OCCUPANCY

BERLIN = ZoneInfo("Europe/Berlin")


def test_a_cure_is_booked_as_it_was_shown(rig):
    """What the patient was told at the desk is what stands in the calendar."""
    rig.clinic()
    body = cure_body(times=[["08:00", "12:00"]])
    preview = rig.ask("POST", "/cures/preview", json=body)
    assert len(preview["appointments"]) == 18
    assert preview["proven"]
    made = rig.ask("POST", "/cures", json=body | {"request": str(uuid4())}, status=201)
    shown = [(one["number"], one["starts_at"], one["device"]) for one in preview["appointments"]]
    booked = [(one["number"], one["starts_at"], one["device"]) for one in made["appointments"]]
    assert [as_moments(row) for row in booked] == [as_moments(row) for row in shown]
    hours = {datetime.fromisoformat(one["starts_at"]).astimezone(BERLIN).hour for one in made["appointments"]}
    assert hours <= {8, 9, 10, 11}
    assert Counter(event.type for event in rig.told() if event.type != "site.settings") == {
        "cure.planned": 1,
        "appointment.booked": 18,
    }


def as_moments(row):
    """The same with its time compared as a moment."""
    return row[0], datetime.fromisoformat(row[1]), row[2]


def test_asking_twice_books_once(rig):
    """A desk whose connection broke sends its request again."""
    rig.clinic()
    body = cure_body() | {"request": str(uuid4())}
    first = rig.ask("POST", "/cures", json=body, status=201)
    again = rig.ask("POST", "/cures", json=body, status=201)
    assert (again["cure"], rig.count(CURES), rig.count(APPOINTMENTS)) == (first["cure"], 1, 18)
    other = body | {"patient": str(uuid4())}
    rig.ask("POST", "/cures", json=other, status=409)


def test_two_desks_at_once_cannot_have_the_same(either_rig):
    """One wins; the other gets series that really can be booked, and nothing is half there."""
    rig = either_rig
    rig.clinic(beds={"bed_01": "lumbar"}, therapists=1)
    bodies = []
    for _ in range(2):
        body = cure_body()
        chosen = rig.ask("POST", "/cures/preview", json=body)["appointments"]
        kept = [
            {name: one[name] for name in ("number", "starts_at", "device", "therapist")} for one in chosen
        ]
        bodies.append(body | {"request": str(uuid4()), "appointments": kept})
    answers = at_once([lambda body=body: rig.knock("POST", "/cures", json=body) for body in bodies])
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert (rig.count(CURES), rig.count(APPOINTMENTS)) == (1, 18)
    (lost,) = [(body, a.json()) for body, a in zip(bodies, answers, strict=True) if a.status_code == 409]
    body, refusal = lost
    assert refusal["rules"]
    assert refusal["detail_de"]
    keys = ("number", "starts_at", "device", "therapist")
    works = refusal["alternatives"][0]
    chosen = [{name: one[name] for name in keys} for one in works["appointments"]]
    again = body | {"appointments": chosen, "cadence": works["cadence"], "earliest": works["earliest"]}
    rig.ask("POST", "/cures", json=again, status=201)
    assert rig.count(APPOINTMENTS) == 36


def test_the_same_request_from_two_threads_is_one_cure(either_rig):
    """A double click must not be two cures."""
    rig = either_rig
    rig.clinic()
    body = cure_body() | {"request": str(uuid4())}
    answers = at_once([lambda: rig.knock("POST", "/cures", json=body)] * 3)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["cure"] for answer in answers}) == 1
    assert rig.count(APPOINTMENTS) == 18


def test_the_same_patient_is_never_at_two_beds(either_rig):
    """Two desks plan two cures of one patient: rest between sessions holds across them."""
    rig = either_rig
    rig.clinic(therapists=3)
    patient = str(uuid4())
    bodies = [cure_body(patient=patient) | {"request": str(uuid4())} for _ in range(2)]
    answers = at_once([lambda body=body: rig.knock("POST", "/cures", json=body) for body in bodies])
    assert 201 in {answer.status_code for answer in answers}
    with reading(rig.engine) as connection:
        mine = store.of_patients(connection, {bodies[0]["patient"]}, 0)
    for earlier, later in pairwise(mine):
        assert later.starts_at - earlier.ends_at >= timedelta(hours=20)


def test_every_bed_therapist_and_patient_is_taken_once(rig):
    """The database holds a row for every five minutes; the bed's includes its clean-up."""
    rig.clinic()
    rig.ask("POST", "/cures", json=cure_body() | {"request": str(uuid4())}, status=201)
    assert rig.count(OCCUPANCY) == 18 * (9 + 9 + 12)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"sessions": 200}, 422),
        ({"sessions": 14}, 422),
        ({"sessions": -1}, 422),
        ({"cadence": "hourly"}, 422),
        ({"earliest": "2026-02-30"}, 422),
        ({"earliest": "0001-01-01"}, 422),
        ({"times": [["12:00", "08:00"]]}, 422),
        ({"region": "thoracic"}, 422),
        ({"patient": "Müller"}, 422),
        ({"segment": "L4\x00"}, 422),
        ({"site": "nowhere"}, 404),
        ({"device": "bed-99"}, 409),
        ({"therapist": str(uuid4())}, 409),
        ({"weekdays": ["sat", "sun"]}, 409),
        ({"weekdays": ["mon"]}, 409),
        ({"times": [["05:00", "06:00"]]}, 409),
        ({"device": "bed-02", "region": "cervical"}, 409),
    ],
)
def test_a_cure_that_cannot_be_is_refused_with_the_rule(rig, wrong, status):
    """Impossible dates, 200 sessions, a cadence that cannot fit: nothing is booked, and it says why."""
    rig.clinic()
    body = cure_body() | {"request": str(uuid4())} | wrong
    refusal = rig.ask("POST", "/cures", json=body, status=status)
    assert refusal["detail"]
    told = [event for event in rig.told() if event.type != "site.settings"]
    assert (rig.count(CURES), rig.count(APPOINTMENTS), told) == (0, 0, [])
    if status == 409:
        assert {"id", "text_de", "text_en"} <= set(refusal["rules"][0])


def test_two_hundred_sessions_are_refused_in_both_languages(rig):
    """What, the value, the limit and where it comes from."""
    rig.clinic()
    refusal = rig.ask("POST", "/cures/preview", json=cure_body(sessions=200), status=422)
    assert refusal["detail"] == "200 sessions: by the method a cure has 15-20"
    assert refusal["detail_de"] == "200 Sitzungen: nach der Methode hat eine Kur 15-20"


def test_a_cadence_that_cannot_fit_names_the_rule(rig):
    """Five a week on three open days: the cadence is what forbids it, and what would work is offered."""
    rig.clinic()
    found = rig.ask("POST", "/cures/preview", json=cure_body(cadence="daily", weekdays=["mon", "wed", "fri"]))
    assert [rule["id"] for rule in found["conflicts"]] == ["cadence"]
    assert found["alternatives"]
    assert all(len(one["appointments"]) == 18 for one in found["alternatives"])


def test_appointments_keep_their_hour_across_summer_time(rig):
    """10 o'clock is 10 o'clock before and after the clocks change, and lasts 45 minutes on both days."""
    rig.clinic()
    rig.now = datetime(2027, 3, 15, 7, 0, tzinfo=BERLIN)
    body = cure_body(earliest="2027-03-16", times=[["10:00", "10:45"]])
    made = rig.ask("POST", "/cures", json=body | {"request": str(uuid4())}, status=201)["appointments"]
    spans = [
        tuple(datetime.fromisoformat(one[name]).astimezone(BERLIN) for name in ("starts_at", "ends_at"))
        for one in made
    ]
    assert {f"{start:%H:%M}" for start, _ in spans} == {"10:00"}
    assert {start.utcoffset() for start, _ in spans} == {timedelta(hours=1), timedelta(hours=2)}
    assert {end - start for start, end in spans} == {timedelta(minutes=45)}


def test_two_sites_in_two_time_zones_each_keep_their_own_clock(rig):
    """The same wish is another moment in Lisbon than in Berlin."""
    rig.clinic()
    rig.clinic("south", {"bed_11": "lumbar"}, state="PT-11", zone="Europe/Lisbon")
    first = {}
    for site in ("north", "south"):
        body = cure_body(site=site, times=[["10:00", "10:45"]])
        made = rig.ask("POST", "/cures", json=body | {"request": str(uuid4())}, status=201)
        first[site] = datetime.fromisoformat(made["appointments"][0]["starts_at"])
    assert first["south"].astimezone(ZoneInfo("Europe/Lisbon")).hour == 10
    assert first["south"] - first["north"].replace(day=first["south"].day) == timedelta(hours=1)


def test_public_holidays_and_closed_days_are_left_out(rig):
    """A cure over Christmas rests on the 25th, and on what the clinic closed."""
    rig.clinic(closed=["2026-12-24", "2026-12-31"])
    made = rig.ask(
        "POST", "/cures", json=cure_body(earliest="2026-12-14") | {"request": str(uuid4())}, status=201
    )
    days = {
        datetime.fromisoformat(one["starts_at"]).astimezone(BERLIN).date() for one in made["appointments"]
    }
    closed = {"2026-12-24", "2026-12-25", "2026-12-26", "2026-12-31", "2027-01-01"}
    assert not closed & {str(day) for day in days}


def test_a_removed_bed_lists_what_is_planned_there(rig):
    """A device that is gone: its appointments are not lost but listed for replanning."""
    rig.clinic(beds={"bed_01": "lumbar"})
    rig.ask("POST", "/cures", json=cure_body() | {"request": str(uuid4())}, status=201)
    rig.now += timedelta(minutes=1)
    rig.birth(bed_02="lumbar")
    left = rig.ask("GET", "/resources?site=north")["replan"]
    assert len(left) == 18
    assert {one["device"] for one in left} == {"bed-01"}
    out = rig.ask("PUT", "/devices/north/bed-01", role="administrator", json={"in_use": False})
    assert len(out["replan"]) == 18


def test_a_patient_rests_between_sessions_at_two_sites(rig):
    """Lumbar in the north, cervical in the south: never within twenty hours of each other."""
    rig.clinic()
    rig.clinic("south", {"bed_11": "cervical"})
    patient = str(uuid4())
    rig.cure(patient=patient, cadence="three")
    rig.cure(patient=patient, site="south", region="cervical", segment="C5-7", cadence="two")
    with reading(rig.engine) as connection:
        mine = store.of_patients(connection, {patient}, 0)
    assert len(mine) == 36
    assert all(b.starts_at - a.ends_at >= timedelta(hours=20) for a, b in pairwise(mine))


def test_who_leaves_lists_what_is_planned_with_them(rig):
    """A therapist who is gone: their appointments are not lost but listed for replanning."""
    people = rig.clinic()
    rig.cure(therapist=people[0])
    person = {"name": "Gone", "site": "north", "shifts": {}, "active": False}
    left = rig.ask("PUT", f"/therapists/{people[0]}", role="administrator", json=person)["replan"]
    assert len(left) == 18
    rig.ask("POST", "/cures", json=cure_body(therapist=people[0]) | {"request": str(uuid4())}, status=409)


def test_a_reception_may_plan_but_not_prescribe(rig):
    """The first prescription is a clinician's."""
    rig.clinic()
    body = cure_body() | {"request": str(uuid4()), "prescription": PRESCRIPTION}
    rig.ask("POST", "/cures", json=body, status=403)
    made = rig.ask("POST", "/cures", role="clinician", json=body, status=201)
    assert made["appointments"][0]["prescription"]["peak_n"] == PRESCRIPTION["peak_n"]
    assert rig.told("cure")[1].data["peak_n"] == PRESCRIPTION["peak_n"]
    wild = body | {"request": str(uuid4()), "prescription": PRESCRIPTION | {"peak_n": 900.0}}
    refusal = rig.ask("POST", "/cures", role="clinician", json=wild, status=422)
    assert "900" in refusal["detail_de"]
    assert rig.count(CURES) == 1


def test_the_day_at_a_bed_is_what_its_worklist_needs(rig):
    """booking.store.of_day: number, prescription and patient, the merged one by their new name."""
    rig.clinic()
    patient, kept = str(uuid4()), uuid4()
    body = cure_body(patient=patient) | {"request": str(uuid4()), "prescription": PRESCRIPTION}
    made = rig.ask("POST", "/cures", role="clinician", json=body, status=201)
    rig.clinic_event("patient.merged", patient=patient, into=kept)
    first = made["appointments"][0]
    day = datetime.fromisoformat(first["starts_at"]).astimezone(BERLIN).date()
    with reading(rig.engine) as connection:
        (one,) = store.of_day(connection, "north", first["device"], day)
    assert (one.number, one.patient, one.prescription["peak_n"], one.segment) == (1, kept, 150.0, "L4/5")
    assert [row["cure"] for row in rig.ask("GET", f"/cures?patient={kept}")] == [made["cure"]]


def test_another_sites_cures_do_not_exist(rig):
    """Lists leave them out, records are answered like unknown ones."""
    rig.clinic()
    made = rig.ask("POST", "/cures", json=cure_body() | {"request": str(uuid4())}, status=201)
    south = {"sites": ("south",)}
    assert rig.ask("GET", "/cures", **south) == []
    for path in (f"/cures/{made['cure']}", f"/appointments/{made['appointments'][0]['appointment']}"):
        rig.ask("GET", path, status=404, **south)
    rig.ask("POST", "/cures", json=cure_body() | {"request": str(uuid4())}, status=404, **south)


def test_hours_that_are_changed_list_what_lies_outside_them(rig):
    """Closed in the morning from now on, or all that day: nobody is left before a locked door."""
    people = rig.clinic()
    cure = rig.cure(therapist=people[0])
    assert rig.ask("GET", "/resources?site=north")["replan"] == []
    later = {day: [["12:00", "18:00"]] for day in WORKDAYS}
    body = {**SITE, "hours": later}
    left = rig.ask("PUT", "/sites/north", role="administrator", json=body)["replan"]
    assert {one["appointment"] for one in left} == {one["appointment"] for one in cure["appointments"]}
    assert len(rig.ask("GET", "/resources?site=north")["replan"]) == 18
    day = cure["appointments"][3]["starts_at"][:10]
    left = rig.ask("PUT", "/sites/north", role="administrator", json={**SITE, "closed": [day]})["replan"]
    assert [one["number"] for one in left] == [4]
    rig.ask("PUT", "/sites/north", role="administrator", json=SITE)
    person = {"name": "Late", "site": "north", "shifts": later}
    left = rig.ask("PUT", f"/therapists/{people[0]}", role="administrator", json=person)["replan"]
    assert len(left) == 18
    assert [one["number"] for one in left] == list(range(1, 19))

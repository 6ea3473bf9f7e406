"""What becomes of appointments: moved, called off, missed, held, broken off; the past stays as it was."""

import threading
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from scheduler.booking_times import BERLIN, on
from scheduler.scheduler_rig import NOW, SchedulerRig, cure_body
from scheduler.threads import at_once
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from services.kit.database import reading, writing
from services.kit.errors import SpondylError
from services.scheduler.booking import care, changes, store
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.ending import call_off
from services.scheduler.booking.tables import HISTORY, OCCUPANCY
from services.scheduler.progression.tables import RESULTS


@pytest.fixture
def clinic(rig):
    """Two beds and two therapists."""
    rig.people = rig.clinic()
    return rig


def moved(starts_at, **more):
    """A wish to move there."""
    return {"starts_at": starts_at.isoformat(), "reason": "the patient's wish"} | more


def test_one_is_moved_when_no_rule_forbids_it(clinic):
    """Checked first, then done, told, and written down with its reason."""
    cure = clinic.cure()
    one = cure["appointments"][0]
    body = moved(on(one, 14))
    assert clinic.ask("POST", f"/appointments/{one['appointment']}/check", json=body) == {
        "ok": True, "rules": [],
    }  # fmt: skip
    after = clinic.ask("POST", f"/appointments/{one['appointment']}/move", json=body)
    assert datetime.fromisoformat(after["starts_at"]) == on(one, 14)
    assert [(row["action"], row["reason"]) for row in after["history"]] == [
        ("booked", ""), ("moved", "the patient's wish"),
    ]  # fmt: skip
    told = clinic.told("appointment")[-1]
    assert (told.type, told.data["appointment"], told.data["number"]) == (
        "appointment.moved", one["appointment"], 1,
    )  # fmt: skip
    again = clinic.ask("POST", f"/appointments/{one['appointment']}/move", json=body)
    assert len(again["history"]) == 2, "asked twice, moved once"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"starts_at": "2026-11-28T10:00:00+01:00"}, "closed"),
        ({"starts_at": "2026-12-25T10:00:00+01:00"}, "holiday"),
        ({"starts_at": "2026-11-24T06:00:00+01:00"}, "closed"),
        ({"starts_at": "2026-11-24T10:07:00+01:00"}, "grid"),
        ({"starts_at": "2026-11-20T10:00:00+01:00"}, "past"),
        ({"device": "bed-99"}, "device-unknown"),
        ({"therapist": str(uuid4())}, "therapist-unknown"),
        ({"starts_at": "2026-12-01T10:00:00+01:00"}, "order"),
    ],
)
def test_a_move_that_a_rule_forbids_changes_nothing(clinic, change, rule):
    """It is refused with the rule in both languages, and what is offered instead works."""
    cure = clinic.cure(cadence="daily")
    one = cure["appointments"][0]
    body = moved(on(one, 14)) | change
    path = f"/appointments/{one['appointment']}"
    checked = clinic.ask("POST", f"{path}/check", json=body)
    refused = clinic.ask("POST", f"{path}/move", json=body, status=409)
    assert not checked["ok"]
    assert rule in {row["id"] for row in refused["rules"]}
    assert checked["rules"] == refused["rules"]
    assert clinic.shown(cure)["appointments"] == cure["appointments"]
    for offered in refused["alternatives"][:1]:
        place = offered["appointments"][0]
        clinic.ask("POST", f"{path}/move", json=moved(datetime.fromisoformat(place["starts_at"])) | {
            "device": place["device"], "therapist": place["therapist"],
        })  # fmt: skip


def test_this_and_following_move_together(clinic):
    """From Monday on at two o'clock: every later one too, whole or not at all, none before it."""
    cure = clinic.cure(cadence="three")
    one = cure["appointments"][4]
    after = clinic.ask(
        "POST", f"/appointments/{one['appointment']}/move", json=moved(on(one, 14), scope="following")
    )
    now = clinic.shown(cure)["appointments"]
    assert now[:4] == cure["appointments"][:4]
    hours = {datetime.fromisoformat(row["starts_at"]).astimezone(BERLIN).hour for row in now[4:]}
    assert hours == {14}
    assert len(after["changed"]) == 14
    assert sum(event.type == "appointment.moved" for event in clinic.told()) == 14
    with reading(clinic.engine) as connection:
        taken = len(connection.execute(select(OCCUPANCY)).all())
    assert taken == 18 * (9 + 9 + 12)


def test_a_called_off_place_is_free_again(clinic):
    """Another patient can have it; calling off twice is once; the reason stays."""
    cure = clinic.cure()
    one = cure["appointments"][2]
    path = f"/appointments/{one['appointment']}/cancel"
    after = clinic.ask("POST", path, json={"reason": "ill"})
    assert (after["state"], after["history"][-1]["reason"]) == ("cancelled", "ill")
    assert len(clinic.ask("POST", path, json={"reason": "ill"})["history"]) == 2
    assert sum(event.type == "appointment.cancelled" for event in clinic.told()) == 1
    free = clinic.ask("GET", f"/why?{query(one)}")
    assert free["ok"]
    taken = clinic.ask("GET", f"/why?{query(cure['appointments'][3])}")
    assert {rule["id"] for rule in taken["rules"]} == {"device-busy", "therapist-busy"}


def query(one):
    """The question about exactly this place."""
    starts = one["starts_at"].replace("+", "%2B")
    return f"site=north&region=lumbar&starts_at={starts}&device={one['device']}&therapist={one['therapist']}"


def test_this_and_following_are_called_off(clinic):
    """The rest of a cure at once; what was before stays."""
    cure = clinic.cure()
    one = cure["appointments"][10]
    clinic.ask(
        "POST", f"/appointments/{one['appointment']}/cancel", json={"scope": "following", "reason": "x"}
    )
    states = [row["state"] for row in clinic.shown(cure)["appointments"]]
    assert states == ["booked"] * 10 + ["cancelled"] * 8


def test_the_past_is_not_changed(clinic):
    """What has begun is neither moved nor called off nor confirmed; what is to come is not missed."""
    cure = clinic.cure()
    one = cure["appointments"][0]
    path = f"/appointments/{one['appointment']}"
    early = clinic.ask("POST", f"{path}/missed", json={"reason": "too early"}, status=409)
    assert "missed" in early["detail"]
    clinic.now = datetime.fromisoformat(one["starts_at"]) + timedelta(minutes=1)
    for what, body in (
        ("move", moved(on(one, 16))),
        ("check", moved(on(one, 16))),
        ("cancel", {"reason": "x"}),
        ("confirm", {}),
    ):
        refused = clinic.ask("POST", f"{path}/{what}", json=body, status=409)
        assert "the past is not changed" in refused["detail"]
    after = clinic.ask("POST", f"{path}/missed", json={"reason": "did not come"})
    assert after["state"] == "missed"
    clinic.ask("POST", f"{path}/missed", json={"reason": "did not come"})
    assert sum(event.type == "appointment.missed" for event in clinic.told()) == 1


def test_a_confirmed_one_is_confirmed_until_it_is_moved(clinic):
    """The patient knows: moved, they have to be told anew."""
    cure = clinic.cure()
    one = cure["appointments"][0]
    path = f"/appointments/{one['appointment']}"
    assert clinic.ask("POST", f"{path}/confirm", json={"scope": "following"})["confirmed"]
    assert all(row["confirmed"] for row in clinic.shown(cure)["appointments"])
    assert not clinic.ask("POST", f"{path}/move", json=moved(on(one, 14)))["confirmed"]


def test_a_completed_session_closes_its_appointment_once(clinic):
    """Five deliveries, even under five ids, are one session."""
    cure = clinic.cure()
    event = clinic.session(cure, 1)
    for _ in range(2):
        clinic.session(cure, 1, event=event)
        clinic.session(cure, 1, event=event.model_copy(update={"id": uuid4()}))
    first = clinic.shown(cure)["appointments"][0]
    assert (first["state"], first["session"]) == ("completed", str(event.session))
    assert clinic.count(RESULTS) == 1
    assert sum(event.type == "appointment.completed" for event in clinic.told()) == 1
    with reading(clinic.engine) as connection:
        rows = connection.execute(select(HISTORY.c.action).where(HISTORY.c.action == "completed")).all()
    assert len(rows) == 1


def test_sessions_that_belong_to_nothing_here_are_passed_over(clinic):
    """Simulated beds invent patients and appointments; another patient's appointment is refused."""
    cure = clinic.cure()
    stranger = {"cure": str(uuid4()), "patient": str(uuid4()), "region": "lumbar", "appointments": [
        {"number": 1, "appointment": str(uuid4()), "device": "bed-01", "ends_at": NOW.isoformat()}
    ]}  # fmt: skip
    clinic.session(stranger, 1)
    assert clinic.count(RESULTS) == 0
    with pytest.raises(SpondylError, match="names the appointment"):
        clinic.session(cure, 1, patient=uuid4())
    with pytest.raises(SpondylError, match="names the appointment"):
        clinic.session(cure, 1, site="south")
    assert clinic.shown(cure)["appointments"][0]["state"] == "booked"


@pytest.mark.parametrize(
    ("decision", "states", "told"),
    [
        ("counts", {"completed": 1, "booked": 17}, "appointment.completed"),
        ("repeat", {"aborted": 1, "booked": 18}, "appointment.booked"),
        ("end", {"aborted": 1, "cancelled": 17}, "cure.ended"),
    ],
)
def test_a_session_that_was_broken_off_asks_for_a_decision(clinic, decision, states, told):
    """It counts, it is made up for behind the others, or the cure ends; decided once."""
    cure = clinic.cure()
    clinic.session(cure, 1, completed=False)
    one = clinic.shown(cure)["appointments"][0]
    assert one["state"] == "undecided"
    assert clinic.told("appointment")[-1].type == "appointment.undecided"
    path = f"/appointments/{one['appointment']}/decide"
    clinic.ask("POST", path, json={"decision": decision, "reason": "the clinician's"})
    found = {}
    for row in clinic.shown(cure)["appointments"]:
        found[row["state"]] = found.get(row["state"], 0) + 1
    assert found == states
    assert told in [event.type for event in clinic.told()[-2:]]
    clinic.ask("POST", path, json={"decision": "counts", "reason": "again"}, status=409)


def test_a_missed_one_can_be_made_up_for_once(clinic):
    """The series is whole again: one more behind the last, keeping its cadence and the patient's rest."""
    cure = clinic.cure()
    one = cure["appointments"][0]
    clinic.now = datetime.fromisoformat(one["ends_at"])
    path = f"/appointments/{one['appointment']}"
    clinic.ask("POST", f"{path}/missed", json={"reason": "did not come"})
    clinic.ask("POST", f"{path}/decide", json={"decision": "repeat", "reason": "made up for"})
    now = clinic.shown(cure)["appointments"]
    assert [row["number"] for row in now] == list(range(1, 20))
    assert now[-1]["starts_at"] > now[-2]["starts_at"]
    clinic.ask("POST", f"{path}/decide", json={"decision": "repeat", "reason": "twice"}, status=409)


def test_a_cure_ends_by_itself_or_by_the_desk(clinic):
    """Its end is told once, with the sessions that took place."""
    cure = clinic.cure()
    clinic.session(cure, 1)
    ended = clinic.ask("POST", f"/cures/{cure['cure']}/end", json={"reason": "moved away"})
    assert (ended["state"], ended["end_reason"]) == ("ended", "moved away")
    clinic.ask("POST", f"/cures/{cure['cure']}/end", json={"reason": "again"})
    (told,) = [event for event in clinic.told() if event.type == "cure.ended"]
    assert (told.data["sessions"], told.data["reason"]) == (1, "moved away")
    short = clinic.cure()
    for one in short["appointments"][1:]:
        clinic.ask("POST", f"/appointments/{one['appointment']}/cancel", json={"reason": "x"})
    clinic.session(short, 1)
    assert clinic.shown(short)["end_reason"] == "completed"


def test_a_freed_place_goes_to_who_waits_for_it(clinic):
    """Automatic entries are moved at once and told; their own place is given on."""
    first = clinic.cure(device="bed-01", therapist=clinic.people[0])
    later = clinic.cure(earliest="2026-12-01", device="bed-02", therapist=clinic.people[1])
    waiting = clinic.ask(
        "POST", "/waiting",
        json={"appointment": later["appointments"][0]["appointment"], "automatic": True}, status=201,
    )  # fmt: skip
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
    body = {"appointment": later["appointments"][0]["appointment"]}
    waiting = clinic.ask("POST", "/waiting", json=body, status=201)["waiting"]
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
    clinic.ask("POST", "/waiting", json={"cure": wanted, "automatic": True}, status=201)
    clinic.ask("POST", f"/cures/{blocked}/end", json={"reason": "moved away"})
    assert clinic.ask("GET", "/waiting?site=north") == []
    (booked,) = clinic.ask("GET", f"/cures?patient={wanted['patient']}")
    assert booked["counts"] == {"booked": 18}


def test_who_waits_no_more_is_asked_no_more(clinic):
    """Removed by the desk, or because the appointment itself has gone by."""
    cure = clinic.cure(earliest="2026-12-01")
    body = {"appointment": cure["appointments"][0]["appointment"], "automatic": True}
    waiting = clinic.ask("POST", "/waiting", json=body, status=201)["waiting"]
    assert clinic.ask("DELETE", f"/waiting/{waiting}")["state"] == "removed"
    assert clinic.ask("GET", "/waiting?site=north") == []
    clinic.ask("DELETE", f"/waiting/{uuid4()}", status=404)
    clinic.ask("POST", "/waiting", json={"automatic": True}, status=422)


def test_the_board_and_the_calendar_show_the_day(clinic):
    """Today's appointments with who may be treated; a calendar that is asked for backwards is refused."""
    cure = clinic.cure()
    one = cure["appointments"][0]
    until = NOW + timedelta(days=60)
    clinic.clinic_event(
        "clearance.given", clearance=uuid4(), patient=cure["patient"], region="lumbar", token="t",
        valid_from=NOW.isoformat(), valid_until=until.isoformat(), conditions=[],
    )  # fmt: skip
    board = clinic.ask("GET", f"/board?site=north&day={one['starts_at'][:10]}")
    assert [(row["appointment"], row["cleared"]) for row in board["appointments"]] == [
        (one["appointment"], True)
    ]
    window = "site=north&from=2026-11-23T00:00:00Z&to=2026-11-30T00:00:00Z"
    week = clinic.ask("GET", f"/calendar?{window}")
    assert len(week["appointments"]) == len(
        [a for a in cure["appointments"] if a["starts_at"] < "2026-11-30"]
    )
    clinic.ask("GET", "/calendar?site=north&from=2026-11-30T00:00:00Z&to=2026-11-23T00:00:00Z", status=422)
    clinic.ask("GET", "/calendar?site=north&from=2026-11-30T00:00:00Z&to=2036-11-23T00:00:00Z", status=422)


def test_two_desks_cannot_move_two_patients_to_the_same_place(either_rig):
    """One is moved; the other stays where it was and is offered places that are free."""
    rig = either_rig
    people = rig.clinic()
    one, other = (rig.cure()["appointments"][0] for _ in range(2))
    body = moved(on(one, 15), device="bed-01", therapist=people[0])
    answers = at_once(
        [
            lambda which=which: rig.knock("POST", f"/appointments/{which['appointment']}/move", json=body)
            for which in (one, other)
        ]
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    lost = next(which for which, a in zip((one, other), answers, strict=True) if a.status_code == 409)
    (refusal,) = [answer.json() for answer in answers if answer.status_code == 409]
    assert refusal["rules"]
    assert rig.ask("GET", f"/appointments/{lost['appointment']}")["starts_at"] == lost["starts_at"]
    place = refusal["alternatives"][0]["appointments"][0]
    works = moved(
        datetime.fromisoformat(place["starts_at"]), device=place["device"], therapist=place["therapist"]
    )
    rig.ask("POST", f"/appointments/{lost['appointment']}/move", json=works)
    kinds = [event.type for event in rig.told("appointment")]
    assert kinds.count("appointment.moved") == 2


def test_the_database_itself_refuses_the_second_booking(either_rig):
    """Whatever program asks: a bed, a therapist and a patient are taken once in every five minutes."""
    rig = either_rig
    rig.clinic()
    rig.cure()
    with reading(rig.engine) as connection:
        taken = dict(connection.execute(select(OCCUPANCY)).mappings().first())
    with pytest.raises(IntegrityError), writing(rig.engine) as connection:
        connection.execute(insert(OCCUPANCY), taken | {"appointment": str(uuid4())})


def test_one_session_is_made_up_for_once_by_however_many_desks(either_rig):
    """Two desks press repeat at the same moment: one more appointment, not two."""
    rig = either_rig
    rig.clinic()
    cure = rig.cure()
    one = cure["appointments"][0]
    rig.now = datetime.fromisoformat(one["ends_at"])
    path = f"/appointments/{one['appointment']}"
    rig.ask("POST", f"{path}/missed", json={"reason": "did not come"})
    body = {"decision": "repeat", "reason": "made up for"}
    answers = at_once([lambda: rig.knock("POST", f"{path}/decide", json=body)] * 3)
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert len(rig.shown(cure)["appointments"]) == 19


def test_whoever_waits_in_a_circle_is_tried_again_and_answered(postgres, tmp_path):
    """A batch of sessions holds one patient, the desk another: neither desk nor bed sees an error of it."""
    rig = SchedulerRig(tmp_path, postgres.database())
    rig.clinic()
    one, other = rig.cure(), rig.cure()
    first, last = (cure["appointments"][5] for cure in (one, other))
    held, waits, answers = threading.Event(), threading.Event(), []

    def batch():
        for _ in range(3):
            with suppress(OperationalError), writing(rig.engine) as connection:
                care.hold_patient(connection, UUID(one["patient"]), "north")
                held.set()
                waits.wait(30)
                care.hold_patient(connection, UUID(other["patient"]), "north")
                return

    def desk():
        held.wait(30)
        answers.append(in_a_circle(rig, last["appointment"], first["patient"], waits))

    at_once([batch, desk])
    assert [one.state for one in answers[0]] == ["cancelled"]
    rig.close()


def in_a_circle(rig, appointment, patient, waits):
    """Call it off in a transaction that then wants the patient whom the batch holds."""
    desk = Desk(rig.office, lambda: rig.now)

    @changes.steadily
    def both():
        with desk.writing() as connection:
            found = changes.held_fast(connection, UUID(appointment))
            waits.set()
            care.hold_patient(connection, UUID(patient), "north")
            return call_off(desk, connection, [found], "desk", "x") if found.state == "booked" else [found]

    return both()


def test_who_is_erased_stops_nobody_on_the_waiting_list(clinic):
    """Their entry answered every later calling-off with an error, and nobody behind it was moved up."""
    gone = str(uuid4())
    wish = cure_body(patient=gone, times=[["08:00", "18:00"]])
    clinic.ask("POST", "/waiting", json={"cure": wish, "automatic": True}, status=201)
    late = clinic.cure(times=[["15:00", "18:00"]])["appointments"][0]
    asked = {"appointment": late["appointment"], "automatic": True}
    clinic.ask("POST", "/waiting", json=asked, status=201)
    first = clinic.cure(times=[["08:00", "10:00"]])["appointments"][0]
    clinic.clinic_event("patient.erased", patient=gone)
    clinic.ask("POST", f"/appointments/{first['appointment']}/cancel", json={"reason": "ill"})
    assert gone not in {row["patient"] for row in clinic.ask("GET", "/waiting?site=north")}
    now = clinic.ask("GET", f"/appointments/{late['appointment']}")
    assert datetime.fromisoformat(now["starts_at"]) == datetime.fromisoformat(first["starts_at"])


def test_one_person_with_two_files_is_never_at_two_beds(rig):
    """A cure in each file, then the files are merged: the person still rests between sessions."""
    rig.clinic()
    one, other = str(uuid4()), str(uuid4())
    rig.cure(patient=one, times=[["08:00", "09:00"]])
    rig.clinic_event("patient.merged", patient=one, into=other)
    second = rig.cure(patient=other, times=[["08:00", "18:00"]])
    with reading(rig.engine) as connection:
        mine = store.of_patients(connection, {UUID(one), UUID(other)}, 0)
    assert len(mine) == 36
    assert all(b.starts_at - a.ends_at >= timedelta(hours=20) for a, b in pairwise(mine))
    body = moved(mine[0].starts_at if str(mine[0].patient) == one else mine[1].starts_at, device="bed-02")
    rig.ask("POST", f"/appointments/{second['appointments'][-1]['appointment']}/move", json=body, status=409)

"""Several desks, processes and files at once: one wins, the other is answered, nobody is at two beds."""

import threading
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from scheduler.booking_times import moved, on
from scheduler.scheduler_rig import SchedulerRig
from scheduler.threads import at_once
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from services.kit.database import reading, writing
from services.scheduler.booking import care, changes, store
from services.scheduler.booking.desk import Desk
from services.scheduler.booking.ending import call_off
from services.scheduler.booking.tables import OCCUPANCY


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

"""What sessions do to appointments and cures: completed, broken off, missed and made up for, ended."""

from datetime import datetime
from uuid import uuid4

import pytest
from scheduler.scheduler_rig import NOW
from scheduler.threads import at_once
from sqlalchemy import select

from services.kit.database import reading
from services.kit.errors import SpondylError
from services.scheduler.booking.tables import HISTORY
from services.scheduler.progression.tables import RESULTS


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

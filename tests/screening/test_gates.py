"""Sessions that beds tell of: each counts once, and what of it suspends."""

from uuid import UUID, uuid4

import pytest
from screening.treated import cleared, ended, hear, open_reasons, state
from servers import eventually

from broker.bus import Bus
from broker.contract import EVENT
from services.kit.database import writing
from services.screening.clearance import store
from services.screening.clearance.suspension import suspend
from services.screening.clearance.tables import SESSION
from services.screening.clearance.words import gates, reasons

REASON = "verträgt die Behandlung gut"


def sign(rig, patient, number, status=200, **more):
    """Sign a review."""
    path = f"/patients/{patient}/gates/{number}/sign"
    return rig.ask("POST", path, json={"reason": REASON} | more, status=status)


def due(rig, patient):
    """The reviews that are due, of the newest cure."""
    cures = rig.ask("GET", f"/patients/{patient}/gates")
    return [gate["number"] for gate in cures[0]["gates"] if gate["is_due"]]


@pytest.mark.system
def test_a_session_delivered_five_times_by_a_real_broker_counts_once(rig, mosquitto):
    """At-least-once delivery must never bring a review, or a suspension, too early."""
    patient = UUID(cleared(rig))
    twice, other = (
        ended(patient, cure=uuid4()),
        ended(patient, kind="session.aborted", reason="patient_switch"),
    )
    bus = Bus(mosquitto.url, "screening", session_expiry_s=60)
    consumer = rig.consumer(bus)
    consumer.start()
    bus.start()
    gateway = Bus(mosquitto.url, "gw-north", site="north")
    gateway.start()
    try:
        assert bus.wait_connected(20)
        assert gateway.wait_connected(20)
        again = [twice.model_copy(update={"id": uuid4()}) for _ in range(2)]  # told anew by a restored spool
        for message in [twice] * 5 + again + [other]:
            assert gateway.publish(EVENT, message, device="bed-01").wait(20)
        eventually(lambda: rig.count(SESSION) == 2, 30, "both sessions to be counted")
    finally:
        consumer.stop()
        for each in (bus, gateway):
            each.close()
    cures = rig.ask("GET", f"/patients/{patient}/gates")
    assert sorted((cure["completed"], cure["aborted"]) for cure in cures) == [(0, 1), (1, 0)]
    assert open_reasons(rig, patient) == ["aborted"]
    assert consumer.last_error is None


def test_the_third_session_holds_until_its_review_is_signed(either):
    """Nobody goes on past a review that nobody signed; the signature itself gives the clearance back."""
    patient, cure = UUID(cleared(either)), uuid4()
    hear(either, *(ended(patient, cure=cure, days_ago=3 - n) for n in range(2)))
    assert state(either, patient)["state"] == "cleared"
    sign(either, patient, 3, status=409)  # nobody reviews what has not been
    hear(either, ended(patient, cure=cure))
    assert open_reasons(either, patient) == ["gate"]
    assert due(either, patient) == [3]
    before = state(either, patient)["clearance"]["clearance"]
    (again,) = sign(either, patient, 3)["clearances"]
    assert again["clearance"] != before
    assert state(either, patient)["state"] == "cleared"
    assert sign(either, patient, 3, status=409)["detail_de"]
    assert [event.type for event in either.told("clearance")][1:] == [
        "clearance.suspended", "clearance.restored", "clearance.ended", "clearance.given"
    ]  # fmt: skip


def test_a_review_is_not_lifted_by_another_signature(rig):
    """Its suspension ends with the review, so that the findings are where they belong."""
    patient = UUID(cleared(rig))
    hear(rig, *(ended(patient) for _ in range(3)))
    (row,) = rig.ask("GET", f"/patients/{patient}/suspensions")
    body = {"suspensions": [row["suspension"]], "reason": REASON}
    assert "review" in rig.ask("POST", f"/patients/{patient}/restore", json=body, status=409)["detail"]


def test_reviews_are_counted_by_cure(rig):
    """Two sessions of one cure and two of another are no four of either."""
    patient, first, second = UUID(cleared(rig)), uuid4(), uuid4()
    hear(
        rig, *(ended(patient, cure=cure, days_ago=n) for n, cure in enumerate((first, first, second, second)))
    )
    assert open_reasons(rig, patient) == []
    hear(rig, ended(patient, cure=first), ended(patient, cure=second))
    assert open_reasons(rig, patient) == ["gate", "gate"]
    sign(rig, patient, 3, status=422)  # which cure is meant?
    sign(rig, patient, 3, cure=str(first))
    assert open_reasons(rig, patient) == ["gate"]
    assert state(rig, patient)["state"] == "suspended"
    sign(rig, patient, 3, cure=str(second))
    assert state(rig, patient)["state"] == "cleared"
    sign(rig, patient, 4, status=404)


def test_aborted_sessions_do_not_count_towards_a_review(rig):
    """They hold by themselves."""
    patient, cure = UUID(cleared(rig)), uuid4()
    hear(rig, *(ended(patient, cure=cure) for _ in range(2)))
    hear(rig, ended(patient, kind="session.aborted", cure=cure, reason="stopped"))
    assert open_reasons(rig, patient) == ["aborted"]
    assert due(rig, patient) == []


@pytest.mark.parametrize(("guardings", "expected"), [(11, []), (12, ["guardings"])])
def test_many_guardings_suspend(rig, guardings, expected):
    """From the number that the clinic has set; 12 by default, which ends a session at the bed, too."""
    patient = UUID(cleared(rig))
    hear(rig, ended(patient, guardings=guardings))
    assert open_reasons(rig, patient) == expected


def test_sessions_of_people_without_a_file_are_passed_over(rig):
    """Simulated beds invent some: no error, no row."""
    hear(rig, ended(uuid4()), ended(uuid4(), kind="session.aborted"))
    assert rig.count(SESSION) == 0


def test_the_eighth_session_without_improvement_is_a_clinician_s_to_look_at(rig):
    """Improvement is usual by then, and promised to nobody: it holds nobody up, but somebody looks."""
    better, worse = UUID(cleared(rig)), UUID(cleared(rig, given_name="Anna", birth_date="1970-01-01"))
    for patient, fall in ((better, 1), (worse, 0)):
        cure = uuid4()
        hear(
            rig,
            *(
                ended(patient, cure=cure, days_ago=8 - n, pain_before=8 - fall * n // 2, pain_after=5)
                for n in range(8)
            ),
        )
        sign(rig, patient, 3)
        sign(rig, patient, 6)
    assert due(rig, better) == []
    assert due(rig, worse) == [8]
    assert state(rig, worse)["state"] == "cleared"
    assert [row["patient"] for row in rig.ask("GET", "/attention")] == [str(worse)]
    sign(rig, worse, 8)
    assert rig.ask("GET", "/attention") == []


def test_who_needs_a_clinician_today_is_listed_the_most_urgent_first(rig):
    """Adverse events before reviews; other sites' patients not at all."""
    waits = UUID(cleared(rig))
    hear(rig, *(ended(waits, days_ago=2) for _ in range(3)))
    struck = cleared(rig, given_name="Anna", birth_date="1970-01-01")
    body = {
        "id": str(uuid4()), "kind": "weakness", "grade": 2, "region": "lumbar",
        "happened_at": ended(waits).at.isoformat(),
    }  # fmt: skip
    rig.ask("POST", f"/patients/{struck}/adverse", json=body, role="therapist", status=201)
    rows = rig.ask("GET", "/attention", role="therapist")
    assert [row["patient"] for row in rows] == [struck, str(waits)]
    assert rows[0]["adverse"]
    assert [gate["number"] for gate in rows[1]["gates"]] == [3]
    assert rig.ask("GET", "/attention", sites=("south",)) == []


def test_a_review_that_holds_is_not_forgotten_after_a_long_break(rig):
    """Whoever comes back after two months is still on the list, and why."""
    patient = UUID(cleared(rig))
    hear(rig, *(ended(patient, days_ago=60 + n) for n in range(8)))
    (row,) = rig.ask("GET", "/attention")
    assert [gate["number"] for gate in row["gates"]] == [3, 6]  # the eighth's look is none of today's


def test_a_suspension_that_takes_nothing_away_any_more_waits_for_nobody(rig):
    """A withdrawn consent of a cure that is over is nobody's work today."""
    patient = UUID(cleared(rig))
    with writing(rig.engine) as connection:
        suspend(rig.office, connection, patient=patient, region="lumbar", reason="consent")
        (given,) = store.clearances(connection, [patient])
        store.end_clearance(connection, given, given.at, None)
    assert open_reasons(rig, patient) == ["consent"]
    assert rig.ask("GET", "/attention") == []


def test_every_reason_and_gate_has_its_words():
    """In both languages; 3, 6 and 10 hold."""
    assert all(row.de and row.en for row in [*reasons().values(), *gates().values()])
    assert [number for number, gate in gates().items() if gate.suspends] == [3, 6, 10]

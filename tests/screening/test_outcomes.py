"""Pain, questionnaires, leg raise, adverse events: kept once, corrected by a new row, shown over the cure."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from screening.treated import cleared, ended, hear, open_reasons, state

from services.screening.outcomes.instruments import instruments
from services.screening.outcomes.tables import ADVERSE, OUTCOME


def entered(rig, patient, kind, status=201, role="therapist", region="lumbar", days_ago=0.0, **said):
    """Something measured."""
    at = datetime.now(UTC) - timedelta(days=days_ago)
    body = {"id": str(uuid4()), "kind": kind, "region": region, "measured_at": at.isoformat()} | said
    return rig.ask("POST", f"/patients/{patient}/outcomes", json=body, status=status, role=role)


def seen(rig, patient):
    """All of it."""
    return rig.ask("GET", f"/patients/{patient}/outcomes")


def reported(rig, patient, kind, grade=1, status=201, region="lumbar", **said):
    """An adverse event."""
    body = {
        "id": str(uuid4()), "kind": kind, "grade": grade, "region": region,
        "happened_at": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    path = f"/patients/{patient}/adverse"
    return rig.ask("POST", path, json=body | said, status=status, role="therapist")


def odi(value, left_out=0):
    """Every section the same."""
    sections = instruments()["odi"].sections
    return {section.id: value for section in sections[: len(sections) - left_out]}


def test_pain_comes_from_the_bed_and_is_corrected_by_hand(either):
    """What the bed was told by mistake stays to be read; the course shows what was meant."""
    patient, session = cleared(either), uuid4()
    hear(either, ended(UUID(patient), session=session, pain_before=6, pain_after=9))
    entered(either, patient, "pain", session=str(session), after=4)
    (course,) = seen(either, patient)["courses"]
    assert [(row["before"], row["after"], row["by_hand"]) for row in course["pain"]] == [(6, 4, True)]
    assert course["sessions"][0]["pain_after"] == 9


def test_a_correction_is_a_row_of_its_own_with_its_reason(rig):
    """BGB 630f(1): the original stays legible, and only one correction counts."""
    patient = cleared(rig)
    first = entered(rig, patient, "pain", before=8)
    fix = {"corrects": first["outcome"], "before": 3}
    entered(rig, patient, "pain", status=422, **fix)
    entered(rig, patient, "pain", why="vertippt", **fix)
    entered(rig, patient, "pain", status=409, why="vertippt", **fix)
    entered(rig, cleared(rig, given_name="Anna", birth_date="1970-01-01"), "pain", status=404, why="x", **fix)
    rows = seen(rig, patient)["outcomes"]
    assert [row["value"]["before"] for row in rows] == [8, 3]
    assert rows[0]["corrected_by"] == rows[1]["outcome"]
    assert [row["before"] for row in seen(rig, patient)["courses"][0]["pain"]] == [3]


def test_what_is_sent_twice_is_kept_once(either):
    """A tablet that lost its answer sends the form again."""
    patient, one = cleared(either), str(uuid4())
    for _ in range(2):
        entered(either, patient, "pain", before=5, id=one)
        reported(either, patient, "headache", id=one)
    assert either.count(OUTCOME) == either.count(ADVERSE) == 1
    assert len(either.told("patient")) <= 3  # the file's own events, and one of the adverse event


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("pain", {}),
        ("pain", {"before": 11}),
        ("pain", {"before": -1}),
        ("pain", {"before": 5, "measured_at": "2999-01-01T00:00:00Z"}),
        ("pain", {"before": 5, "measured_at": "1999-01-01T00:00:00Z"}),
        ("leg-raise", {"left_deg": 121}),
        ("leg-raise", {"left_deg": 60, "region": "cervical"}),
        ("odi", {"answers": {}}),
        ("odi", {"answers": {"pain": 6}}),
        ("odi", {"answers": {"pain": 1}, "region": "cervical"}),
        ("pain", {"before": 5, "why": "a\0b"}),
    ],
)
def test_what_cannot_be_is_refused_whole(rig, kind, said):
    """Nothing is half kept, and the refusal says the limit."""
    patient = cleared(rig)
    entered(rig, patient, kind, status=422, **said)
    assert rig.count(OUTCOME) == 0


def test_a_questionnaire_is_scored_as_its_instrument_is(rig):
    """20 of 45 where one section was left out; no score where three were."""
    patient = cleared(rig)
    assert entered(rig, patient, "odi", answers=odi(2), days_ago=3)["score"] == 40.0
    assert entered(rig, patient, "odi", answers=odi(1, left_out=1), days_ago=2)["score"] == 20.0
    assert entered(rig, patient, "odi", answers=odi(1, left_out=3), days_ago=1)["score"] is None
    change = seen(rig, patient)["courses"][0]["score_change"]
    assert (change["first"], change["last"], change["improved"]) == (40.0, 20.0, True)
    assert change["matters"] == 7.2  # 18 % of the first


def test_of_one_measurement_no_change_is_said(rig):
    """“Not improved” would be a judgement on a value that has nothing to stand beside."""
    patient = cleared(rig)
    hear(rig, ended(UUID(patient), pain_before=6))
    entered(rig, patient, "odi", answers=odi(2))
    (course,) = seen(rig, patient)["courses"]
    assert (course["pain_change"], course["score_change"], course["improved"]) == (None, None, None)
    entered(rig, patient, "pain", before=6)
    assert seen(rig, patient)["courses"][0]["improved"] is False


def test_the_first_questionnaire_belongs_to_the_cure_that_begins_after_it(rig):
    """It is filled in before the first session; a second cure begins with a value of its own."""
    patient, first, second = cleared(rig), uuid4(), uuid4()
    entered(rig, patient, "odi", answers=odi(4), days_ago=30)
    hear(rig, *(ended(UUID(patient), cure=first, days_ago=20 - n) for n in range(2)))
    entered(rig, patient, "odi", answers=odi(3), days_ago=18.5, cure=str(first))
    entered(rig, patient, "odi", answers=odi(2), days_ago=5)
    hear(rig, ended(UUID(patient), cure=second, days_ago=4))
    courses = seen(rig, patient)["courses"]
    assert [course["cure"] for course in courses] == [str(first), str(second)]
    assert [[row["score"] for row in course["scores"]] for course in courses] == [[80.0, 60.0], [40.0]]


@pytest.mark.parametrize(
    ("kind", "grade", "region", "suspends"),
    [
        ("radiating-pain", 1, "lumbar", True),
        ("weakness", 1, "cervical", True),
        ("dizziness", 1, "cervical", True),
        ("dizziness", 1, "lumbar", False),
        ("local-pain", 1, "lumbar", False),
        ("local-pain", 3, "lumbar", True),
    ],
)
def test_an_adverse_event_stops_the_cure_by_itself_where_its_row_says_so(rig, kind, grade, region, suspends):
    """New or worse radiating pain, weakness, dizziness in neck treatment: at once, in both regions."""
    patient = cleared(rig)
    made = reported(rig, patient, kind, grade, region=region)
    assert made["suspended"] is suspends
    assert open_reasons(rig, patient) == (["adverse"] if suspends else [])
    assert state(rig, patient)["state"] == ("suspended" if suspends else "cleared")
    told = [event for event in rig.told() if event.type in ("patient.adverse", "clearance.suspended")]
    assert [event.type for event in told] == ["patient.adverse", "clearance.suspended"][: 1 + suspends]
    assert (told[0].data["kind"], told[0].data["grade"]) == (kind, grade)
    if suspends:
        assert told[1].data["adverse"] is True
        assert told[1].data["region"] is None


@pytest.mark.parametrize(
    "said", [{"kind": "sneezing"}, {"grade": 0}, {"grade": 6}, {"happened_at": "2999-01-01T00:00:00Z"}]
)
def test_an_event_that_cannot_be_is_refused(rig, said):
    """With what may be said instead."""
    patient = cleared(rig)
    answer = reported(rig, patient, **({"kind": "headache"} | said), status=422)
    assert answer["detail_de"]
    assert rig.count(ADVERSE) == 0


def test_another_site_s_outcomes_do_not_exist(rig):
    """And reception sees none at all."""
    patient = cleared(rig)
    path = f"/patients/{patient}/outcomes"
    rig.ask("GET", path, role="therapist", sites=("south",), status=404)
    rig.ask("GET", path, role="reception", status=403)
    entered(rig, patient, "pain", before=3, role="reception", status=403)

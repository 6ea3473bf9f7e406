"""Pain that is reported from home: above its limit nobody is treated until a clinician has signed."""

from uuid import uuid4

import pytest
from screening.test_clearances import restore
from screening.treated import cleared, open_reasons, state


def report(rig, patient, **said):
    """What homecare tells of a report."""
    data = {
        "report": uuid4(), "programme": uuid4(), "patient": patient, "region": "lumbar", "exercise": "bridge",
        "pain_nrs": 7, "where": "back", "signs": [], "above": True,
    } | said  # fmt: skip
    rig.clinic_event("pain.reported", stream="programme", **data)
    return data


def test_pain_above_the_limit_suspends_once_however_often_it_is_told(rig):
    """A restored clearance is not taken away again by a report that a clinician has answered."""
    patient = cleared(rig)
    data = report(rig, patient)
    report(rig, patient, report=data["report"])
    assert open_reasons(rig, patient) == ["home-pain"]
    assert state(rig, patient)["state"] == "suspended"
    restore(rig, patient)
    report(rig, patient, report=data["report"])
    assert open_reasons(rig, patient) == []
    report(rig, patient)
    assert open_reasons(rig, patient) == ["home-pain"]


@pytest.mark.parametrize("said", [{"above": False}, {"patient": uuid4()}])
def test_pain_within_the_limit_or_of_a_stranger_suspends_nobody(rig, said):
    """The clinic hears of it from homecare; the next session is not in question."""
    patient = cleared(rig)
    report(rig, said.pop("patient", patient), **said)
    assert open_reasons(rig, patient) == []


def test_pain_of_the_middle_back_suspends_both_regions(rig):
    """Nobody clears it by itself: rather no pull at all than a guess."""
    patient = cleared(rig)
    report(rig, patient, region="thoracic")
    assert state(rig, patient)["state"] == "suspended"
    assert [one["region"] for one in rig.ask("GET", f"/patients/{patient}/suspensions")] == [None]

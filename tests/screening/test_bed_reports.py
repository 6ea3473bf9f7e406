"""Adverse events that come from the bed: one of each, suspending as those of the desk do."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from screening.test_clearances import restore
from screening.treated import BOOT, cleared, hear, open_reasons, state

from broker.messages import Event
from services.screening.errors import Invalid


def reported(patient, *, at=None, **said):
    """What a bed tells."""
    data = {
        "report": str(uuid4()), "kind": "weakness", "grade": 1, "region": "lumbar", "patient": str(patient),
        "cure": None, "by": str(uuid4()), "suspends": True, "text": {"de": "x", "en": "x"},
    }  # fmt: skip
    at = at or datetime.now(UTC)
    return Event(
        id=uuid4(), type="adverse.reported", at=at, boot=BOOT, seq=1, index=1, session=uuid4(),
        data=data | said,
    )  # fmt: skip


def kept(rig, patient):
    return rig.ask("GET", f"/patients/{patient}/adverse")


@pytest.mark.requirement("report-adverse")
def test_a_report_from_the_bed_is_one_adverse_event_however_often_it_comes(rig):
    """The line was down, the gateway was started again: the patient had one event, not three."""
    patient = cleared(rig)
    event = reported(patient)
    again = event.model_copy(update={"id": uuid4(), "index": 7})
    hear(rig, event, event, again)
    (made,) = kept(rig, patient)
    assert (made["kind"], made["grade"], made["suspended"]) == ("weakness", 1, True)
    assert (made["by"], made["session"]) == ("bed-01 · north", str(event.session))
    assert open_reasons(rig, patient) == ["adverse"]
    assert state(rig, patient)["state"] == "suspended"
    told = [row for row in rig.told("patient") if row.type == "patient.adverse"]
    assert len(told) == 1
    restore(rig, patient)
    hear(rig, again)
    assert open_reasons(rig, patient) == []


@pytest.mark.requirement("report-adverse")
def test_each_report_is_answered_by_a_suspension_of_its_own(rig):
    """A bed treats again when a list has named its patient after the report: each must lead to a new one."""
    patient = cleared(rig)
    hear(rig, reported(patient), reported(patient, kind="dizziness", grade=2))
    assert open_reasons(rig, patient) == ["adverse", "adverse"]
    hear(rig, reported(patient, kind="other", grade=1))
    assert len(kept(rig, patient)) == 3
    assert open_reasons(rig, patient) == ["adverse", "adverse"]


@pytest.mark.parametrize("days", [-900, 3])
def test_a_bed_with_a_wrong_clock_loses_no_event(rig, days):
    """It counts as of now, and what the bed's clock said is kept with it."""
    patient = cleared(rig)
    at = datetime.now(UTC) + timedelta(days=days)
    hear(rig, reported(patient, at=at))
    (made,) = kept(rig, patient)
    assert at.date().isoformat() in made["detail"]
    assert open_reasons(rig, patient) == ["adverse"]


def test_a_kind_that_is_not_in_the_table_suspends_and_nonsense_is_refused(rig):
    """A newer bed's word is not taken for nothing; what is none is kept among the refused."""
    patient = cleared(rig)
    hear(rig, reported(patient, kind="hiccups"))
    (made,) = kept(rig, patient)
    assert (made["kind"], made["detail"], made["suspended"]) == ("other", "(hiccups)", True)
    with pytest.raises(Invalid, match="cannot be read"):
        hear(rig, reported(patient, grade="much"))
    with pytest.raises(Invalid, match="from 1 to 5"):
        hear(rig, reported(patient, grade=9))


def test_nobody_of_ours_is_no_file(rig):
    """Simulated beds treat people whom nobody knows."""
    hear(rig, reported(uuid4()))
    assert rig.told("patient") == []

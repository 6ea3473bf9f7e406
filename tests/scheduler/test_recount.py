"""`spondyl audit` looks past the planner's slots at the appointments' own times."""

import pytest
from sqlalchemy import update

from services.kit.database import writing
from services.scheduler.booking.tables import APPOINTMENTS

CLEAN = {"beds_double": [], "therapists_double": [], "patients_double": []}


@pytest.fixture
def booked(either_rig):
    """Two patients with a cure each."""
    either_rig.clinic()
    return either_rig, [either_rig.cure()["appointments"] for _ in range(2)]


def put(rig, appointment, **values):
    """Write an appointment as no program of ours does it."""
    with writing(rig.office.engine) as connection:
        chosen = APPOINTMENTS.c.appointment == appointment["appointment"]
        connection.execute(update(APPOINTMENTS).where(chosen).values(**values))


def times(rig, appointment):
    """From, until and free again, in microseconds."""
    names = ("starts_us", "ends_us", "free_us", "site", "device", "therapist", "patient")
    with writing(rig.office.engine) as connection:
        chosen = APPOINTMENTS.c.appointment == appointment["appointment"]
        row = connection.execute(APPOINTMENTS.select().where(chosen)).mappings().one()
        return {name: row[name] for name in names}


def test_what_the_planner_booked_is_double_nowhere(booked):
    """Hundreds of appointments, and not one named."""
    rig, cures = booked
    assert rig.ask("GET", "/audit", role="administrator") == {"appointments": sum(map(len, cures))} | CLEAN


@pytest.mark.parametrize(
    ("what", "of_the_other"),
    [("beds_double", "device"), ("therapists_double", "therapist"), ("patients_double", "patient")],
)
def test_two_at_once_are_named(booked, what, of_the_other):
    """A bed, a therapist or a patient that is promised twice; a cancelled appointment promises nothing."""
    rig, (ours, theirs) = booked
    held = times(rig, ours[0])
    here = {name: held[name] for name in ("starts_us", "ends_us", "free_us")}
    apart = {"device": "bed-99", "therapist": "7" * 36, "patient": "8" * 36}
    put(rig, theirs[0], **here, **(apart | {of_the_other: held[of_the_other]}))
    found = rig.ask("GET", "/audit", role="administrator")
    names = {one["appointment"] for one in (ours[0], theirs[0])}
    assert [set(pair.split()) for pair in found[what]] == [names]
    assert [other for other in CLEAN if found[other]] == [what]
    put(rig, theirs[0], state="cancelled")
    assert rig.ask("GET", "/audit", role="administrator")[what] == []

"""The demo's made-up people, before any of them comes."""

import tomllib
from datetime import UTC, datetime
from importlib.resources import files

import pytest

from deploy.demo_people import STAGES, first_prescription
from services.kit.therapy.prescription import check_document
from services.screening.rules.days import age_years

TABLE = tomllib.loads((files("deploy") / "demo_clinic.toml").read_text(encoding="utf-8"))
PLANNED = [person for person in TABLE["person"] if person["stage"] == "planned"]


@pytest.mark.parametrize("person", PLANNED, ids=lambda person: person["family_name"])
def test_a_first_prescription_of_the_demo_is_within_every_limit(person):
    """A refused prescription would leave the demo without the cure that it is to show."""
    assert check_document(first_prescription(person)) == []


@pytest.mark.parametrize("person", PLANNED, ids=lambda person: person["family_name"])
def test_a_first_prescription_of_the_demo_has_the_age_of_the_file(person):
    """Where the two differ nothing is booked: the first of them would leave the whole demo empty."""
    asked = datetime.now(UTC).date()
    told = first_prescription(person)["age_years"]
    assert told in {age_years(person["birth_date"], day) for day in (asked, datetime.now(UTC).date())}


def test_the_demo_shows_every_stage_of_a_patient_s_way():
    """Cleared, refused, waiting for a signature, half answered, new: a desk meets them all."""
    assert {person["stage"] for person in TABLE["person"]} == set(STAGES)


def test_nobody_of_the_demo_can_be_reached():
    """A made-up address must not be somebody's."""
    assert all("email" not in person and "phone" not in person for person in TABLE["person"])


def test_the_demo_has_estimates_one_of_them_signed_and_some_that_are_owed():
    """Its page shows what a desk has to do, and what is done."""
    told = [person.get("estimate") for person in PLANNED]
    assert {"signed", "made", None} == set(told)
    assert told.count("signed") == 1

"""A patient's file: opened, corrected in append-only versions, noted in, asked for by other services."""

import re
from datetime import date
from uuid import UUID, uuid4

import pytest
from screening.screening_rig import PERSON
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from services.kit.database import reading, writing
from services.screening.patients import store
from services.screening.patients.tables import VERSION

UNKNOWN = "5e551011-0000-4000-8000-0000000000ff"


def corrected(rig, patient, version=1, reason="", status=200, **changes):
    body = {"content": PERSON | changes, "version": version, "reason": reason}
    return rig.ask("PUT", f"/patients/{patient}", json=body, status=status)


def test_a_correction_shows_the_original_who_and_when(either):
    """BGB 630f(1): what was written first stays to be read."""
    patient = either.patient(city="Köln")
    corrected(either, patient, reason="umgezogen", city="Bonn", body_weight_kg=71)
    first, second = either.ask("GET", f"/patients/{patient}/versions")
    assert (first["content"]["city"], second["content"]["city"]) == ("Köln", "Bonn")
    assert (second["by"], second["reason"], second["version"]) == ("clinician", "umgezogen", 2)
    assert first["at"] < second["at"]
    with reading(either.engine) as connection:
        file = store.current(connection, UUID(patient))
    assert (file.version, file.content.city, file.content.body_weight_kg) == (2, "Bonn", 71.0)


def test_the_database_itself_keeps_every_version(either):
    """A mistake in the program must not be able to rewrite a record."""
    either.patient()
    for change in (update(VERSION).values(content="{}"), delete(VERSION)):
        with pytest.raises(DBAPIError, match="append-only"), writing(either.engine) as connection:
            connection.execute(change)


def test_two_who_correct_at_once_do_not_undo_each_other(rig):
    """The second is told, and sees what the first wrote."""
    patient = rig.patient()
    corrected(rig, patient, phone="0221 1")
    refusal = corrected(rig, patient, status=409, phone="0221 2")
    assert refusal["version"] == 2
    assert "Version 2" in refusal["detail_de"]
    assert rig.ask("GET", f"/patients/{patient}")["content"]["phone"] == "0221 1"


def test_what_changes_nothing_makes_no_version(rig):
    """A form that is saved twice is no correction."""
    patient = rig.patient()
    assert corrected(rig, patient)["version"] == 1


def test_events_and_trail_tell_what_was_done_without_a_name(rig):
    """Other services and the auditor hear of it; the bus carries random ids alone."""
    patient = rig.patient()
    corrected(rig, patient, city="Bonn")
    rig.ask("GET", f"/patients/{patient}")
    told = rig.told("patient")
    assert [(it.type, it.data) for it in told] == [
        ("patient.registered", {"patient": patient}), ("patient.changed", {"patient": patient}),
    ]  # fmt: skip
    seen = [row["action"] for row in rig.trail() if row["record"] == patient]
    assert seen == ["patient.opened", "patient.changed", "patient.seen"]
    assert "Mustermann" not in str(rig.trail()) + str(told)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("birth_date", "1970-02-31", "kein Tag im Kalender"),
        ("birth_date", "2999-01-01", "bis heute"),
        ("birth_date", "1870-01-01", "1.1.1900"),
        ("birth_date", 0, "kein Tag"),
        ("family_name", " ", "fehlt"),
        ("family_name", "A\0B", "U+0000"),
        ("family_name", "x" * 81, "mehr als 80 Zeichen"),
        ("given_name", ["Erika"], "kein Text"),
        ("body_weight_kg", 7000.5, "„7000.5“ ist größer als 350"),
        ("body_weight_kg", "viel", "keine Zahl"),
        ("body_weight_kg", "NaN", "keine Zahl"),
        ("body_height_cm", -3, "kleiner als 80"),
        ("insurance", "state", "private"),
        ("email", "no address", "übliche Form"),
        ("country", "Germany", "übliche Form"),
        ("referral_on", "1950-01-01", "Geburt"),
        ("shoe_size", 43, "gibt es in der Akte nicht"),
    ],
)
def test_bad_input_is_refused_at_its_field_in_both_languages(rig, field, value, says):
    """What, the value and the limit; and nothing of it is kept."""
    body = {"site": "north", "content": PERSON | {field: value}}
    refusal = rig.ask("POST", "/patients", json=body, status=422)
    (row,) = refusal["errors"]
    assert row["field"] == field
    assert says in row["de"]
    assert not re.search(r"“[^“”]*”|350\.0", row["de"])  # marks as German has them; a limit as it was set
    assert row["en"]
    assert refusal["detail"] != refusal["detail_de"]
    assert rig.ask("GET", "/patients") == []


@pytest.mark.parametrize("name", ["Łukasz", "Ольга", "علي", "明", "Jürgen-\u0308", "O'Neil", "Ngũgĩ"])
def test_names_of_every_script_are_kept_as_they_are_written(rig, name):
    """In Unicode's composed form, so that the same name is the same text."""
    patient = rig.patient(given_name=f"  {name} ")
    kept = rig.ask("GET", f"/patients/{patient}")["content"]["given_name"]
    assert kept.strip() == kept
    assert kept.casefold()[0] == name.casefold()[0]


def test_another_sites_file_is_like_one_that_does_not_exist(rig):
    """Not even its existence is told."""
    patient = rig.patient("south")
    here, nowhere = (
        rig.client("clinician", "north").get(f"/patients/{it}").json() for it in (patient, UNKNOWN)
    )
    assert str(here).replace(patient, UNKNOWN) == str(nowhere)
    assert here["status"] == 404


def test_a_site_where_one_may_not_opens_no_file(rig):
    """A grant is for its sites."""
    body = {"site": "south", "content": PERSON}
    rig.ask("POST", "/patients", role="reception", sites=("north",), json=body, status=403)


def test_a_note_stays_with_who_and_when(rig):
    """It is added, never changed; an empty one is none."""
    patient = rig.patient()
    rig.ask("POST", f"/patients/{patient}/notes", json={"text": "Verträgt die Lagerung gut."}, status=201)
    refusal = rig.ask("POST", f"/patients/{patient}/notes", json={"text": " \n"}, status=422)
    assert refusal["detail_de"] == "Die Notiz ist leer."
    (note,) = rig.ask("GET", f"/patients/{patient}")["notes"]
    assert (note["text"], note["by"]) == ("Verträgt die Lagerung gut.", "clinician")


def test_names_are_given_to_pages_of_other_services_by_id(rig):
    """The board shows who comes; who is of another site or unknown is left out, and it is written down."""
    here, there = rig.patient(), rig.patient("south")
    asked = {"sites": ("north",), "json": {"ids": [here, there, UNKNOWN]}}
    names = rig.ask("POST", "/patients/names", role="therapist", **asked)
    assert names == rig.ask("POST", "/patients/names", role="billing", **asked)
    rig.ask("GET", f"/patients/{here}", role="billing", sites=("north",), status=403)
    assert names == {
        here: {"patient": here, "site": "north", "name": "Mustermann, Erika", "birth_date": "1964-08-12"}
    }
    assert rig.trail("patient.named")[0]["name"] == "therapist"


def test_a_service_asks_for_one_identity_and_it_is_written_down(rig):
    """The role `identity` and nobody else; what no paper names, weight or notes, is no part of it."""
    patient = rig.patient()
    said = rig.ask("GET", f"/patients/{patient}/identity", role="identity")
    assert (said["family_name"], said["email"]) == ("Mustermann", "erika@example.org")
    assert not {"body_weight_kg", "note"} & said.keys()
    assert rig.trail("patient.identity")[0]["record"] == patient
    for role in ("administrator", "clinician", "reception"):
        rig.ask("GET", f"/patients/{patient}/identity", role=role, status=403)


def test_nothing_is_shown_while_the_trail_cannot_be_written(rig):
    """Who saw what must be known, or nobody sees anything."""
    patient = rig.patient()
    with writing(rig.engine) as connection:
        connection.exec_driver_sql("ALTER TABLE screening_trail RENAME TO hidden")
    rig.ask("GET", f"/patients/{patient}", status=503)


def test_a_treatment_counts_from_its_last_day(rig):
    """Heard twice or late, the day of the last one stands."""
    patient = UUID(rig.patient())
    with writing(rig.engine) as connection:
        for day in ("2031-05-02", "2031-05-09", "2031-05-01"):
            store.treated(connection, patient, date.fromisoformat(day))
        store.treated(connection, uuid4(), date.fromisoformat("2031-01-01"))
    assert rig.ask("GET", f"/patients/{patient}")["retention"]["ended_on"] == "2031-05-09"
